"""Patterns against each other, compared with what a key tells."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.topic.comparison import covers, overlap
from heliograph.topic.matcher import matches

#: A third letter is as good as any that neither pattern names.
KEYS = [key for size in range(1, 7) for key in product("abx", repeat=size)]
patterns = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=3).map(tuple)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split("."))


@given(patterns, patterns)
def test_patterns_overlap_where_a_key_matches_both(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    common = any(matches(one, key) and matches(other, key) for key in KEYS)
    both_empty = matches(one, ()) and matches(other, ())
    assert overlap(one, other) == overlap(other, one) == (common or both_empty)


@given(patterns, patterns)
def test_what_covers_takes_every_key(wide: tuple[str, ...], narrow: tuple[str, ...]) -> None:
    if covers(wide, narrow):
        assert all(matches(wide, key) for key in KEYS if matches(narrow, key))


@pytest.mark.parametrize(
    ("wide", "narrow", "answer"),
    [
        ("#", "7.#", True),
        ("#", "#", True),
        ("7.#", "7.#", True),
        ("7.#", "7.12345.create", True),
        ("7.*.create", "7.12345.create", True),
        ("*.#", "7.#", True),
        ("#.create", "7.*.create", True),
        ("7.#", "#", False),
        ("7.*", "7.#", False),
        ("7.#", "9.#", False),
        ("7.*.create", "7.*", False),
        ("*", "#", False),
    ],
)
def test_covering_in_the_cases_that_rights_are_made_of(wide: str, narrow: str, answer: bool) -> None:
    assert covers(words(wide), words(narrow)) is answer
