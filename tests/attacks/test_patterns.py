"""Patterns made to be slow: they are refused, or cost no more than others.  Their times are in benches/."""

from __future__ import annotations

import random
import time

import pytest

from tests.attacks.attacker import stomp_frame
from tests.attacks.conftest import Site
from tests.attacks.people import BUS, EVENTS, NORTHWIND, RAW
from tests.attacks.server_process import MIB

HASHES_MAX = 8
LONG_KEY = ".".join("a" * 127)  # 253 octets


def crossed(hashes: int, last: str = "z") -> str:
    """As many '#' as asked for, each with a word behind it that the long key has everywhere."""
    return ".".join(["#.a"] * hashes) + "." + last


@pytest.mark.parametrize("who", [BUS, NORTHWIND])
def test_a_pattern_of_many_hashes_is_refused(site: Site, who: object, subtests: pytest.Subtests) -> None:
    prefix = RAW if who == BUS else EVENTS
    for hashes in (1, 2, 3, HASHES_MAX, HASHES_MAX + 1, 10, 63, 100):
        with subtests.test(hashes=hashes):
            peer = site.log_in(who)  # type: ignore[arg-type]
            peer.frame("SUBSCRIBE", destination=prefix + crossed(hashes), id="0", receipt="r")
            if hashes <= HASHES_MAX:
                peer.expect_receipt("r")
            else:
                closing = peer.wait_closed(1)
                assert closing.message == "Invalid pattern"
                assert "pattern_hashes_max" in closing.detail or "routing_key_bytes_max" in closing.detail


def test_hashes_side_by_side_are_one(site: Site) -> None:
    peer = site.log_in(BUS)
    for number, pattern in enumerate(("#" + ".#" * 126, "#.*" + ".#.*" * 40, "*.#" * 1 + ".*.#" * 60)):
        peer.subscribe(RAW + pattern, id=str(number))
    peer.frame("SEND", "x", destination=RAW + LONG_KEY)
    assert len(peer.messages(0.1)) == 3


@pytest.mark.parametrize("connections", [5, pytest.param(50, marks=pytest.mark.long)])
def test_a_thousand_crossed_patterns_against_long_keys_keep_nobody_waiting(site: Site, connections: int) -> None:
    """200 on each connection, no two alike, and none matches: the worst that the matcher can be asked."""
    for connection in range(connections):
        peer = site.log_in(BUS)
        peer.stomp(*[
            stomp_frame("SUBSCRIBE", headers={"destination": RAW + crossed(HASHES_MAX, f"z{connection}-{n}"), "id": n})
            for n in range(199)
        ])  # fmt: skip
        peer.subscribe(RAW + "none", id="last")
    publisher = site.log_in(BUS)
    chance = random.Random(1)
    with site.server.memory_grows_less_than(16 * MIB):
        for _ in range(20):  # a key that was never there is matched anew
            words = ["a"] * 120 + [chance.choice("bcdefg") for _ in range(7)]
            publisher.frame("SEND", "x", destination=RAW + ".".join(words), receipt="r")
            publisher.expect_receipt("r", 5)
            time.sleep(0.02)


def test_the_same_word_a_hundred_times_matches_as_it_should(site: Site) -> None:
    peer = site.log_in(BUS)
    patterns = {
        "#.a.#": True, crossed(HASHES_MAX, "a"): True, crossed(HASHES_MAX): False, "*" + ".*" * 126: True,
        "*" + ".*" * 125: False, "#.*" + ".*" * 120: True, "a.#.a": True, "b.#": False, "#.b.#": False,
    }  # fmt: skip
    for number, pattern in enumerate(patterns):
        peer.subscribe(RAW + pattern, id=str(number))
    peer.frame("SEND", "x", destination=RAW + LONG_KEY)
    matched = {found.headers["subscription"] for found in peer.messages(0.1)}
    assert matched == {str(number) for number, matches in enumerate(patterns.values()) if matches}
