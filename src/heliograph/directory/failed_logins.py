"""How often somebody may be wrong: guesses are refused for a while, and the true owner gets in elsewhere.

Three counts of failures, each over ``failed_logins_window_ms`` from its first failure on:

    of one login from one address    ``failed_logins_max``
    from one address                 ``failed_logins_per_address_max``
    of one login                     ``failed_logins_per_login_max``, much higher, for guesses from everywhere

A token is too long to be guessed, so what it is counted against is the last of these limits, for each address.

Who has logged in from an address before is known there, and only the first count holds: guesses by others, from
elsewhere or from beside it, keep nobody out of where they have always come from.

The counting is the library ``limits``'; the counters are ours, since its own have a thread, no bound and the wall's
clock.  All calls happen on one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from math import ceil

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from heliograph.errors import LimitError
from heliograph.limits import Limits

log = structlog.get_logger("heliograph.directory")

#: Whoever has one address of such a network has them all (RFC 6177).
_IPV6_NETWORK_BITS = 64


class FailedLogins:
    """``check`` before and after a verification, then note what came of it.  ``now``: monotonic seconds.

    ``login``: any octets that name who is meant, or a token, ``is_token``; they are not kept.  ``address``: of the
    peer, without its port.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        window_s = ceil(limits.failed_logins_window_ms / 1_000)
        self._now = now
        self._limiter = FixedWindowRateLimiter(_Counters(limits.failed_login_counters_max, now))
        self._of_both = RateLimitItemPerSecond(limits.failed_logins_max, window_s)
        self._of_address = RateLimitItemPerSecond(limits.failed_logins_per_address_max, window_s)
        self._of_login = RateLimitItemPerSecond(limits.failed_logins_per_login_max, window_s)
        self._known: dict[str, None] = {}  # login and address, the latest last
        self._known_max = limits.known_addresses_max

    def check(self, login: bytes, address: str, *, is_token: bool = False) -> None:
        """LimitError, with the time to try again, where there were too many."""
        counts = self._counts(login, address, is_token)
        if counts[0][1] in self._known:
            counts = counts[:1]
        full = [each for each in counts if not self._limiter.test(*each)]
        if full:
            raise self._refusal(max(self._limiter.get_window_stats(*each).reset_time for each in full))

    def failed(self, login: bytes, address: str, *, is_token: bool = False) -> None:
        """It was wrong."""
        for item, name in self._counts(login, address, is_token):
            self._limiter.hit(item, name)
            if self._limiter.storage.get(item.key_for(name)) == item.amount:
                log.warning("too many failed logins", address=address, count=item.amount)

    def succeeded(self, login: bytes, address: str, *, is_token: bool = False) -> None:
        """It was right: that login is known at that address, and begins anew there."""
        item, name = self._counts(login, address, is_token)[0]
        self._limiter.clear(item, name)
        self._known.pop(name, None)
        self._known[name] = None
        if len(self._known) > self._known_max:
            del self._known[next(iter(self._known))]

    def _counts(self, login: bytes, address: str, is_token: bool) -> list[tuple[RateLimitItem, str]]:
        """What is counted, under names that have one length whatever was sent."""
        where = _network(address).encode()
        if is_token:
            return [
                (self._of_login, _digest(b"token", where, login)),
                (self._of_login, _digest(b"tokens", where)),
            ]
        return [
            (self._of_both, _digest(b"both", where, login)),
            (self._of_address, _digest(b"address", where)),
            (self._of_login, _digest(b"login", login)),
        ]

    def _refusal(self, until_s: float) -> LimitError:
        wait_s = max(1, ceil(until_s - self._now()))
        return LimitError(
            "Too many failed logins",
            f"Logins were wrong too often; no more are looked at for now. Try again in {wait_s} seconds.",
            retry_after_s=wait_s,
        )


def _network(address: str) -> str:
    """What one peer can take its address from."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - _IPV6_NETWORK_BITS):x}/{_IPV6_NETWORK_BITS}"


def _digest(kind: bytes, *parts: bytes) -> str:
    hashed = blake2b(kind, digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


class _Counters(Storage):
    """At most ``size_max`` of them.  They live equally long, so the first to be made is the first to end."""

    STORAGE_SCHEME = None

    def __init__(self, size_max: int, now: Callable[[], float]) -> None:
        super().__init__()
        self._size_max = size_max
        self._now = now
        self._counters: dict[str, tuple[int, float]] = {}  # count and end

    @property
    def base_exceptions(self) -> type[Exception]:
        """See ``Storage``: none are expected."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """See ``Storage``.  What has ended makes room, else the oldest."""
        now_s = self._now()
        count, end_s = self._counters.get(key, (0, 0.0))
        if now_s >= end_s:
            self._counters.pop(key, None)
            count, end_s = 0, now_s + expiry
            self._make_room(now_s)
        self._counters[key] = count + amount, end_s
        return count + amount

    def get(self, key: str) -> int:
        """See ``Storage``."""
        count, end_s = self._counters.get(key, (0, 0.0))
        return count if self._now() < end_s else 0

    def get_expiry(self, key: str) -> float:
        """See ``Storage``: in seconds of our clock."""
        return self._counters.get(key, (0, self._now()))[1]

    def check(self) -> bool:
        """See ``Storage``."""
        return True

    def reset(self) -> int:
        """See ``Storage``."""
        count = len(self._counters)
        self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        """See ``Storage``."""
        self._counters.pop(key, None)

    def _make_room(self, now_s: float) -> None:
        while self._counters:
            oldest = next(iter(self._counters))
            if len(self._counters) < self._size_max and now_s < self._counters[oldest][1]:
                break
            del self._counters[oldest]
