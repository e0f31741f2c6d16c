"""Secrets: whatever is tried, no password and no body in what the server logs, answers, or shows of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.attacker import BINARY, Attacker, basic, stomp_frame, ws_frame
from tests.attacks.conftest import DIRECTORY, Start
from tests.attacks.people import ACME, EVENTS, NORTHWIND, NORTHWIND_KEY, Login, event

PARTNERS, SYSTEMS, BODYS = "canary-Xk7-partner", "canary-Qz3-system", "canary-Wm9-body"
CANARIES = {
    **{text: text for text in (PARTNERS, SYSTEMS, BODYS)},
    "the partner's Basic": basic(NORTHWIND.login, PARTNERS).removeprefix("Basic "),
    "the system's Basic": basic(ACME.login, SYSTEMS).removeprefix("Basic "),
}
PARTNER, SYSTEM = Login(NORTHWIND.login, PARTNERS), Login(ACME.login, SYSTEMS)


def connect(*lines: str) -> bytes:
    return "\n".join(["CONNECT", "accept-version:1.2", *lines, "", "\0"]).encode()


#: A stranger's first frame.  What is wrong stands beside, or is, the secret.
LOGINS = {
    "a wrong password": connect(f"login:{ACME.login}", f"passcode:{PARTNERS}"),
    "nearly the right one": connect(f"login:{NORTHWIND.login}", f"passcode:{PARTNERS}x"),
    "no colon": connect(f"login:{NORTHWIND.login}", f"passcode={PARTNERS}"),
    "a line feed within": connect(f"login:{NORTHWIND.login}", "passcode:a", PARTNERS),
    "no name": connect(f"login:{NORTHWIND.login}", f":{PARTNERS}"),
    "as the command": f"passcode:{PARTNERS}\n\n\0".encode(),
    "behind the command": f"CONNECT {PARTNERS}\n\n\0".encode(),
    "no empty line": f"CONNECT\nlogin:x\npasscode:{PARTNERS}\n\0".encode(),
    "not UTF-8": f"CONNECT\nlogin:x\npasscode:{PARTNERS}".encode() + b"\xff\n\n\0",
    "a NUL within": f"CONNECT\nlogin:x\npasscode:{PARTNERS}\0\n\n\0".encode(),
    "an unknown version": f"CONNECT\naccept-version:9\nlogin:x\npasscode:{PARTNERS}\n\n\0".encode(),
    "a wrong heart-beat": connect("heart-beat:x", f"passcode:{PARTNERS}"),
    "a wrong length": connect("content-length:x", f"passcode:{PARTNERS}"),
    "in a body": connect("content-length:100000", "login:x") + PARTNERS.encode(),
    "too long": connect(f"passcode:{PARTNERS * 1_000}"),
    "in a SEND": stomp_frame("SEND", PARTNERS, {"destination": "/x", "passcode": PARTNERS}),
}

#: A body's faults, each with the canary where the fault is.
BODIES = [
    event().replace("personDetected", BODYS),
    event().replace("2021-05-04", BODYS),
    event()[:-1] + f',"namespace":"{BODYS}"',
    event()[:-1] + f',"confidence":"{BODYS}"}}',
    event().replace('"camera"', f'"{BODYS}"'),
    event()[:-1] + f',"{BODYS}":1}}{BODYS}',
    BODYS,
    event(account=7)[:-1] + f',"{BODYS}":"{BODYS}"}}',
]


def canaries_in(text: str) -> list[str]:
    return [name for name, canary in CANARIES.items() if canary in text]


def test_no_secret_and_no_body_is_in_anything_that_the_server_writes(
    start: Start, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    text = DIRECTORY.read_text().replace(NORTHWIND.passcode, PARTNERS).replace(ACME.passcode, SYSTEMS)
    (tmp_path / "directory.toml").write_text(text)
    site = start(tmp_path / "directory.toml")

    for name, octets in LOGINS.items():
        with subtests.test(name), Attacker(site.server.websocket) as stranger:
            stranger.handshake(headers={"Authorization": basic(*PARTNER)})
            for start_at in range(0, len(octets), 4_000):
                stranger.send(ws_frame(octets[start_at : start_at + 4_000], BINARY))
            closing = stranger.wait_closed()
            assert closing.error
            assert not canaries_in(f"{closing}")
    for headers in ({"Authorization": basic(*PARTNER), "Origin": "https://evil.example"},
                    {"Authorization": basic(*PARTNER).replace("Basic", "Bearer")},
                    {"Authorization": basic(*PARTNER) + "!"},
                    {"Authorization": basic(*PARTNER), "Upgrade": "h2c"}):  # fmt: skip
        with Attacker(site.server.websocket) as stranger:
            assert not canaries_in(stranger.handshake(headers=headers).body)

    with Attacker(site.server.websocket) as partner, Attacker(site.server.websocket) as system:
        partner.handshake(headers={"Authorization": basic(*PARTNER)})
        partner.frame("CONNECT", accept_version="1.2")
        assert not canaries_in(f"{partner.expect('CONNECTED')}")
        partner.subscribe(EVENTS + "#")
        system.handshake()
        system.connect(*SYSTEM)
        body = event()[:-1] + f',"x":"{BODYS}"}}'
        system.frame("SEND", body, destination=EVENTS + NORTHWIND_KEY, receipt="r")
        system.expect_receipt("r")
        assert partner.expect("MESSAGE").body.decode() == body
        partner.stomp(connect(f"login:{NORTHWIND.login}", f"passcode:{PARTNERS}"))  # a second one
        assert not canaries_in(f"{partner.wait_closed()}")
    for body in BODIES:
        with Attacker(site.server.websocket) as system:
            system.handshake()
            system.connect(*SYSTEM)
            system.frame("SEND", body, destination=EVENTS + NORTHWIND_KEY)
            assert system.wait_closed().message == "Invalid body"

    assert "Invalid body" in site.server.output  # it does say what happened
    found = {"its output": site.server.output}
    for name in ("cmdline", "environ"):
        found[name] = Path(f"/proc/{site.server.pid}/{name}").read_text()
    for path in site.server.place.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            found[str(path)] = (
                text.replace(BODYS, "") if path.suffix == ".log" else text
            )  # an exchange's log holds events
    assert {name: hits for name, text in found.items() if (hits := canaries_in(text))} == {}
