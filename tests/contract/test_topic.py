"""TOPIC-1 and TOPIC-2 of the contract, for the matcher and for the trie that routes by it."""

import pytest

from heliograph.limits import Limits
from heliograph.topic.matcher import explain, matches
from heliograph.topic.trie import Trie
from heliograph.topic.words import parse_key, parse_pattern

LIMITS = Limits()

#: The contract's table.
TOPIC_2_KEY = "12345.12345.32.create.objectDetected.faceDetected"
TOPIC_2 = {
    "12345.12345.32.create.objectDetected.faceDetected": True,
    "12345.12345.32.create.objectDetected.faceDetected.#": True,
    "12345.12345.32.create.objectDetected.#": True,
    "12345.12345.32.create.objectDetected": False,
    "12345.12345.*.create.objectDetected.faceDetected": True,
    "12345.*.*.create.objectDetected.faceDetected": True,
    "12345.*.*.*.objectDetected.faceDetected": True,
    "*.12345.32.create.#": True,
}

TOPIC_1 = [
    ("a.b", "a.b", True),
    ("a.b", "a.c", False),
    ("*", "a", True),
    ("*.b", "a.b", True),
    ("a.*", "a", False),
    ("a.*", "a.b.c", False),
    ("#", "a", True),
    ("#", "a.b.c", True),
    ("a.#", "a", True),
    ("#.c", "c", True),
    ("#.c", "a.b.c", True),
    ("a.#.c", "a.c", True),
    ("a.#.c", "a.b.b.c", True),
    ("a.#.c", "a.b.b", False),
    ("*.#.*", "a", False),
    ("*.#.*", "a.b", True),
]


def answers(pattern: str, key: str) -> set[bool]:
    """What each part that can tell says."""
    pattern_words, key_words = parse_pattern(pattern, LIMITS), parse_key(key, LIMITS)
    trie: Trie[str] = Trie()
    trie.add(pattern_words, "here")
    return {
        matches(pattern_words, key_words),
        explain(pattern_words, key_words).matches,
        trie.match(key_words) == ["here"],
    }


@pytest.mark.parametrize(("pattern", "key", "expected"), TOPIC_1)
def test_TOPIC_1_star_is_one_word_and_hash_any_number_anywhere(pattern: str, key: str, expected: bool):
    assert answers(pattern, key) == {expected}


@pytest.mark.parametrize("pattern", TOPIC_2)
def test_TOPIC_2_each_row_of_the_table(pattern: str):
    assert answers(pattern, TOPIC_2_KEY) == {TOPIC_2[pattern]}


def test_TOPIC_2_the_whole_table_in_one_trie():
    trie: Trie[str] = Trie()
    for pattern in TOPIC_2:
        trie.add(parse_pattern(pattern, LIMITS), pattern)
    assert trie.match(parse_key(TOPIC_2_KEY, LIMITS)) == [pattern for pattern, matched in TOPIC_2.items() if matched]
