"""Whether the time of a refused login tells if the login exists, or how much of the password was right.

    python benches/login_timing.py [--samples 2000]

Over the real TCP socket, one login at a time, in random order.  A failed login is never remembered, so each is
a whole verification.  What the times of each kind differ from those of an unknown login by should be less than 5 %
and 1 ms.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DIRECTORY = Path(__file__).with_name("directory.toml")
LOGIN, PASSWORD = "partner@bench.example", "bench-partner-password"

KINDS = {
    "unknown login": ("nobodyx@bench.example", PASSWORD),
    "first octet wrong": (LOGIN, "x" + PASSWORD[1:]),
    "last octet wrong": (LOGIN, PASSWORD[:-1] + "x"),
    "another length": (LOGIN, "x"),
    "unknown system": ("nobody", "x"),
}


def refuse(port: int, login: str, password: str) -> tuple[float, bytes]:
    """Seconds from CONNECT to the end of the answer, and the answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        frame = f"CONNECT\naccept-version:1.2\nlogin:{login}\npasscode:{password}\n\n\0".encode()
        began = time.perf_counter()
        connection.sendall(frame)
        answer = b""
        while octets := connection.recv(4_096):
            answer += octets
        return time.perf_counter() - began, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=200, help="of each kind")
    samples = parser.parse_args().samples
    environment = os.environ | {"HELIOGRAPH_LIMITS_LINGER_MS_MAX": "100"}
    for count in ("", "_PER_ADDRESS", "_PER_LOGIN"):
        environment[f"HELIOGRAPH_LIMITS_FAILED_LOGINS{count}_MAX"] = "1000000"
    heliograph = str(Path(sys.executable).with_name("heliograph"))
    command = [heliograph, "serve", "--apply", str(DIRECTORY), "--stomp-port", "0", "--tcp-port", "0",
               "--http-port", "0", "--log-level", "error"]  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        server = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            found = re.search(r"stomp://[^:]+:(\d+)", server.stdout.readline())
            assert found
            measure(int(found[1]), samples)
        finally:
            server.terminate()
            server.wait()


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """The median, and what the fastest tenth is below: a busy machine spoils the one more than the other."""
    return statistics.median(seconds), statistics.quantiles(seconds, n=10)[0]


def measure(port: int, samples: int) -> None:
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    answers: dict[str, set[bytes]] = {kind: set() for kind in KINDS}
    order = [kind for kind in KINDS for _ in range(samples)]
    random.Random(1).shuffle(order)
    for kind in order:
        login, password = KINDS[kind]
        seconds, answer = refuse(port, login, password)
        times[kind].append(seconds)
        answers[kind].add(re.sub(rb"content-length:\d+", b"", answer.replace(login.encode(), b"LOGIN")))
    print(f"{samples} samples each\n")
    print("| refused for | median ms | differs by | fastest tenth ms | differs by |\n|---|---|---|---|---|")
    first = quantiles(times["unknown login"])
    for kind, found in times.items():
        cells = [
            f"{1_000 * here:.2f} | {1_000 * (here - there):+.2f} ms, {100 * (here / there - 1):+.1f} %"
            for here, there in zip(quantiles(found), first, strict=True)
        ]
        print(f"| {kind} | {' | '.join(cells)} |")
    same = len(set().union(*answers.values())) == 1
    print(f"\nanswers, but for the login in them: {'the same' if same else 'NOT the same'}")


if __name__ == "__main__":
    main()
