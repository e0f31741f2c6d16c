"""Does publishing slow down with the number of bindings?

The same publisher and the same subscriber, alone and among 10,000 bindings of others on 100 connections;
in turns, so that the ratio stands whatever else the machine does.

    benches/versus.sh one_of_10k      (starts the broker; needs the load generator, see there)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, os.environ.get("BENCH_DIR", str(Path(__file__).resolve().parents[2] / "shared" / "bench")))

import stompbench
import uvloop

BINDINGS = 10_000
CONNECTIONS = 100
CAMERA = 100_000


async def rate(target: stompbench.Target) -> float:
    """Deliveries a second from one publisher to the one subscriber of ``CAMERA``."""
    tally, publisher, subscribers, _ = await stompbench.group(target, 1, [CAMERA])
    result = await stompbench.throughput(target, tally, publisher, target.window, 1)
    await stompbench.shut([publisher, *subscribers])
    return float(result["deliv_per_s"])


async def rate_among_others(target: stompbench.Target) -> float:
    """The same while 9,999 other bindings exist."""
    others = list(range(CAMERA + 1, CAMERA + BINDINGS))
    _, publisher, subscribers, _ = await stompbench.group(target, CONNECTIONS, others, per_conn=BINDINGS // CONNECTIONS)
    try:
        return await rate(target)
    finally:
        await stompbench.shut([publisher, *subscribers])


async def measure(target: stompbench.Target, rounds: int) -> None:
    """Print both rates and their ratio."""
    alone, among = [], []
    for _ in range(rounds):
        alone.append(await rate(target))
        among.append(await rate_among_others(target))
    ratio = statistics.median(b / a for a, b in zip(alone, among, strict=True))
    print(f"one binding        {statistics.median(alone):>10,.0f} /s")
    print(f"one of {BINDINGS:,}      {statistics.median(among):>10,.0f} /s")
    print(f"ratio              {ratio:>10.2f}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--basic", required=True)
    parser.add_argument("--pub-basic", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    target = stompbench.Target(
        url=args.url, dialect=stompbench.DIALECTS["rabbitmq"], exchange="bench_event_full_v24", login=None,
        passcode=None, host="/", basic=args.basic, pub_login=None, pub_passcode=None, pub_basic=args.pub_basic,
        broker=stompbench.BrokerProcess(None), warmup=1, duration=2, window=1000, batch=16, rate=1000,
        concurrency=64, setup_timeout=60,
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(target, args.rounds))


if __name__ == "__main__":
    main()
