import random
import time
import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from heliograph.topic.matcher import matches
from heliograph.topic.trie import Trie
from heliograph.topic.words import canonical

KEY = ("7", "12345", "32", "create", "objectDetected", "faceDetected")


def trie_of(*patterns: str) -> Trie[str]:
    trie: Trie[str] = Trie()
    for pattern in patterns:
        trie.add(pattern.split("."), pattern)
    return trie


def test_an_empty_trie_matches_nothing():
    trie: Trie[int] = Trie()
    assert (trie.match(KEY), len(trie)) == ([], 0)


def test_all_kinds_of_pattern_are_found_in_the_order_they_were_added():
    patterns = ["#.faceDetected", "7.#", ".".join(KEY), "7.*.32.#.faceDetected.#", "#", "*.*.*.*.*.*", "*.#.create.#"]
    others = ["8.#", "7.12345.33.#", "7.*", "#.objectDetected", "*.*.*.*.*.*.*", "7.#.create"]
    trie = trie_of(*(pattern for pair in zip(patterns, [*others, "x"], strict=True) for pattern in pair))
    assert trie.match(KEY) == patterns


def test_a_value_is_given_once_however_many_ways_lead_to_it():
    trie: Trie[str] = Trie()
    for pattern in ("#.a.#", "#.a", "a.#", "a.a.a", "*.#", "#"):
        trie.add(pattern.split("."), "one")
    trie.add(["#"], "two")
    assert trie.match(["a", "a", "a"]) == ["one", "two"]
    assert len(trie) == 7


def test_a_pair_counts_once_and_keeps_its_place():
    trie = trie_of("a", "#")
    trie.add(["a"], "a")
    assert (len(trie), trie.match(["a"])) == (2, ["a", "#"])


def test_equal_patterns_are_one():
    trie: Trie[int] = Trie()
    trie.add(["#", "*", "#"], 1)
    trie.add(["*", "#"], 1)
    assert len(trie) == 1
    trie.remove(["#", "*"], 1)
    assert len(trie) == 0


@pytest.mark.parametrize("pattern", ["a.b", "a.b.*", "a.#", "a.b.#.c", "x", "a.*", "#", "a.b.#.d", "*.b"])
def test_what_is_not_there_cannot_be_removed(pattern: str):
    trie = trie_of("a.b.c", "a.b.#.d")
    with pytest.raises(KeyError):
        trie.remove(pattern.split("."), "other")
    assert len(trie) == 2
    trie.remove(("a", "b", "c"), "a.b.c")
    trie.remove(("a", "b", "#", "d"), "a.b.#.d")
    assert trie._root.is_empty()


class Pairs(RuleBasedStateMachine):
    """The trie against a plain list of pairs."""

    words = st.lists(st.sampled_from("ab*#"), min_size=1, max_size=5)

    def __init__(self) -> None:
        super().__init__()
        self.trie: Trie[int] = Trie()
        self.pairs: list[tuple[tuple[str, ...], int]] = []

    @rule(pattern=words, value=st.integers(0, 3))
    def add(self, pattern: list[str], value: int) -> None:
        self.trie.add(pattern, value)
        if (canonical(pattern), value) not in self.pairs:
            self.pairs.append((canonical(pattern), value))

    @rule(choice=st.randoms(use_true_random=False))
    def remove(self, choice: random.Random) -> None:
        if self.pairs:
            self.trie.remove(*self.pairs.pop(choice.randrange(len(self.pairs))))

    @rule(key=st.lists(st.sampled_from("abc"), max_size=6))
    def match(self, key: list[str]) -> None:
        expected = dict.fromkeys(value for pattern, value in self.pairs if matches(pattern, key))
        assert self.trie.match(key) == list(expected)

    @invariant()
    def size(self) -> None:
        assert len(self.trie) == len(self.pairs)
        assert bool(self.pairs) is not self.trie._root.is_empty()


TestPairs = Pairs.TestCase
TestPairs.settings = settings(max_examples=min(50, settings().max_examples), stateful_step_count=25)


def test_ten_thousand_cameras_are_as_quick_as_one():
    trie: Trie[int] = Trie()
    for camera in range(10_000):
        trie.add(("7", "12345", str(camera), "create", "objectDetected", "#"), camera)
    start = time.perf_counter()
    for _ in range(1_000):
        assert trie.match(KEY) == [32]
    assert time.perf_counter() - start < 0.5  # measured: 0.8 µs each


def test_a_pattern_takes_about_a_kilobyte():
    trie: Trie[int] = Trie()
    tracemalloc.start()
    for camera in range(1_000):
        trie.add(("7", "12345", str(camera), "create", "objectDetected", "#"), camera)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 1_000 * 2_000  # octets; measured: 1 100 a pattern, of which the five nodes of its own are nearly all


def test_ten_thousand_crafted_patterns_are_bounded():
    """Eight '#' each, words that nearly always match for a while, the longest key: under 1 ms a subscription."""
    choice = random.Random(8)
    trie: Trie[int] = Trie()
    while len(trie) < 2_000:
        words = [word for _ in range(8) for word in ("#", *choice.choices("ab", k=choice.randint(1, 8)))]
        trie.add(words, len(trie))
    start = time.perf_counter()
    trie.match(choice.choices("ab", k=128))
    assert time.perf_counter() - start < 2  # measured: 30 ms


def test_removal_does_not_depend_on_how_many_values_there_are():
    trie: Trie[int] = Trie()
    for value in range(20_000):
        trie.add(("7", "#"), value)
    start = time.perf_counter()
    for value in range(0, 20_000, 2):
        trie.remove(("7", "#"), value)
    assert time.perf_counter() - start < 2  # measured: 30 ms
    assert trie.match(("7", "1"))[:3] == [1, 3, 5]
