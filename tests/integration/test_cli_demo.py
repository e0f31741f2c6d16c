"""``heliograph demo``: everything in one terminal."""

import os
import shlex
import signal
import socket
import subprocess

from tests.integration.conftest import EXCHANGE, Process, Start


def introduction(demo: Process) -> list[str]:
    """What stands above the events: the last paragraph is the command for a second terminal."""
    lines: list[str] = []
    while not lines or " subscribe " not in lines[-1]:
        lines.append(demo.line())
    assert demo.line() == ""
    return lines


def test_it_stops_after_so_many_events(start: Start):
    demo = start("demo", "--count", "5", "--speed", "50")
    shown = introduction(demo)
    assert demo.ended() == 0
    assert any("ws://127.0.0.1:" in line for line in shown)
    events = demo.lines[len(shown) + 1 :]
    assert len(events) == 5
    assert all("  7/12345/3" in line for line in events)
    assert "cameraOnline" in events[0]
    assert demo.errors == []


def test_a_taken_port_is_told_and_another_one_used(start: Start):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8674))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which does as well
        demo = start("demo", "--seconds", "1")
        shown = introduction(demo)
        assert demo.ended() == 0
    assert "  Port 8674 is taken, so this is another one." in shown


def test_the_command_for_a_second_terminal_works_as_it_stands(start: Start, tmp_path):
    demo = start("demo", "--speed", "50")
    command = introduction(demo)[-1].strip()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    second = subprocess.run(
        ["sh", "-c", f"{command} --count 3"], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert len(second.stdout.splitlines()) == 3
    assert all("  9/777/41  " in line for line in second.stdout.splitlines())
    assert EXCHANGE in shlex.split(command)
    assert demo.stop(signal.SIGINT) == 0
    assert demo.errors == []
