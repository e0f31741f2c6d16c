"""A bounded cache of two generations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.generational_cache import GenerationalCache


def test_what_was_put_is_found() -> None:
    cache: GenerationalCache[str, int] = GenerationalCache(4)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b") is None
    assert len(cache) == 1


def test_what_was_not_asked_for_during_a_generation_is_forgotten() -> None:
    cache: GenerationalCache[int, int] = GenerationalCache(4)
    for key in range(5):
        cache.put(key, key)
    assert [cache.get(key) for key in (0, 1)] == [None, None]
    assert [cache.get(key) for key in (2, 3, 4)] == [2, 3, 4]


def test_what_is_asked_for_in_every_generation_stays() -> None:
    cache: GenerationalCache[int, int] = GenerationalCache(4)
    cache.put(-1, -1)
    for key in range(100):
        cache.put(key, key)
        assert cache.get(-1) == -1


def test_a_hit_among_the_old_makes_it_young_so_that_the_hot_path_finds_it_there() -> None:
    cache: GenerationalCache[str, int] = GenerationalCache(4)
    for key in "abc":
        cache.put(key, 1)
    assert "a" not in cache.young
    assert cache.get("a") == 1
    assert "a" in cache.young
    assert "a" not in cache.old


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    cache: GenerationalCache[str, int] = GenerationalCache(4)
    cache.put("a", 1)
    cache.put("b", 1)
    cache.put("c", 1)  # "a" is old now
    cache.put("a", 2)
    assert cache.get("a") == 2


def test_clear_forgets_both_generations() -> None:
    cache: GenerationalCache[int, int] = GenerationalCache(4)
    for key in range(3):
        cache.put(key, key)
    cache.clear()
    assert len(cache) == 0
    assert [cache.get(key) for key in range(3)] == [None] * 3


@given(st.integers(2, 9), st.lists(st.tuples(st.booleans(), st.integers(0, 12))))
def test_it_never_holds_more_than_it_may_nor_gives_a_wrong_value(size_max: int, steps: list[tuple[bool, int]]) -> None:
    cache: GenerationalCache[int, int] = GenerationalCache(size_max)
    latest: dict[int, int] = {}
    for number, (is_put, key) in enumerate(steps, 1):
        if is_put:
            cache.put(key, number)
            latest[key] = number
        else:
            assert cache.get(key) in (None, latest.get(key))
        assert len(cache) <= size_max


@pytest.mark.parametrize("size_max", [0, 1])
def test_a_size_below_two_is_as_good_as_two(size_max: int) -> None:
    cache: GenerationalCache[int, int] = GenerationalCache(size_max)
    for key in range(10):
        cache.put(key, key)
    assert cache.get(9) == 9
    assert len(cache) <= 2
