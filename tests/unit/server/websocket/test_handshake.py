"""What is refused with an HTTP status, and what a session takes from an upgrade request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.server.websocket.handshake import Handshake, HandshakeRefused, check_handshake, check_origin, read_basic

NOBODY: frozenset[str] = frozenset()


def lower(headers: dict[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in headers.items()}


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {"Host": "here:8674", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY}  # fmt: skip
PLAIN = Handshake(KEY, None, None)


def check(path: str = "/ws", allowed: frozenset[str] = NOBODY, **changes: str) -> Handshake:
    headers = GOOD | {name.replace("_", "-"): value for name, value in changes.items()}
    return check_handshake(path, lower(headers), allowed)


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def refusal(*arguments: Any, **changes: Any) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as refused:
        check(*arguments, **changes)
    assert refused.value.detail.endswith(".")
    return refused.value


def test_a_plain_upgrade_is_taken() -> None:
    assert check() == PLAIN
    assert check("/ws?token=x") == PLAIN


@pytest.mark.parametrize(
    "connection", ["keep-alive, Upgrade", "upgrade", "Upgrade,keep-alive", " keep-alive ,\tUPGRADE"]
)
def test_connection_is_a_list_of_tokens(connection: str) -> None:
    assert check(Connection=connection, Upgrade="WebSocket") == PLAIN


@pytest.mark.parametrize("path", ["/", "/ws/", "/WS", "/wsx", "", "/stomp", "//ws", "/./ws", "/%77s"])
def test_another_path_is_404(path: str) -> None:
    refused = refusal(path)
    assert refused.status == 404
    assert "/ws" in refused.detail


@pytest.mark.parametrize(
    "changes",
    [{"Upgrade": ""}, {"Upgrade": "h2c"}, {"Connection": ""}, {"Connection": "keep-alive"}, {"Connection": "Upgraded"}],
)
def test_what_is_no_upgrade_is_426_and_told_which(changes: dict[str, str]) -> None:
    refused = refusal(**changes)
    assert (refused.status, refused.headers) == (426, {"Upgrade": "websocket"})


@pytest.mark.parametrize("version", ["", "8", "14", "13, 8"])
def test_another_version_of_websocket_is_426_and_told_which(version: str) -> None:
    refused = refusal(Sec_WebSocket_Version=version)
    assert (refused.status, refused.headers) == (426, {"Sec-WebSocket-Version": "13"})


@pytest.mark.parametrize("key", ["", "abc", KEY[:-1], KEY + "=", "=" * 24, KEY[4:], "\udcff" * 22 + "==", KEY + "\n"])
def test_a_key_that_is_not_16_octets_in_base64_is_400(key: str) -> None:
    refused = refusal(Sec_WebSocket_Key=key)
    assert refused.status == 400
    assert not key or key not in refused.detail


# --- subprotocol


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("", None),
        ("v12.stomp", "v12.stomp"),
        ("v10.stomp, v11.stomp, v12.stomp", "v12.stomp"),
        ("v10.stomp,v11.stomp", "v11.stomp"),
        ("v10.stomp", "v10.stomp"),
        ("mqtt, v11.stomp", "v11.stomp"),
        ("mqtt", None),
        ("V12.STOMP", None),
    ],
)
def test_the_best_common_subprotocol_is_answered_or_none(offered: str, chosen: str | None) -> None:
    assert check(Sec_WebSocket_Protocol=offered).subprotocol == chosen


# --- credentials (SESS-1)


@pytest.mark.parametrize(
    ("pair", "credentials"),
    [
        ("ops@northwind.example:pass", ("ops@northwind.example", "pass")),
        ("a:b:c:d", ("a", "b:c:d")),
        ("ärger:pässwörd", ("ärger", "pässwörd")),
        (":", ("", "")),
        ("a:", ("a", "")),
    ],
)
def test_basic_is_login_and_password_in_utf_8(pair: str, credentials: tuple[str, str]) -> None:
    assert check(Authorization=basic(pair)).credentials == credentials
    assert check(Authorization=basic(pair).replace("Basic", "bAsIc")).credentials == credentials


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Bearer " + base64.b64encode(b"a:b").decode(),
        basic("no colon"),
        "Basic ===",
        "Basic YTpi!",
        "Basic é",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "   ",
        "x" * 10_000,
    ],
)
def test_credentials_that_cannot_be_read_are_401_with_the_scheme(authorization: str) -> None:
    refused = refusal(Authorization=authorization)
    assert refused.status == 401
    assert refused.headers == {"WWW-Authenticate": 'Basic realm="heliograph", charset="UTF-8"'}
    assert authorization.strip() not in refused.detail or len(authorization.strip()) < 6


@given(st.text())
def test_whatever_stands_in_authorization_it_is_credentials_or_a_refusal(text: str) -> None:
    try:
        read_basic(text)
        read_basic("Basic " + text)
    except HandshakeRefused as refused:
        assert refused.status == 401


def test_a_handshake_does_not_print_its_credentials() -> None:
    assert "pass" not in repr(check(Authorization=basic("a:pass")))


# --- origin


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "passes"),
    [
        ("", "here", "", True),
        ("http://here", "here", "", True),
        ("http://here:80", "here", "", True),
        ("http://HERE", "here:80", "", True),
        ("https://here", "here:443", "", True),
        ("https://here", "here", "", True),
        ("http://here:8674", "here:8674", "", True),
        ("http://[::1]:8674", "[::1]:8674", "", True),
        ("http://here", "here:8674", "", False),
        ("http://evil", "here", "", False),
        ("http://here.evil", "here", "", False),
        ("http://evil/http://here", "here", "", False),
        ("http://here@evil", "here", "", False),
        ("null", "here", "", False),
        ("file://", "here", "", False),
        ("http://", "", "", False),
        ("http://here:99999", "here", "", False),
        ("http://here:x", "here", "", False),
        ("http://[", "here", "", False),
        ("https://console.example", "here", "https://console.example", True),
        ("http://console.example", "here", "https://console.example", False),
        ("https://console.example:8443", "here", "https://console.example", False),
        ("http://evil", "here", "*", True),
        ("null", "here", "*", True),
    ],
)
def test_only_pages_of_our_own_host_or_listed_ones_may_connect(
    origin: str, host: str, allowed: str, passes: bool
) -> None:
    listed = frozenset(filter(None, [allowed]))
    if passes:
        check_origin(origin, host, listed)
    else:
        assert refusal(allowed=listed, Origin=origin, Host=host).status == 403


@given(st.text(), st.text())
def test_whatever_stands_in_origin_and_host_it_passes_or_is_refused(origin: str, host: str) -> None:
    try:
        check_origin(origin, host, NOBODY)
        check_origin("http://" + origin, host, NOBODY)
    except HandshakeRefused as refused:
        assert refused.status == 403
        assert len(refused.detail) < 300


def repeated(headers: dict[str, str], name: str, second: str) -> dict[str, list[str]]:
    """One header twice."""
    return lower(headers) | {name.lower(): [headers[name], second]}


@pytest.mark.parametrize(
    "name", ["Host", "Upgrade", "Origin", "Authorization", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]
)
def test_what_is_checked_may_come_only_once(name: str) -> None:
    headers = GOOD | {"Origin": "http://here:8674", "Authorization": basic("a:b")}
    with pytest.raises(HandshakeRefused) as refused:
        check_handshake("/ws", repeated(headers, name, headers[name]), NOBODY)
    assert (refused.value.status, refused.value.detail) == (400, f"{name} comes 2 times; it is allowed once.")


def test_a_list_may_come_in_several_lines() -> None:
    headers = GOOD | {"Connection": "keep-alive", "Sec-WebSocket-Protocol": "mqtt"}
    assert check_handshake("/ws", repeated(headers, "Connection", "Upgrade"), NOBODY) == PLAIN
    headers["Connection"] = "Upgrade"
    taken = check_handshake("/ws", repeated(headers, "Sec-WebSocket-Protocol", "v12.stomp"), NOBODY)
    assert taken.subprotocol == "v12.stomp"


def test_a_request_without_a_host_is_400() -> None:
    with pytest.raises(HandshakeRefused) as refused:
        check_handshake("/ws", lower({name: value for name, value in GOOD.items() if name != "Host"}), NOBODY)
    assert refused.value.status == 400
