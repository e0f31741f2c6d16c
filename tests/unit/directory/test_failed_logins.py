"""Who was wrong too often is refused for a while, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heliograph.directory.failed_logins import FailedLogins
from heliograph.errors import LimitError
from heliograph.limits import Limits

OWNER, OTHER = b"ops@northwind.example", b"desk@contoso.example"
HOME, EVIL, ELSEWHERE = "192.0.2.1", "198.51.100.9", "203.0.113.5"
WINDOW_S = 300
LIMITS = Limits(
    failed_logins_max=3,
    failed_logins_per_address_max=5,
    failed_logins_per_login_max=8,
    failed_logins_window_ms=WINDOW_S * 1_000,
)


class Clock:
    """Monotonic seconds that a test moves."""

    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failed(clock: Clock) -> FailedLogins:
    return FailedLogins(LIMITS, clock)


def refused(failed: FailedLogins, login: bytes, address: str) -> int:
    """The seconds to wait, 0 where it is let through."""
    try:
        failed.check(login, address)
    except LimitError as error:
        assert error.retry_after_s is not None
        assert f"{error.retry_after_s} seconds" in error.detail
        return error.retry_after_s
    return 0


def fail(failed: FailedLogins, login: bytes, address: str, times: int) -> None:
    for _ in range(times):
        failed.check(login, address)
        failed.failed(login, address)


def test_a_login_from_one_address_is_refused_after_its_limit_until_the_window_is_over(
    failed: FailedLogins, clock: Clock
) -> None:
    fail(failed, OWNER, EVIL, 3)
    clock.now_s += 100.5
    assert refused(failed, OWNER, EVIL) == 200
    assert not refused(failed, OWNER, HOME)
    assert not refused(failed, OTHER, EVIL)
    clock.now_s += WINDOW_S - 100.5
    assert not refused(failed, OWNER, EVIL)
    fail(failed, OWNER, EVIL, 3)
    assert refused(failed, OWNER, EVIL) == WINDOW_S


def test_an_address_is_refused_for_every_login_but_those_that_it_is_known_for(failed: FailedLogins) -> None:
    failed.succeeded(OTHER, EVIL)
    fail(failed, b"a", EVIL, 3)
    fail(failed, b"b", EVIL, 2)
    assert refused(failed, b"c", EVIL)
    assert refused(failed, OWNER, EVIL)
    assert not refused(failed, OTHER, EVIL)
    assert not refused(failed, b"c", HOME)


def test_a_login_that_is_guessed_at_from_everywhere_is_refused_but_where_it_is_known(failed: FailedLogins) -> None:
    failed.succeeded(OWNER, HOME)
    for number in range(8):
        fail(failed, OWNER, f"198.51.100.{number}", 1)
    assert refused(failed, OWNER, ELSEWHERE)
    assert not refused(failed, OWNER, HOME)
    assert not refused(failed, OTHER, ELSEWHERE)


def test_guesses_from_where_the_login_is_known_are_limited_too(failed: FailedLogins) -> None:
    failed.succeeded(OWNER, HOME)
    fail(failed, OWNER, HOME, 3)
    assert refused(failed, OWNER, HOME)


def test_who_is_right_at_last_begins_anew(failed: FailedLogins) -> None:
    fail(failed, OWNER, HOME, 2)
    failed.succeeded(OWNER, HOME)
    fail(failed, OWNER, HOME, 2)
    assert not refused(failed, OWNER, HOME)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_what_one_peer_can_have_counts_as_one_address(failed: FailedLogins, one: str, other: str, same: bool) -> None:
    fail(failed, OWNER, one, 3)
    assert bool(refused(failed, OWNER, other)) is same


def test_tokens_have_a_count_of_their_own(failed: FailedLogins) -> None:
    failed.succeeded(b"right", EVIL, is_token=True)
    for number in range(8):
        failed.check(b"%d" % number, EVIL, is_token=True)
        failed.failed(b"%d" % number, EVIL, is_token=True)
    with pytest.raises(LimitError):
        failed.check(b"new", EVIL, is_token=True)
    failed.check(b"new", HOME, is_token=True)
    failed.check(b"right", EVIL, is_token=True)
    assert not refused(failed, OWNER, EVIL)


def held(failed: FailedLogins) -> int:
    counters: dict[str, object] = failed._limiter.storage._counters  # type: ignore[attr-defined]
    return len(counters)


@pytest.mark.parametrize("login", [lambda number: b"%d" % number, lambda number: b"x" * 100_000 + b"%d" % number])
def test_memory_is_bounded_whatever_is_tried(clock: Clock, login: Callable[[int], bytes]) -> None:
    failed = FailedLogins(Limits(failed_login_counters_max=30, known_addresses_max=10), clock)
    for number in range(100):
        failed.failed(login(number), f"192.0.2.{number}")
        failed.succeeded(login(number), f"192.0.2.{number}")
        assert held(failed) <= 30
    assert len(failed._known) == 10
    assert max(map(len, failed._known)) == 32  # a digest, not what was sent


def test_the_oldest_counters_make_room_and_ended_ones_go(clock: Clock) -> None:
    failed = FailedLogins(Limits(failed_login_counters_max=6, failed_logins_max=1), clock)
    fail(failed, OWNER, EVIL, 1)
    clock.now_s += 1
    fail(failed, OTHER, HOME, 1)
    assert refused(failed, OTHER, HOME)
    assert refused(failed, OWNER, EVIL)
    fail(failed, b"x", ELSEWHERE, 1)
    assert not refused(failed, OWNER, EVIL)
    assert refused(failed, OTHER, HOME)
    clock.now_s += WINDOW_S
    fail(failed, b"y", ELSEWHERE, 1)
    assert held(failed) == 3
