"""What others wrote must not act on the terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.cli.terminal import one_line_json, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é ✓", "plain é ✓"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb\tc\0", "a\\nb\\tc\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_control_characters_become_escapes(text: str, shown: str):
    assert printable(text) == shown


@given(st.text())
def test_nothing_unprintable_is_left(text: str):
    assert printable(text).isprintable()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_a_json_body_stays_the_same_json(value: object):
    body = json.dumps(value, ensure_ascii=False, indent=2).encode(errors="replace")
    line = one_line_json(body)
    assert line.isprintable()
    assert json.loads(line) == json.loads(body)


def test_a_body_that_is_no_json_is_one_safe_line_too():
    assert one_line_json(b"\x1b[2J\xff\nnext") == "\\u001b[2J\ufffd next"
