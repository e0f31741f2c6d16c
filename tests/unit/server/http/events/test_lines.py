"""NDJSON is cut into the same lines however it is split."""

from hypothesis import given
from hypothesis import strategies as st

from heliograph.server.http.events.lines import Lines


def lines_of(pieces: list[bytes], bytes_max: int = 100) -> list[bytes | None]:
    lines = Lines(bytes_max)
    return [*(line for piece in pieces for line in lines.feed(piece)), *lines.end()]


def test_empty_lines_and_carriage_returns_are_passed_over():
    assert lines_of([b'{"a":1}\r\n\n \n{"b":2}']) == [b'{"a":1}', b'{"b":2}']


def test_a_line_that_is_too_long_comes_once_and_the_next_is_whole():
    assert lines_of([b"12345", b"67890", b"1\nnext\n"], bytes_max=8) == [None, b"next"]


def test_a_line_may_be_as_long_as_allowed():
    assert lines_of([b"12345678\n"], bytes_max=8) == [b"12345678"]


@given(st.binary(max_size=200).map(lambda octets: octets.replace(b"\x00", b"\n")), st.data())
def test_every_split_gives_the_same_lines(octets: bytes, data: st.DataObject):
    cut = data.draw(st.integers(0, len(octets)))
    assert lines_of([octets[:cut], octets[cut:]], 20) == lines_of([octets], 20)
