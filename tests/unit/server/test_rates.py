"""Rates from two looks at counters."""

from __future__ import annotations

from functools import partial
from typing import Any

from heliograph.server.rates import KEPT_S, Rate, Rates


class Clock:
    """An event loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, work: Any) -> None:
        self.timers.append((self.now_s + delay_s, work))

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.timers and min(self.timers, key=lambda each: each[0])[0] <= end_s:
            due = min(self.timers, key=lambda each: each[0])
            self.timers.remove(due)
            self.now_s = due[0]
            due[1]()
        self.now_s = end_s


def make() -> tuple[Clock, Rates]:
    clock = Clock()
    loop: Any = clock
    return clock, Rates(loop)


def test_the_first_look_measures_since_the_counting_began() -> None:
    clock, rates = make()
    assert rates.look("a", (500, 20), clock.now_s - 10) == Rate((50.0, 2.0), 10_000)
    assert rates.look("b", (0, 0)) is None, "it was only just begun"


def test_a_later_look_measures_since_the_one_before() -> None:
    clock, rates = make()
    rates.look("a", (500,), clock.now_s - 10)
    clock.wait(2)
    assert rates.look("a", (560,)) == Rate((30.0,), 2_000)
    clock.wait(4)
    assert rates.look("a", (560,)) == Rate((0.0,), 4_000)


def test_looks_that_follow_fast_measure_over_a_second_at_least() -> None:
    clock, rates = make()
    rates.look("a", (0,))
    clock.wait(1.5)
    rates.look("a", (15,))
    clock.wait(0.5)
    assert rates.look("a", (40,)) == Rate((20.0,), 2_000)
    clock.wait(0.5)
    assert rates.look("a", (45,)) == Rate((30.0,), 1_000)


def test_who_does_not_look_any_more_is_forgotten_once() -> None:
    clock, rates = make()
    forgotten: list[str] = []
    for name in "ab":
        rates.look(name, (0,), forget=partial(forgotten.append, name))
    clock.wait(KEPT_S - 10)
    rates.look("a", (5,), forget=lambda: forgotten.append("a again"))
    clock.wait(11)
    assert forgotten == ["b"]
    clock.wait(KEPT_S)
    assert forgotten == ["b", "a again"]
    clock.wait(10 * KEPT_S)
    assert (forgotten, clock.timers) == (["b", "a again"], [])
    assert rates.look("a", (5,)) is None


def test_counters_that_begin_again_are_another_s() -> None:
    clock, rates = make()
    rates.look("a", (100,))
    clock.wait(2)
    rates.look("a", (100,))
    clock.wait(2)
    assert rates.look("a", (3,)) is None
    clock.wait(2)
    assert rates.look("a", (7,)) == Rate((3.5,), 2_000)
