"""The matcher and the trie against a matcher that is obviously right."""

import random
import re
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.topic.matcher import explain, matches
from heliograph.topic.trie import Trie

Words = tuple[str, ...]


@cache
def reference(pattern: Words, key: Words) -> bool:
    """TOPIC-1, as it reads."""
    if not pattern:
        return not key
    first, others = pattern[0], pattern[1:]
    if first == "#":  # zero words, or one and perhaps more
        return reference(others, key) or (bool(key) and reference(pattern, key[1:]))
    return bool(key) and first in ("*", key[0]) and reference(others, key[1:])


#: The same, for words of one letter: quick enough for a million pairs, as make test has them.
EXPRESSIONS = str.maketrans({"*": ".", "#": ".*"})

#: Each beside a thousand keys: a million pairs in make test, two hundred thousand in make check.
PATTERNS = min(1_000, 20 * settings().max_examples)

patterns = st.lists(st.sampled_from("abc*#"), max_size=9).map(tuple)
keys = st.lists(st.sampled_from("abc"), max_size=9).map(tuple)


@given(patterns, keys)
def test_matches_agrees(pattern: Words, key: Words):
    assert matches(pattern, key) is reference(pattern, key)


@given(patterns, keys)
def test_the_expressions_agree(pattern: Words, key: Words):
    assert bool(re.fullmatch("".join(pattern).translate(EXPRESSIONS), "".join(key))) is reference(pattern, key)


@given(patterns, keys)
def test_explain_agrees_and_accounts_for_every_word(pattern: Words, key: Words):
    told = explain(pattern, key)
    assert told.matches is reference(pattern, key)
    taken = [word for step in told.steps for word in step.took]
    assert tuple(taken) == key[: len(taken)]
    if told.matches:
        assert (len(taken), len(told.steps), told.rest) == (len(key), len(pattern), ())
    elif told.rest:
        assert tuple(taken) + told.rest == key
    else:
        assert told.steps[-1].fault
    for step in told.steps:
        if not step.fault:
            assert reference((step.word,), step.took)


@given(st.lists(patterns, max_size=12), keys)
def test_the_trie_agrees(many: list[Words], key: Words):
    trie: Trie[int] = Trie()
    for number, pattern in enumerate(many):
        trie.add(pattern, number)
    assert trie.match(key) == [number for number, pattern in enumerate(many) if reference(pattern, key)]


def test_many_random_pairs_agree():
    choice = random.Random(20210504)

    def distinct(number: int, alphabet: str, words_max: int) -> list[Words]:
        found: dict[Words, None] = {}
        while len(found) < number:
            found[tuple(choice.choices(alphabet, k=choice.randint(1, words_max)))] = None
        return list(found)

    some_patterns, some_keys = distinct(PATTERNS, "ab*#", 6), distinct(1_000, "ab", 9)
    trie: Trie[int] = Trie()
    expected: dict[Words, list[int]] = {key: [] for key in some_keys}
    joined = [("".join(key), numbers) for key, numbers in expected.items()]
    for number, pattern in enumerate(some_patterns):
        trie.add(pattern, number)
        agrees = re.compile("".join(pattern).translate(EXPRESSIONS)).fullmatch
        for key_text, numbers in joined:
            if agrees(key_text):
                numbers.append(number)
    assert 200 * PATTERNS < sum(map(len, expected.values())) < 800 * PATTERNS  # both answers are frequent
    for key, numbers in expected.items():
        assert trie.match(key) == numbers
    for key in some_keys[::10]:
        assert [number for number, pattern in enumerate(some_patterns) if matches(pattern, key)] == expected[key]
