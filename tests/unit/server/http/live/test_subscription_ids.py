"""Ids of subscriptions: made of what they are, and read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.server.http.live.subscription_ids import AFTER, DurableId, LiveId, read_after, read_id, write_after

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
SESSION = "session-u0pwVrymhyUHmLLwD6ERnQ"


@given(TEXTS.filter(lambda text: "\n" not in text), TEXTS)
def test_a_durable_one_is_read_back_and_fits_into_a_path(owner: str, name: str) -> None:
    made = DurableId(owner, name)
    assert read_id(str(made)) == made
    assert re.fullmatch(r"[\w.-]+", str(made), re.ASCII)
    after = write_after((0, owner, name))
    assert re.search(AFTER, after)
    assert read_after(after) == (0, owner, name)


@given(TEXTS, st.integers(0, 2**53))
def test_a_live_one_is_read_back_and_fits_into_a_path(tag: str, opened_us: int) -> None:
    made = LiveId(SESSION, tag)
    assert read_id(str(made)) == made
    assert re.fullmatch(r"[\w.-]+", str(made), re.ASCII)
    after = write_after((1, opened_us, SESSION, tag))
    assert re.search(AFTER, after)
    assert read_after(after) == (1, opened_us, SESSION, tag)


@pytest.mark.parametrize(
    "text", ["", "x", "durable", "durable.", "durable.YQ", "durable.YQo=", "durable.YQp", "durable._w", "live.YQ",
             "live..YQ", "live.s.é", "other.YQo"],
)  # fmt: skip
def test_what_is_no_id_is_none(text: str) -> None:
    assert read_id(text) is None


@given(st.from_regex(AFTER))
def test_whatever_looks_like_a_place_to_go_on_from_has_one_in_the_order(text: str) -> None:
    assert read_after(text) < (2,)


def test_durable_ones_come_before_live_ones() -> None:
    assert read_after(str(DurableId("partner 9", "z"))) < read_after(f"0.{LiveId(SESSION, 'T_0')}")
