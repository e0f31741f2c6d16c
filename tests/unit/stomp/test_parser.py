"""Octets → frames: the table, every way of cutting it, limits at the limit and one over, and no work twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph.errors import ClientError, LimitError, ProtocolError
from heliograph.limits import Limits
from heliograph.stomp.frame import CLIENT_COMMANDS, SERVER_COMMANDS, Frame
from heliograph.stomp.parser import HeadCache, Parser, head_cache
from heliograph.stomp.version import V10, V11, V12
from tests.unit.stomp.wire_cases import WIRE_CASES, WireCase, cut_at

ALL_COMMANDS = CLIENT_COMMANDS | SERVER_COMMANDS
LIMITS = Limits()
SMALL = Limits(
    command_bytes_max=16, header_count_max=3, header_line_bytes_max=24, head_bytes_max=64, body_bytes_max=32
)  # fmt: skip

#: command, headers, receipt, body: what two readings are compared by
Reading = tuple[str, dict[str, str], str | None, bytes]


def seen(frame: Frame) -> Reading:
    return frame.head.command, dict(frame.head.headers), frame.receipt, frame.body


def expected(case: WireCase) -> Reading:
    return case.command, case.headers, case.receipt, case.body


def parser_for(version: str = V12, limits: Limits = LIMITS, cache: HeadCache | None = None) -> Parser:
    parser = Parser(limits, cache, commands=ALL_COMMANDS)
    parser.version = version
    return parser


def read(parser: Parser, *pieces: bytes) -> list[Reading]:
    return [seen(frame) for piece in pieces for frame in parser.feed(piece)]


def byte_by_byte(octets: bytes) -> Iterator[bytes]:
    return (octets[at : at + 1] for at in range(len(octets)))


by_name = pytest.mark.parametrize("case", WIRE_CASES, ids=lambda case: case.name)
both_ways = pytest.mark.parametrize("cut", [lambda octets: [octets], byte_by_byte], ids=["whole", "byte by byte"])


# --- the table


@pytest.mark.parametrize("case", [case for case in WIRE_CASES if case.write], ids=lambda case: case.name)
def test_our_frame_is_written_as_the_table_says(case: WireCase) -> None:
    assert case.write is not None
    assert case.write() == case.octets


@by_name
def test_a_frame_is_read_whole(case: WireCase) -> None:
    parser = parser_for(case.version)
    assert read(parser, case.octets) == [expected(case)]
    assert parser.error is None


@by_name
def test_a_frame_is_read_byte_by_byte_and_comes_with_its_nul(case: WireCase) -> None:
    parser = parser_for(case.version)
    last = case.octets.rstrip(b"\n")
    assert read(parser, *byte_by_byte(last[:-1])) == []
    assert read(parser, last[-1:]) == [expected(case)]


@by_name
def test_a_frame_is_read_from_two_pieces_wherever_it_is_cut(case: WireCase) -> None:
    cache = head_cache(LIMITS)
    for at in range(len(case.octets) + 1):
        parser = parser_for(case.version, cache=cache)
        assert read(parser, case.octets[:at], case.octets[at:]) == [expected(case)], at


@by_name
@pytest.mark.parametrize("more", [b"\n", b"\r\n\n", b"S", b"SEND\ndestination:/next\n", b"ACK\nid:1\n\n"])
def test_what_comes_after_a_frame_waits(case: WireCase, more: bytes) -> None:
    parser = parser_for(case.version)
    assert read(parser, case.octets + more) == [expected(case)]
    assert parser.error is None


@by_name
@both_ways
def test_a_frame_is_read_again_right_behind_itself_and_with_blank_lines_between(
    case: WireCase, cut: Callable[[bytes], list[bytes]]
) -> None:
    three = case.octets + case.octets + b"\r\n\n" + case.octets
    assert read(parser_for(case.version), *cut(three)) == [expected(case)] * 3


# --- what is refused: (octets, version, message, part of the detail)

# fmt: off
REFUSED = {
    "an unknown command": (b"FOO\n\n\0", V12, "Bad command", "'FOO'"),
    "lower case": (b"send\ndestination:/x\n\n\0", V12, "Bad command", "'send'"),
    "a command with a space": (b"SEND \n\n\0", V12, "Bad command", "'SEND '"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0", V12, "Bad command", "'GET '"),
    "a first line that is too long": (b"A" * 33 + b"\n\n\0", V12, "Bad command", "32 octets"),
    "a header without a colon": (b"SEND\ndestination\n\n\0", V12, "Malformed header", "'name:value'"),
    "a header without a name": (b"SEND\n:/x\n\n\0", V12, "Malformed header", "has no name"),
    "an undefined escape": (b"SEND\ndestination:a\\tb\n\n\0", V12, "Invalid escape", "'\\\\t'"),
    "an undefined escape in 1.1": (b"SEND\ndestination:a\\rb\n\n\0", V11, "Invalid escape", "STOMP 1.1"),
    "a lone backslash": (b"SEND\ndestination:a\\\n\n\0", V12, "Invalid escape", "Write a backslash as two"),
    "an undefined escape in a name": (b"SEND\nfoo\\x:1\n\n\0", V12, "Invalid escape", "'\\\\x'"),
    "an undefined escape in a receipt": (b"SEND\nreceipt:\\x\n\n\0", V12, "Invalid escape", "'\\\\x'"),
    "headers that are not UTF-8": (b"SEND\ndestination:\xff\n\n\0", V12, "Malformed header", "UTF-8"),
    "a receipt that is not UTF-8": (b"SEND\nreceipt:\xff\n\n\0", V12, "Malformed header", "UTF-8"),
    "a content-length that is no number": (b"SEND\ncontent-length:x\n\n\0", V12, "Invalid header", "content-length"),
    "a negative content-length": (b"SEND\ncontent-length:-1\n\n\0", V12, "Invalid header", "'-1'"),
    "an empty content-length": (b"SEND\ncontent-length:\n\n\0", V12, "Invalid header", "''"),
    "a content-length in other digits": ("SEND\ncontent-length:١\n\n\0".encode(), V12, "Invalid header", "number"),
    "a content-length of many digits": (b"SEND\ncontent-length:" + b"1" * 19 + b"\n\n\0", V12, "Invalid header", "111"),
    "a body longer than its content-length": (b"SEND\ncontent-length:2\n\nabc\0", V12, "Malformed frame", "octet 2"),
    "a forgotten empty line": (b"DISCONNECT\nreceipt:1\n\0", V12, "Malformed frame", "an empty line"),
    "a command alone": (b"DISCONNECT\0", V12, "Malformed frame", "an empty line"),
    "a NUL in a header": (b"SEND\ndestination:/x\nfoo:a\0MESSAGE\n\n\0", V12, "Malformed frame", "NUL"),
    "a NUL in a receipt": (b"SEND\nreceipt:a\0b\ndestination:/x\n\n\0", V12, "Malformed frame", "NUL"),
    "a NUL between frames": (b"\0SEND\ndestination:/x\n\n\0", V12, "Malformed frame", "NUL"),
}
# fmt: on


@pytest.mark.parametrize("fault", REFUSED)
@both_ways
def test_what_is_no_frame_is_refused_with_the_reason_and_ends_the_reading(
    fault: str, cut: Callable[[bytes], list[bytes]]
) -> None:
    octets, version, message, part = REFUSED[fault]
    parser = parser_for(version)
    good = b"DISCONNECT\n\n\0"
    assert len(read(parser, *cut(good + octets + good))) == 1
    assert isinstance(parser.error, ProtocolError)
    assert parser.error.message == message
    assert part in parser.error.detail
    error = parser.error
    assert read(parser, good, b"\n", b"") == []
    assert parser.error is error


def test_nothing_of_the_session_that_was_refused_is_kept_in_memory() -> None:
    parser = parser_for()
    parser.feed(b"A" * 40)
    for _ in range(10):
        parser.feed(b"B" * 65_536)
    assert parser.error is not None
    assert len(parser._held) == 0


@pytest.mark.parametrize(
    ("octets", "receipt"),
    [
        (b"SEND\nreceipt:a\\c1\nfoo:\\t\n\n\0", "a:1"),
        (b"SEND\ndestination\nreceipt:7\n\n\0", "7"),
        (b"SEND\nreceipt:7\ncontent-length:1\n\nabc\0", "7"),
        (b"SEND\nreceipt:7\n\0", "7"),
        (b"SEND\r\nreceipt:7\r\ncontent-length:x\r\n\r\n\0", "7"),
        (b"SEND\nfoo:\\t\n\n\0", None),
        (b"SEND\nreceipt:\\t\n\n\0", None),
        (b"SEND\nreceipt:1\ndestination:/x\n\n\0FOO\n\n\0", None),
    ],
)
def test_a_fault_names_the_receipt_of_its_frame(octets: bytes, receipt: str | None) -> None:
    parser = parser_for()
    parser.feed(octets)
    assert parser.error is not None
    assert parser.error_receipt == receipt


# --- limits: at the limit it is taken, one over it is refused


def head(*lines: bytes) -> bytes:
    return b"\n".join(lines) + b"\n\n\0"


# fmt: off
LIMIT_CASES = {
    # name: (at the limit, one over, the limit's name or, for the command, its number)
    "head_bytes_max": (head(b"SEND", b"a:" + b"x" * 21, b"b:" + b"x" * 21, b"c:" + b"x" * 9),
                       head(b"SEND", b"a:" + b"x" * 21, b"b:" + b"x" * 21, b"c:" + b"x" * 10)),
    "header_count_max": (head(b"SEND", b"a:1", b"b:2", b"c:3"), head(b"SEND", b"a:1", b"b:2", b"c:3", b"d:4")),
    "header_count_max, repeated": (head(b"SEND", b"a:1", b"a:1", b"a:1"), head(b"SEND", *[b"a:1"] * 4)),
    "header_line_bytes_max": (head(b"SEND", b"a:" + b"x" * 22), head(b"SEND", b"a:" + b"x" * 23)),
    "header_line_bytes_max, receipt": (head(b"SEND", b"receipt:" + b"x" * 16), head(b"SEND", b"receipt:" + b"x" * 17)),
    "body_bytes_max": (b"SEND\na:1\n\n" + b"x" * 32 + b"\0", b"SEND\na:1\n\n" + b"x" * 33 + b"\0"),
    "body_bytes_max, content-length": (b"SEND\ncontent-length:32\n\n" + b"\0" * 33,
                                       b"SEND\ncontent-length:33\n\n" + b"\0" * 34),
}
# fmt: on


@pytest.mark.parametrize("name", LIMIT_CASES)
@both_ways
def test_a_frame_at_the_limit_is_taken_and_one_over_it_refused(name: str, cut: Callable[[bytes], list[bytes]]) -> None:
    at_limit, over = LIMIT_CASES[name]
    parser = parser_for(limits=SMALL)
    assert len(read(parser, *cut(at_limit * 2))) == 2
    assert parser.error is None
    assert read(parser, *cut(over)) == []
    assert isinstance(parser.error, LimitError)
    limit = name.partition(",")[0]
    assert limit in parser.error.detail
    assert str(getattr(SMALL, limit)) in parser.error.detail


@both_ways
def test_a_receipt_is_not_counted_since_it_is_no_part_of_what_frames_have_in_common(
    cut: Callable[[bytes], list[bytes]],
) -> None:
    parser = parser_for(limits=SMALL)
    for at_limit in (LIMIT_CASES["head_bytes_max"][0], LIMIT_CASES["header_count_max"][0]):
        octets = at_limit.replace(b"SEND\n", b"SEND\nreceipt:" + b"r" * 16 + b"\n")
        assert len(read(parser, *cut(octets))) == 1
    assert parser.error is None


@pytest.mark.parametrize(
    "octets", [b"A" * 17, b"SEND\nfoo:" + b"x" * 100, b"SEND\n" + b"a:b\n" * 6, b"SEND\n\n" + b"x" * 33]
)
@both_ways
def test_what_can_become_no_frame_within_the_limits_is_refused_before_it_ends(
    octets: bytes, cut: Callable[[bytes], list[bytes]]
) -> None:
    parser = parser_for(limits=SMALL)
    assert read(parser, *cut(octets)) == []
    assert parser.error is not None


@pytest.mark.parametrize(
    "octets", [b"CONNECT\n" + b"a:b\n" * 4, b"CONNECT\n\n" + b"x" * 30, b"CONNECT\ncontent-length:30\n\n"]
)
@both_ways
def test_before_login_little_is_held(octets: bytes, cut: Callable[[bytes], list[bytes]]) -> None:
    parser = parser_for(limits=Limits(body_bytes_max=1_000))
    parser.bytes_max = 20
    assert read(parser, *cut(octets)) == []
    assert isinstance(parser.error, LimitError)
    assert "unauthenticated_bytes_max" in parser.error.detail


# --- the pause after CONNECT


@both_ways
def test_what_follows_connect_is_kept_until_it_is_asked_for(cut: Callable[[bytes], list[bytes]]) -> None:
    parser = parser_for()
    parser.pause_after = frozenset({"CONNECT"})
    rest = b"\nSEND\ndestination:/x\nfoo:\\r\n\nbody\0ACK\nid:1\n\n\0"
    assert [command for command, *_ in read(parser, *cut(b"CONNECT\nhost:a\n\n\0" + rest))] == ["CONNECT"]
    assert parser.paused
    parser.version = V10
    assert [each[1].get("foo") for each in read(parser, b"")] == ["\\r", None]
    assert [command for command, *_ in read(parser, *cut(b"ACK\nid:2\n\n\0"))] == ["ACK"]


def test_a_pause_with_nothing_behind_it_ends_too() -> None:
    parser = parser_for()
    parser.pause_after = frozenset({"CONNECT"})
    read(parser, b"CONNECT\nhost:a\n\n\0")
    assert read(parser, b"") == []
    assert not parser.paused
    assert len(read(parser, b"ACK\nid:2\n\n\0")) == 1


@both_ways
def test_little_is_kept_during_the_pause(cut: Callable[[bytes], list[bytes]]) -> None:
    parser = parser_for()
    parser.pause_after = frozenset({"CONNECT"})
    parser.bytes_max = 20
    assert len(read(parser, b"CONNECT\nhost:a\n\n\0")) == 1
    assert read(parser, *cut(b"\n" * 20)) == []
    assert parser.error is None
    read(parser, b"\n")
    assert isinstance(parser.error, LimitError)


# --- the cache of heads


def test_the_same_head_is_parsed_once_whatever_its_receipt_and_body() -> None:
    parser = parser_for()
    frames = parser.feed(
        b"SEND\ndestination:/x\nreceipt:1\nfoo:\\n\n\nA\0SEND\ndestination:/x\nreceipt:2\nfoo:\\n\n\nB\0"
        b"SEND\ndestination:/x\nfoo:\\n\n\nC\0"
    )
    assert [(frame.receipt, frame.body) for frame in frames] == [("1", b"A"), ("2", b"B"), (None, b"C")]
    assert frames[0].head is frames[1].head is frames[2].head
    assert dict(frames[0].head.headers) == {"destination": "/x", "foo": "\n"}


def test_two_connections_share_a_head_but_two_versions_do_not() -> None:
    cache = head_cache(LIMITS)
    octets = b"SEND\ndestination:/x\nfoo:\\r\n\n\0"
    first, again = (parser_for(V12, cache=cache).feed(octets)[0] for _ in range(2))
    assert first.head is again.head
    assert parser_for(V10, cache=cache).feed(octets)[0].head.headers["foo"] == "\\r"
    parser = parser_for(V11, cache=cache)
    assert parser.feed(octets) == []
    assert parser.error is not None


def test_the_first_of_two_receipts_wins_with_a_cached_head_too() -> None:
    cache = head_cache(LIMITS)
    for first, second in ((b"1", b"2"), (b"3", b"2")):
        octets = b"SEND\ndestination:/x\nreceipt:%b\nreceipt:%b\n\n\0" % (first, second)
        assert read(parser_for(cache=cache), octets) == [("SEND", {"destination": "/x"}, first.decode(), b"")]


def test_only_send_is_remembered() -> None:
    cache = head_cache(LIMITS)
    read(parser_for(cache=cache), b"CONNECT\npasscode:secret\n\n\0SUBSCRIBE\nid:1\n\n\0ACK\nid:1\n\n\0")
    assert sum(map(len, cache.values())) == 0


def test_a_long_head_is_not_remembered_so_that_the_cache_is_bounded_in_octets() -> None:
    cache = head_cache(LIMITS)
    for size in (LIMITS.parsed_head_bytes_max, LIMITS.parsed_head_bytes_max + 1):
        octets = (b"SEND\ndestination:" + b"x" * size)[:size] + b"\n\n\0"
        assert len(read(parser_for(cache=cache), octets, octets)) == 2
    assert len(cache[V12]) == 1


def test_a_head_of_many_headers_is_not_remembered_since_in_memory_they_are_larger_than_on_the_wire() -> None:
    cache = head_cache(LIMITS)
    for count in (LIMITS.parsed_head_headers_max, LIMITS.parsed_head_headers_max + 1):
        octets = b"SEND\n" + b"".join(b"%d:\n" % number for number in range(count)) + b"\n\0"
        assert len(read(parser_for(cache=cache), octets, octets)) == 2
    assert len(cache[V12]) == 1


def test_nothing_of_a_stranger_is_remembered() -> None:
    cache = head_cache(LIMITS)
    parser = parser_for(cache=cache)
    parser.caching = False
    assert len(read(parser, b"SEND\ndestination:/x\n\n\0")) == 1
    assert len(cache[V12]) == 0


def test_a_head_is_cached_only_when_it_was_good() -> None:
    cache = head_cache(SMALL)
    for _ in range(2):
        parser = parser_for(limits=SMALL, cache=cache)
        read(parser, LIMIT_CASES["header_count_max"][1])
        assert parser.error is not None
        parser = parser_for(limits=SMALL, cache=cache)
        read(parser, LIMIT_CASES["body_bytes_max, content-length"][1])
        assert parser.error is not None


# --- work: counted, not timed


class CountingParser(Parser):
    """Adds up the octets that were looked through."""

    looked = 0

    def _parse(self, data: bytes, frames: list[Frame]) -> None:
        self.looked += len(data)
        super()._parse(data, frames)


@pytest.mark.parametrize(
    "octets",
    [
        b"SEND\ndestination:/x\n\n" + b"x" * 200_000 + b"\0",
        b"SEND\ndestination:/x\n\n" + b"\n\n" * 50_000 + b"\0",
        b"SEND\ndestination:/x\ncontent-length:200000\n\n" + b"\0\n" * 100_000 + b"\0",
    ],
    ids=["no content-length", "empty lines", "content-length"],
)
def test_a_large_body_byte_by_byte_is_looked_through_a_few_times_only(octets: bytes) -> None:
    parser = CountingParser(LIMITS)
    frames = [frame for at in range(0, len(octets), 7) for frame in parser.feed(octets[at : at + 7])]
    assert len(frames) == 1
    assert parser.looked < 3 * len(octets)


def test_a_large_head_byte_by_byte_is_looked_through_once_for_each_line_at_most() -> None:
    lines = [b"h%02d:%b" % (number, b"x" * 600) for number in range(50)]
    octets = b"SEND\n" + b"\n".join(lines) + b"\n\n\0"
    parser = CountingParser(LIMITS)
    assert len(read(parser, *byte_by_byte(octets))) == 1
    assert parser.looked < 55 * len(octets)


def test_one_long_line_byte_by_byte_is_looked_through_a_few_times_only() -> None:
    parser = CountingParser(Limits(header_line_bytes_max=21_000))
    assert len(read(parser, *byte_by_byte(b"SEND\nfoo:" + b"x" * 20_000 + b"\n\n\0"))) == 1
    assert parser.looked < 5 * 20_000


def test_an_endless_first_line_is_refused_at_its_limit() -> None:
    parser = CountingParser(LIMITS)
    for _ in range(LIMITS.command_bytes_max):
        parser.feed(b"A")
    assert parser.error is None
    parser.feed(b"A")
    assert parser.error is not None


class Octets(bytes):
    """Counts the octets that ``find`` may run through."""

    searched = 0

    def find(self, sub, start=0, end=None) -> int:
        found = super().find(sub, start, len(self) if end is None else end)
        stop = found if found >= 0 else min(len(self), len(self) if end is None else end)
        Octets.searched += max(0, stop - start)
        return found


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("header", [b"transaction:1", b"transaction:" + b"1" * 2_000])
def test_many_frames_in_one_piece_cost_no_more_than_their_octets(eol: bytes, header: bytes) -> None:
    """CRLF frames were searched for an LF-only end of head through all that came behind them: seconds for a MiB."""
    octets = Octets(eol.join([b"BEGIN", header, b"", b"\0"]) * max(150, 60_000 // len(header)))
    Octets.searched = 0
    frames: list[Frame] = []
    parser_for()._parse(octets, frames)
    assert len(frames) > 100
    assert Octets.searched < 50 * len(octets)


# --- any split gives the same


def frames_and_error(
    pieces: list[bytes], version: str, limits: Limits
) -> tuple[list[Reading], type[ClientError] | None]:
    parser = parser_for(version, limits)
    return read(parser, *pieces), None if parser.error is None else ProtocolError


#: octets that are likely to be nearly a frame
FRAGMENTS = st.sampled_from([
    b"SEND", b"ACK", b"CONNECT", b"MESSAGE", b"\n", b"\n",
    b"\r\n", b"\n\n", b"\r\n\r\n", b"\0", b"\0", b"\r", b":", b"\\",
    b"\\c", b"destination:/x", b"receipt:1", b"content-length:3", b"content-length:0", b"a:b", b"foo", b"abc", b"\xff",
    b"x" * 20, b"SEND\ndestination:/x\n\nabc\0", b"SEND\r\nreceipt:1\r\ncontent-length:3\r\n\r\na\0c\0",
    b"ACK\nid:1\n\n\0\n",
])  # fmt: skip
NEARLY = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=12).map(b"".join)
TABLE = st.lists(st.sampled_from([case.octets for case in WIRE_CASES]), max_size=3).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    octets = draw(TABLE)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(octets)))
        octets = octets[:at] + draw(st.binary(max_size=2)) + octets[at + draw(st.integers(0, 2)) :]
    return octets


@given(NEARLY | TABLE | mutated(), st.lists(st.integers(0, 1_000)), st.sampled_from([V10, V11, V12]), st.booleans())
@example(head(b"SEND", b"a:1", b"b:2", b"c:3"), list(range(20)), V12, True)
@example(b"A" * 17, [3], V12, True)
def test_any_split_gives_the_same_frames_and_the_same_verdict(
    octets: bytes, cuts: list[int], version: str, small: bool
) -> None:
    limits = SMALL if small else LIMITS
    whole = frames_and_error([octets], version, limits)
    assert frames_and_error(cut_at(octets, cuts), version, limits) == whole
    assert frames_and_error(list(byte_by_byte(octets)), version, limits) == whole
