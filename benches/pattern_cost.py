"""What the worst patterns cost, by themselves and in a trie of ten thousand.

    python benches/pattern_cost.py

The key has 127 words, all ``a``.  A pattern of n '#' is ``#.a`` n times and a last word that the key has not, so every
'#' can be tried everywhere and nothing ever matches.  More than ``pattern_hashes_max`` are refused at SUBSCRIBE; they
are measured here to show that the matcher does not depend on that.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from heliograph.errors import LimitError
from heliograph.limits import Limits
from heliograph.topic.matcher import matches
from heliograph.topic.trie import Trie
from heliograph.topic.words import parse_pattern

LIMITS = Limits()
KEY = ("a",) * 127
EVENT_KEY = ("12", "12345", "32", "create", "objectDetected", "faceDetected", "faceRecognized")
SUBSCRIPTIONS = 10_000


def crossed(hashes: int, last: str = "z") -> tuple[str, ...]:
    return ("#", "a") * hashes + (last,)


def microseconds(work: Callable[[], object], seconds: float = 0.3) -> float:
    """The best of many, since a busy machine only adds."""
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best * 1e6


def one_pattern() -> None:
    print("| '#' in the pattern | one match, µs | to 2 '#' | at SUBSCRIBE |\n|---|---|---|---|")
    two = microseconds(lambda: matches(crossed(2), KEY))
    for hashes in (1, 2, 3, 8, 10, 20, 63):
        pattern = crossed(hashes)
        spent = microseconds(lambda pattern=pattern: matches(pattern, KEY))  # type: ignore[misc]
        try:
            parse_pattern(".".join(pattern), LIMITS)
            answer = "taken"
        except LimitError:
            answer = "refused"
        print(f"| {hashes} | {spent:.1f} | {spent / two:.2f} | {answer} |")


def ten_thousand(key: tuple[str, ...]) -> None:
    word = key[1]
    kinds: dict[str, Callable[[int], tuple[str, ...]]] = {
        "`#`": lambda _: ("#",),
        "`*.*.z{n}`": lambda n: ("*", "*", f"z{n}"),
        "`#.z{n}`, not in the key": lambda n: ("#", f"z{n}"),
        "`#.{word}.#.z{n}`, the first one is": lambda n: ("#", word, "#", f"z{n}"),
        "8 '#' crossed": lambda n: ("#", word) * LIMITS.pattern_hashes_max + (f"z{n}",),
    }
    print(f"\nA key of {len(key)} words\n")
    print(f"| {SUBSCRIPTIONS} subscriptions to | a new key, µs | per subscription, µs | matched |\n|---|---|---|---|")
    for name, make in kinds.items():
        trie: Trie[int] = Trie()
        for number in range(SUBSCRIPTIONS):
            trie.add(make(number), number)
        spent = microseconds(lambda trie=trie: trie.match(key))  # type: ignore[misc]
        print(f"| {name} | {spent:.1f} | {spent / SUBSCRIPTIONS:.3f} | {len(trie.match(key))} |")


if __name__ == "__main__":
    one_pattern()
    ten_thousand(EVENT_KEY)
    ten_thousand(KEY)
