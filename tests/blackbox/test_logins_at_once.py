"""Many log in at once, just after what was verified has been forgotten: as after a restart or a network cut."""

import asyncio
import time

import pytest
from websockets.asyncio.client import connect

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.logins import PARTNER_7, PARTNER_9, SERVICE, SYSTEM, Login
from tests.blackbox.raw import connect_frame

VERIFIED_MS = 200
ANSWER_S = 20
WRONG = Login(PARTNER_7.login, "wrong")


class CostlyBroker(BrokerProcess):
    costly = True


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    server = CostlyBroker(
        tmp_path_factory.mktemp("forgetful"),
        HELIOGRAPH_LIMITS_VERIFIED_MS_MAX=str(VERIFIED_MS),
        HELIOGRAPH_LIMITS_FAILED_LOGINS_MAX="1000",  # who is wrong here does not give up
        HELIOGRAPH_LIMITS_FAILED_LOGINS_PER_ADDRESS_MAX="1000",
    )
    yield server
    server.stop()


async def answer_over_websocket(server, login: Login, start: asyncio.Event) -> str:
    async with connect(server.ws_url, compression=None, proxy=None, close_timeout=0) as peer:
        await start.wait()
        await peer.send(connect_frame(login).decode())
        return str(await peer.recv()).partition("\n")[0]


async def answer_over_tcp(server, login: Login, start: asyncio.Event) -> str:
    reader, writer = await asyncio.open_connection(*server.tcp_address)
    try:
        await start.wait()
        writer.write(connect_frame(login))
        return (await reader.readuntil(b"\0")).decode().partition("\n")[0]
    finally:
        writer.close()


async def all_at_once(server, logins: list[Login], ask) -> list[str]:
    start = asyncio.Event()
    async with asyncio.timeout(ANSWER_S):
        asked = [asyncio.create_task(ask(server, login, start)) for login in logins]
        await asyncio.sleep(VERIFIED_MS / 1000 + 0.1)  # meanwhile all are open, and nobody is remembered
        start.set()
        return list(await asyncio.gather(*asked))


@pytest.mark.parametrize("ask", [answer_over_websocket, answer_over_tcp])
async def test_all_get_connected_round_after_round(forgetful, ask):
    for _ in range(4):
        answers = await all_at_once(forgetful, [PARTNER_7] * 96, ask)
        assert answers == ["CONNECTED"] * 96


@pytest.mark.parametrize("ask", [answer_over_websocket, answer_over_tcp])
async def test_each_gets_its_own_answer_when_logins_are_mixed(forgetful, ask):
    logins = [PARTNER_7, WRONG, PARTNER_9, SYSTEM, SERVICE] * 20
    answers = await all_at_once(forgetful, logins, ask)
    assert answers == ["ERROR" if login is WRONG else "CONNECTED" for login in logins]


async def test_who_gives_up_meanwhile_disturbs_nobody(forgetful):
    """Half of them hang up while the one verification that all wait for is running."""
    for _ in range(3):
        start = asyncio.Event()
        async with asyncio.timeout(ANSWER_S):
            staying = [asyncio.create_task(answer_over_tcp(forgetful, PARTNER_7, start)) for _ in range(32)]
            leaving = [await asyncio.open_connection(*forgetful.tcp_address) for _ in range(32)]
            await asyncio.sleep(VERIFIED_MS / 1000 + 0.1)
            for _, writer in leaving:
                writer.write(connect_frame(PARTNER_7))
            start.set()
            for _, writer in leaving:
                await writer.drain()
                writer.transport.abort()
            assert await asyncio.gather(*staying) == ["CONNECTED"] * 32


async def test_a_login_is_quick_again_when_the_storm_has_passed(forgetful):
    await all_at_once(forgetful, [PARTNER_7] * 64, answer_over_tcp)
    start = time.monotonic()
    assert await all_at_once(forgetful, [PARTNER_7], answer_over_tcp) == ["CONNECTED"]
    assert time.monotonic() - start < 3
