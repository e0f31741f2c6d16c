"""The client against a scripted server, without a socket."""

import asyncio
from contextlib import aclosing

import pytest

from heliograph.client import Client, ConnectionFailed, ServerRefused
from heliograph.client import client as client_module
from heliograph.limits import Limits
from heliograph.stomp.client_session import ClientSession
from heliograph.stomp.heartbeat import HeartBeat
from tests.clock import StillClock
from tests.unit.client.conftest import CONNECTED, FakeSocket, logged_in, message

ERROR = b"ERROR\nmessage:No\nreceipt-id:%b\n\nMend it.\0\n"
DESTINATION = "/exchange/acme_x/#"


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_log_in_and_out(socket: FakeSocket):
    async with logged_in(socket) as client:
        assert (client.server, client.session_id) == ("test/1", "s-1")
        closing = asyncio.create_task(client.close())
        assert (await socket.heard("DISCONNECT")).receipt is not None
        await closing
        await client.close()
    assert socket.close_code == 1000
    assert socket.heard_nothing()


async def test_a_refused_login_says_why(socket: FakeSocket):
    with pytest.raises(ServerRefused) as caught:
        await open_with(socket, b"ERROR\nmessage:Bad CONNECT\n\nAccess refused\0\n")
    assert (caught.value.message, caught.value.detail) == ("Bad CONNECT", "Access refused")


async def open_with(socket: FakeSocket, answer: bytes) -> None:
    session = ClientSession(Limits())
    client = Client(socket, session, 5.0)  # type: ignore[arg-type]
    socket.says(answer)
    try:
        await client.log_in(session.connect("here", HeartBeat()))
    finally:
        await client.close()


async def test_a_server_that_hangs_up_instead_of_answering(socket: FakeSocket):
    socket.hangs_up()
    with pytest.raises(ConnectionFailed):
        await open_with(socket, b"")


# --- sending


async def test_send_returns_when_the_receipt_has_come(socket: FakeSocket):
    async with logged_in(socket) as client:
        sending = asyncio.create_task(client.send("/exchange/acme_x/7.1", "é", {"a": "b"}))
        frame = await socket.heard("SEND", confirm=False)
        assert (frame.body, frame.head.headers["a"]) == ("é".encode(), "b")
        await turn()
        assert not sending.done()
        socket.says(b"RECEIPT\nreceipt-id:%b\n\n\0\n" % (frame.receipt or "").encode())
        await sending


async def test_send_without_receipt_returns_at_once(socket: FakeSocket):
    async with logged_in(socket) as client:
        await client.send("/exchange/acme_x/7.1", b"", receipt=False)
        assert (await socket.heard("SEND")).receipt is None


async def test_a_receipt_that_does_not_come(socket: FakeSocket):
    async with logged_in(socket, timeout_s=0.02) as client:
        with pytest.raises(ConnectionFailed, match=r"No receipt: SEND was not confirmed within 0\.02 s"):
            await client.send("/exchange/acme_x/7.1", b"")
        await socket.heard("SEND", confirm=False)


async def test_many_sends_may_be_on_their_way(socket: FakeSocket):
    async with logged_in(socket) as client:
        receipts = [await client.submit("/exchange/acme_x/7.1", str(n)) for n in range(3)]
        assert [(await socket.heard("SEND")).body for _ in receipts] == [b"0", b"1", b"2"]
        await asyncio.gather(*receipts)


async def test_an_error_reaches_everyone_who_waits(socket: FakeSocket):
    async with logged_in(socket) as client:
        receipts = [await client.submit("/exchange/acme_x/7.1", b"") for _ in range(2)]
        first = await socket.heard("SEND", confirm=False)
        socket.says(ERROR % (first.receipt or "").encode())
        for receipt in receipts:
            with pytest.raises(ServerRefused, match="No: Mend it") as caught:
                await receipt
            assert caught.value.receipt_id == first.receipt
        with pytest.raises(ServerRefused, match="Mend it"):
            await client.send("/exchange/acme_x/7.1", b"")
        assert socket.close_code is not None


async def test_a_receipt_nobody_awaits_does_not_complain(socket: FakeSocket):
    async with logged_in(socket) as client:
        await client.submit("/exchange/acme_x/7.1", b"")
        await socket.heard("SEND", confirm=False)
        socket.hangs_up()
        await turn()


async def test_a_server_that_does_not_speak_stomp(socket: FakeSocket):
    async with logged_in(socket) as client:
        socket.says(b"hello there\n\n\0")
        await turn()
        with pytest.raises(ConnectionFailed, match="Bad command"):
            await client.send("/exchange/acme_x/7.1", b"")


# --- subscribing


async def test_messages_of_a_subscription(socket: FakeSocket):
    async with logged_in(socket) as client:
        entering = asyncio.create_task(client.subscribe(DESTINATION, ack="client", prefetch=7).__aenter__())
        headers = (await socket.heard("SUBSCRIBE")).head.headers
        assert (headers["id"], headers["ack"], headers["prefetch-count"]) == ("0", "client", "7")
        subscription = await entering
        socket.says(message(1, ack="a-1", body=b'{"type":"x"}'), message(2, ack="a-2"))
        messages = aiter(subscription)
        first, second = await anext(messages), await anext(messages)
        assert (first.exchange, first.key, first.message_id) == ("acme_x", "7.1", "m-1")
        assert first.json() == {"type": "x"}
        assert first.headers["message-id"] == "m-1"
        assert not first.redelivered
        await second.ack()
        assert (await socket.heard("ACK")).head.headers["id"] == "a-2"
        acking = asyncio.create_task(first.nack(requeue=False, receipt=True))
        frame = await socket.heard("NACK")
        assert (frame.head.headers["id"], frame.head.headers["requeue"]) == ("a-1", "false")
        await acking
        await subscription.unsubscribe()
        assert (await socket.heard("UNSUBSCRIBE")).head.headers["id"] == "0"
        with pytest.raises(RuntimeError, match="has ended"):
            await first.ack()


async def test_a_plain_loop_subscribes_and_a_break_unsubscribes(socket: FakeSocket):
    async with logged_in(socket) as client:

        async def first_key() -> str:
            async for each in client.subscribe(DESTINATION):
                return each.key
            return ""

        looping = asyncio.create_task(first_key())
        await socket.heard("SUBSCRIBE")
        socket.says(message(1), message(2))
        assert await looping == "7.1"
        await socket.heard("UNSUBSCRIBE")
        assert not client.subscriptions


async def subscribed(socket: FakeSocket, client: Client, **options):
    entering = asyncio.create_task(client.subscribe(DESTINATION, **options).__aenter__())
    await socket.heard("SUBSCRIBE")
    return await entering


async def test_a_full_subscription_stops_the_reading(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client, prefetch=3)
        before = socket.taken
        socket.says(*(message(n) for n in range(10)))
        await turn()
        assert socket.taken - before == 3
        async with aclosing(aiter(subscription)) as messages:
            for n in range(10):
                assert (await anext(messages)).message_id == f"m-{n}"
                await turn()
                assert socket.taken - before == min(10, n + 4)


async def test_a_receipt_is_read_past_a_full_subscription(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client, prefetch=1)
        socket.says(*(message(n) for n in range(5)))
        await turn()
        sending = asyncio.create_task(client.send("/exchange/acme_x/7.1", b""))
        await socket.heard("SEND")
        await asyncio.wait_for(sending, 5)
        assert subscription.waiting == 5


async def test_but_not_without_end(socket: FakeSocket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_module, "RECEIVED_MAX", 4)
    async with logged_in(socket, timeout_s=0.02) as client:
        subscription = await subscribed(socket, client, prefetch=1)
        socket.says(*(message(n) for n in range(10)))
        with pytest.raises(ConnectionFailed, match="No receipt"):
            await client.send("/exchange/acme_x/7.1", b"")
        assert subscription.waiting == 4
        await socket.heard("SEND")


async def test_what_has_come_is_given_before_the_error(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client)
        socket.says(message(1), message(2), ERROR % b"")
        seen = []

        async def loop() -> None:
            async for each in subscription:
                seen.append(each.message_id)

        with pytest.raises(ServerRefused, match="Mend it"):
            await loop()
        assert seen == ["m-1", "m-2"]


async def test_closing_ends_a_loop_without_an_error(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client, prefetch=1)

        async def loop() -> int:
            return len([each async for each in subscription])

        looping = asyncio.create_task(loop())
        await turn()
        closing = asyncio.create_task(client.close())
        socket.says(message(1), message(2), message(3))  # on their way; nobody takes them, and nothing waits for them
        await socket.heard("DISCONNECT")
        await closing
        assert await looping == 0


async def test_messages_of_an_ended_subscription_are_dropped(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client, prefetch=1)
        await subscription.unsubscribe()
        await socket.heard("UNSUBSCRIBE")
        socket.says(message(1), message(2))
        sending = asyncio.create_task(client.send("/exchange/acme_x/7.1", b""))
        await socket.heard("SEND")
        await sending


@pytest.mark.parametrize("options", [{"ack": "sometimes"}, {"prefetch": 0}])
async def test_a_subscription_that_cannot_be(socket: FakeSocket, options: dict):
    async with logged_in(socket) as client:
        with pytest.raises(ValueError, match=next(iter(options))):
            client.subscribe(DESTINATION, **options)


async def test_nothing_to_acknowledge_with_ack_auto(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client)
        socket.says(message(1))
        with pytest.raises(RuntimeError, match="ack='auto'"):
            await (await anext(aiter(subscription))).ack()


async def test_two_loops_over_one_subscription_are_a_mistake(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client)
        waiting = asyncio.create_task(anext(aiter(subscription)))
        await turn()
        with pytest.raises(RuntimeError, match="two loops"):
            await anext(aiter(subscription))
        socket.says(message(1))
        assert (await waiting).message_id == "m-1"


# --- transactions


async def test_a_transaction_is_committed_at_its_end(socket: FakeSocket):
    async with logged_in(socket) as client:
        subscription = await subscribed(socket, client, ack="client-individual")
        socket.says(message(1, ack="a-1"))
        received = await anext(aiter(subscription))

        async def move() -> None:
            async with client.transaction() as transaction:
                await transaction.send("/exchange/acme_x/7.2", "moved")
                await received.ack(transaction=transaction)

        moving = asyncio.create_task(move())
        frames = [await socket.heard(command) for command in ("BEGIN", "SEND", "ACK", "COMMIT")]
        await moving
        assert len({frame.head.headers["transaction"] for frame in frames}) == 1
        assert frames[-1].receipt is not None


async def test_an_exception_aborts_it(socket: FakeSocket):
    async with logged_in(socket) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.transaction():
                raise ZeroDivisionError
        await socket.heard("BEGIN")
        await socket.heard("ABORT")


# --- heart-beats


async def test_beats_are_sent_while_nothing_else_is(socket: FakeSocket):
    clock = StillClock()
    async with logged_in(socket, offer=HeartBeat(50, 0), beats=b"0,50"):
        await clock.go(1)
        assert 20 <= socket.beats <= 25


async def test_no_beats_where_none_were_agreed_on(socket: FakeSocket):
    clock = StillClock()
    async with logged_in(socket, offer=HeartBeat(50, 50), beats=b"0,0") as client:
        await clock.go(1)
        client.check()
        assert not socket.beats


async def test_a_silent_server_is_given_up(socket: FakeSocket):
    clock = StillClock()
    async with logged_in(socket, offer=HeartBeat(0, 200), beats=b"200,0") as client:
        for _ in range(5):
            await clock.go(0.3)
            socket.says(b"\n")
        subscription = await subscribed(socket, client)
        waiting = asyncio.create_task(anext(aiter(subscription)))
        await clock.go(0.39)
        client.check()
        await clock.go(0.1)
        with pytest.raises(ConnectionFailed, match="Heart-beat missed"):
            await waiting


async def test_a_server_is_not_dead_because_nobody_listens(socket: FakeSocket):
    clock = StillClock()
    async with logged_in(socket, offer=HeartBeat(0, 50), beats=b"50,0") as client:
        subscription = await subscribed(socket, client, prefetch=1)
        socket.says(message(1), message(2))
        await clock.go(1)
        client.check()
        assert (await anext(aiter(subscription))).message_id == "m-1"
        socket.says(b"\n")
        await turn()
        client.check()


async def test_connected_with_beats_of_another_kind(socket: FakeSocket):
    with pytest.raises(ConnectionFailed, match="heart-beat"):
        await open_with(socket, CONNECTED % b"soon")
