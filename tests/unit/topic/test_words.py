from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ClientError, DestinationError, LimitError
from heliograph.limits import Limits
from heliograph.topic.words import canonical, parse_key, parse_pattern, quote

LIMITS = Limits()


@pytest.mark.parametrize("text", ["a", "7.12345.32.create.objectDetected", "Küche.東京", "a-b_c.%2e", "a" * 255, "a/b"])
def test_a_key_is_its_words(text: str):
    assert parse_key(text, LIMITS) == tuple(text.split("."))
    assert parse_pattern(text, LIMITS) == tuple(text.split("."))


@pytest.mark.parametrize("parse", [parse_key, parse_pattern])
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "Word 1 of '' is empty"),
        (".", "Word 1 of '.' is empty"),
        ("a.", "Word 2 of 'a.' is empty"),
        ("a..b", "Word 2 of 'a..b' is empty"),
        ("a b", "' '"),
        ("a\tb", r"'\t'"),
        ("a\n", r"'\n'"),
        ("a\0b", r"'\x00'"),
        ("a\u00a0b", r"'\xa0'"),
        ("a\u200bb", r"'\u200b'"),
        ("a\ud800", r"'\ud800'"),
    ],
)
def test_what_no_word_may_be(parse, text: str, fault: str):
    with pytest.raises(DestinationError) as caught:
        parse(text, LIMITS)
    assert fault in caught.value.detail


@pytest.mark.parametrize("parse", [parse_key, parse_pattern])
def test_octets_are_counted_not_characters(parse):
    with pytest.raises(LimitError, match="It has 256 octets; routing_key_bytes_max is 255"):
        parse("é" * 128, LIMITS)


@pytest.mark.parametrize("text", ["*", "#", "7.*", "7.#", "a*", "7.a#b"])
def test_a_key_has_no_wildcards(text: str):
    with pytest.raises(DestinationError, match="wildcard"):
        parse_key(text, LIMITS)


@pytest.mark.parametrize("text", ["7.a*", "7.**", "7.##", "7.#a", "7.*#"])
def test_a_wildcard_is_a_whole_word(text: str):
    with pytest.raises(DestinationError, match=r"Word 2, .* A wildcard must be a whole word"):
        parse_pattern(text, LIMITS)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("#", "#"),
        ("#.#", "#"),
        ("#.#.#.a.#.#", "#.a.#"),
        ("#.*", "*.#"),
        ("*.#.*", "*.*.#"),
        ("#.*.#.*.#", "*.*.#"),
        ("*.*", "*.*"),
        ("a.#.*.b.*.a.#", "a.*.#.b.*.a.#"),
    ],
)
def test_equal_runs_of_wildcards_have_one_form(text: str, same: str):
    assert ".".join(parse_pattern(text, LIMITS)) == same


@given(st.lists(st.sampled_from("a*#")))
def test_the_form_is_final_and_has_no_wildcard_behind_a_hash(words: list[str]):
    form = canonical(words)
    assert canonical(form) == form
    assert all(after not in ("*", "#") for word, after in pairwise(form) if word == "#")
    assert [word for word in form if word == "*"] == [word for word in words if word == "*"]


def test_hashes_are_counted_after_neighbours_are_merged():
    assert parse_pattern("#.#." * 8 + "#", LIMITS) == ("#",)
    assert len(parse_pattern("#.a." * 7 + "#", LIMITS)) == 15
    with pytest.raises(LimitError, match="has 9 '#'; pattern_hashes_max is 8"):
        parse_pattern("#.a." * 8 + "#", LIMITS)


@given(st.text(alphabet=st.characters() | st.sampled_from(".*# ")))
def test_any_text_is_words_or_a_ClientError(text: str):
    for parse in (parse_key, parse_pattern):
        try:
            words = parse(text, LIMITS)
        except ClientError as error:
            assert error.detail
        else:
            assert all(words)


def test_quote_is_one_bounded_line():
    assert quote("a'b") == '"a\'b"'
    assert quote("a\nb\ud800") == r"'a\nb\ud800'"
    assert len(quote("x" * 10_000)) < 300
