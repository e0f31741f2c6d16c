"""``heliograph serve`` as an operator runs it."""

import json
import shlex
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from heliograph import __version__
from heliograph.client import ServerRefused, connect
from tests.integration.conftest import CONTOSO, NORTHWIND, Process, Start, address

LOGIN = (NORTHWIND["HELIOGRAPH_LOGIN"], NORTHWIND["HELIOGRAPH_PASSWORD"])


def test_it_prints_one_line_with_its_addresses(server: Process):
    assert server.lines[0].startswith(f"heliograph {__version__} listening on ws://127.0.0.1:")
    host, port = address(server, "stomp").removeprefix("stomp://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        plain.sendall(b"CONNECT\naccept-version:1.2\nlogin:%b\npasscode:%b\n\n\0" % tuple(x.encode() for x in LOGIN))
        assert plain.recv(100).startswith(b"CONNECTED\n")
    assert server.stop() == 0
    assert len(server.lines) == 1
    assert any("started" in line for line in server.errors)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_it(server: Process, number: int):
    async with (
        connect(address(server), *LOGIN) as client,
        client.subscribe("/exchange/acme_event_full_v24/#") as subscription,
    ):
        server.process.send_signal(number)
        with pytest.raises(ServerRefused, match="Server going away"):
            await anext(aiter(subscription))
    assert server.ended(10) == 0


def test_a_wrong_directory_is_exit_code_2_and_names_the_place(start: Start, directory: Path):
    directory.write_text(directory.read_text().replace('"face_v24"] }]', '"fase_v24"] }]'))
    server = start("serve", "--apply", "directory.toml", "--stomp-port", "0")
    assert server.ended() == 2
    assert server.lines == []
    assert server.errors == [
        "heliograph: Bad directory: directory.toml: partners[0].grants[0].message_types[1]: "
        "no message type is called 'fase_v24'. Did you mean 'face_v24'?"
    ]


def test_a_port_that_is_taken_is_exit_code_2(start: Start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = start("serve", "--stomp-port", str(taken.getsockname()[1]))
        assert server.ended() == 2
    assert server.errors[-1].startswith("heliograph: Cannot listen: ")
    assert "--stomp-port" in server.errors[-1]


async def test_settings_from_file_and_variables(start: Start, directory: Path):
    (directory.parent / "heliograph.toml").write_text(
        'apply = "directory.toml"\nstomp_port = 1\nlog_format = "json"\n[limits]\nconnections_max = 1\n'
    )
    server = start("serve", HELIOGRAPH_STOMP_PORT="0", HELIOGRAPH_LOG_LEVEL="debug")
    server.line()
    async with connect(address(server), *LOGIN):
        with pytest.raises(ServerRefused, match=r"HTTP 503: .*connections_max"):
            async with connect(address(server), CONTOSO["HELIOGRAPH_LOGIN"], CONTOSO["HELIOGRAPH_PASSWORD"]):
                pass
    assert server.stop() == 0
    events = [json.loads(line) for line in server.errors]
    assert {"started", "connected"} <= {event["event"] for event in events}


async def test_no_password_is_logged(start: Start, directory: Path):
    server = start("serve", "--apply", "directory.toml", "--stomp-port", "0", "--log-level", "debug")
    server.line()
    async with connect(address(server), *LOGIN):
        pass
    with pytest.raises(ServerRefused, match="Access refused"):
        async with connect(address(server), LOGIN[0], "hunter2-hunter2"):
            pass
    server.stop()
    text = "\n".join(server.errors)
    assert LOGIN[0] in text
    assert not [
        secret for secret in (LOGIN[1], "hunter2-hunter2", "producer-secret", "service-secret") if secret in text
    ]


def certify(folder: Path, name: str, require) -> None:
    try:
        subprocess.run(
            shlex.split(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
            ),
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=30,
        )
    except FileNotFoundError:
        require(False, "the command openssl, to make a certificate")


def subject(url: str, certificate: str) -> str:
    """The common name that a server at ``url`` shows."""
    context = ssl.create_default_context(cadata=certificate)
    host, port = url.removeprefix("wss://").removesuffix("/ws").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown: Any = secure.getpeercert()
    return dict(pair for group in shown["subject"] for pair in group)["commonName"]


async def test_tls_and_a_new_certificate_on_sighup(start: Start, directory: Path, require):
    folder = directory.parent
    certify(folder, "first", require)
    server = start(
        "serve", "--apply", "directory.toml", "--stomp-port", "0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"
    )
    server.line()
    url = address(server, "wss")
    certificate = (folder / "cert.pem").read_text()
    assert subject(url, certificate) == "first"
    async with connect(url, *LOGIN, tls=ssl.create_default_context(cadata=certificate)) as client:
        certify(folder, "second", require)
        server.process.send_signal(signal.SIGHUP)
        async with client.subscribe("/exchange/acme_event_full_v24/#"):
            pass  # whoever is connected stays so
    assert subject(url, (folder / "cert.pem").read_text()) == "second"
    (folder / "cert.pem").write_text("broken")
    server.process.send_signal(signal.SIGHUP)
    while not any("certificate not reloaded" in line for line in server.errors):
        assert server.process.poll() is None
    assert server.stop() == 0


async def test_a_change_of_the_directory_on_sighup(server: Process, directory: Path):
    text = directory.read_text()
    url = address(server)
    contoso = (CONTOSO["HELIOGRAPH_LOGIN"], CONTOSO["HELIOGRAPH_PASSWORD"])
    async with connect(url, *LOGIN) as client, connect(url, *contoso) as other:
        async with client.subscribe("/exchange/acme_event_full_v24/#") as subscription:
            directory.write_text(text.replace(NORTHWIND["HELIOGRAPH_PASSWORD"], "another"))
            server.process.send_signal(signal.SIGHUP)
            with pytest.raises(ServerRefused, match=r"Access withdrawn: .*was changed, revoked or has expired"):
                await anext(aiter(subscription))
        async with connect(url, LOGIN[0], "another"), other.subscribe("/exchange/acme_event_full_v24/#"):
            pass
    assert server.stop() == 0
    assert not any("another" in line for line in server.errors)
