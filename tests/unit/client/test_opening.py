"""What can be said about a URL and credentials before anything is sent."""

import pytest

import heliograph.client
from heliograph.client import check_url


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://127.0.0.1:8674/ws", "127.0.0.1"),
        ("wss://broker.example/ws", "broker.example"),
        ("ws://[::1]:8674/ws", "::1"),
    ],
)
def test_a_websocket_url_names_a_host(url: str, host: str):
    assert check_url(url) == host


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8674", "http://x/ws", "ws://", "ws://x:port/ws", "ws://x:99999/ws", "ws://a:b@x/ws", "ws://x/#y"],
)
def test_anything_else_is_refused(url: str):
    with pytest.raises(ValueError, match="URL"):
        check_url(url)


async def test_a_login_with_a_colon_is_refused_before_anything_is_sent():
    with pytest.raises(ValueError, match="colon"):
        async with heliograph.client.connect("ws://127.0.0.1:1/ws", "a:b", "c"):
            pass
