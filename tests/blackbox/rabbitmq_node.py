"""A private RabbitMQ with STOMP over WebSocket: its own folder, its own free ports, loopback only."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from websockets.exceptions import InvalidHandshake

from tests.blackbox.logins import SERVICE
from tests.blackbox.raw import Closed, RawWebSocket, frame

START_S = 60
STOP_S = 20
_REAL_COMMANDS = "/usr/lib/rabbitmq/bin"  # Debian's wrappers in /usr/sbin change the user


class RabbitmqNode:
    """Has the topic exchange ``bus_raw``; ``guest`` may do everything."""

    def __init__(self, room: Path) -> None:
        amqp, stomp, web, distribution, epmd = free_ports(5)
        self.ws_url = f"ws://127.0.0.1:{web}/ws"
        self._log = room / "server.out"
        self._environment = _environment(room, distribution, epmd)
        _write_settings(room, amqp, stomp, web)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["rabbitmq-server"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_service()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the node, and the port mapper that it has started."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            try:
                os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        subprocess.run(["epmd", "-kill"], env=self._environment, stdout=subprocess.DEVNULL, check=False)

    def _await_service(self) -> None:
        """It listens before it knows its users and exchanges, so wait until a subscription works."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with RawWebSocket(self.ws_url) as peer:
                    peer.log_in(SERVICE)
                    peer.send(frame("SUBSCRIBE", id="0", destination="/exchange/bus_raw/#", receipt="ready"))
                    assert peer.frame().command == "RECEIPT"
                return
            except (OSError, InvalidHandshake, Closed, AssertionError):
                time.sleep(0.1)
        raise AssertionError(f"no RabbitMQ within {START_S} s: {self._log.read_text()}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has just now, below those that the system hands out: seconds pass until the node takes them."""
    with contextlib.ExitStack() as probes:
        found: list[int] = []
        for port in random.sample(range(20_000, 32_000), 1_000):
            with contextlib.suppress(OSError):
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports from 20000 to 32000")


def _environment(room: Path, distribution: int, epmd: int) -> dict[str, str]:
    return os.environ | {
        "HOME": str(room),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{_REAL_COMMANDS}:{os.environ['PATH']}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_NODENAME": f"blackbox{distribution}@localhost",
        "ERL_CRASH_DUMP": str(room / "erl_crash.dump"),
        "RABBITMQ_BASE": str(room),
        "RABBITMQ_MNESIA_BASE": str(room / "mnesia"),
        "RABBITMQ_LOG_BASE": str(room / "log"),
        "RABBITMQ_CONFIG_FILE": str(room / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(room / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(room / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(room / "pid"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _write_settings(room: Path, amqp: int, stomp: int, web: int) -> None:
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{amqp}",
        "stomp.listeners.tcp.1": f"127.0.0.1:{stomp}",
        "web_stomp.tcp.listener": f"127.0.0.1:{web}",
        "log.file.level": "warning",
        "load_definitions": room / "definitions.json",
    }
    (room / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    (room / "rabbitmq-env.conf").write_text("")
    (room / "enabled_plugins").write_text("[rabbitmq_web_stomp].\n")
    exchange = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": "guest", "password": "guest", "tags": ""}],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": "guest", "vhost": "/", **everything}],
        "exchanges": [{"name": "bus_raw", "vhost": "/", **exchange}],
    }
    (room / "definitions.json").write_text(json.dumps(definitions))
