"""The SDK against a server in a process of its own."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from importlib import resources

import pytest

from heliograph.client import Client, ConnectionFailed, ServerRefused, connect
from tests.integration.conftest import EXCHANGE, Process, address

TRACE = [
    json.loads(line) for line in (resources.files("heliograph.traces") / "site.jsonl").read_text("utf-8").splitlines()
]
OF_7 = [event for event in TRACE if event["routingKey"].startswith("7.")]
ALL = f"/exchange/{EXCHANGE}/#"


def northwind(url: str, **options) -> AbstractAsyncContextManager[Client]:
    return connect(url, "ops@northwind.example", "correct horse battery", **options)


def acme(url: str) -> AbstractAsyncContextManager[Client]:
    return connect(url, "acme", "producer-secret")


async def publish(client: Client, events: list[dict]) -> None:
    receipts = [
        await client.submit(
            f"/exchange/{EXCHANGE}/{event['routingKey']}", json.dumps(event["event"]), {"x-mine": "é:1"}
        )
        for event in events
    ]
    await asyncio.gather(*receipts)


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
async def test_a_trace_through_a_narrow_window(url: str, ack: str):
    async with northwind(url) as consumer, acme(url) as producer:
        async with consumer.subscribe(ALL, ack=ack, prefetch=3) as subscription:
            await publish(producer, TRACE)
            keys = []
            async for message in subscription:
                keys.append(message.key)
                assert message.headers["x-mine"] == "é:1"
                if ack != "auto":
                    await message.ack()
                if len(keys) == len(OF_7):
                    break
        assert keys == [event["routingKey"] for event in OF_7]


async def test_what_is_given_back_comes_again(url: str):
    async with (
        northwind(url) as consumer,
        acme(url) as producer,
        consumer.subscribe(ALL, ack="client-individual", prefetch=1) as subscription,
    ):
        await publish(producer, OF_7[:2])
        messages = aiter(subscription)
        first = await anext(messages)
        assert not first.redelivered
        await first.nack()
        again = await anext(messages)
        assert (again.redelivered, again.body) == (True, first.body)
        await again.nack(requeue=False, receipt=True)
        second = await anext(messages)
        assert (second.redelivered, second.key) == (False, OF_7[1]["routingKey"])
        await second.ack(receipt=True)


async def test_transactions(url: str):
    async with northwind(url) as consumer, acme(url) as producer, consumer.subscribe(ALL) as subscription:
        event = OF_7[0]
        destination, body = f"/exchange/{EXCHANGE}/{event['routingKey']}", json.dumps(event["event"])

        async def aborted() -> None:
            async with producer.transaction() as transaction:
                await transaction.send(destination, body)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await aborted()
        async with producer.transaction() as transaction:
            for _ in range(3):
                await transaction.send(destination, body)
            assert not subscription.waiting
        ids = [(await anext(aiter(subscription))).message_id for _ in range(3)]
        assert len(set(ids)) == 3
        async with consumer.subscribe(ALL, ack="client") as acknowledged:
            await producer.send(destination, body)
            message = await anext(aiter(acknowledged))
            async with consumer.transaction() as transaction:
                await message.ack(transaction=transaction)


async def test_a_slow_consumer_harms_nobody_else(url: str):
    async with (
        northwind(url) as slow,
        northwind(url) as quick,
        acme(url) as producer,
        slow.subscribe(ALL, prefetch=1) as forgotten,
        quick.subscribe(ALL) as subscription,
    ):
        for _ in range(20):
            await publish(producer, OF_7)
        for _ in range(20 * len(OF_7)):
            await anext(aiter(subscription))
        assert forgotten.waiting == 1
        for n in range(20 * len(OF_7)):
            assert (await anext(aiter(forgotten))).key == OF_7[n % len(OF_7)]["routingKey"]


async def test_heart_beats_keep_an_idle_connection(url: str):
    async with northwind(url, heartbeat_ms=(1_000, 1_000)) as client:
        assert str(client.session.heartbeat) == "1000,1000"
        await asyncio.sleep(3.5)
        async with client.subscribe(ALL):
            pass


async def test_a_refused_send_names_what_was_wrong(url: str):
    async with acme(url) as producer:
        with pytest.raises(ServerRefused, match="confidence must be a finite number") as caught:
            await publish(producer, [{**OF_7[1], "event": {**OF_7[1]["event"], "confidence": "high"}}])
        assert caught.value.receipt_id is not None
        with pytest.raises(ServerRefused, match="confidence"):
            await producer.send(ALL, "")


async def test_a_server_that_is_killed_is_noticed(server: Process):
    async with northwind(address(server)) as client, client.subscribe(ALL) as subscription:
        server.process.kill()
        with pytest.raises(ConnectionFailed, match="Connection lost"):
            await anext(aiter(subscription))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda url: url.removesuffix("/ws") + "/nosuch", ServerRefused, "HTTP 404"),
        (lambda url: "ws://127.0.0.1:1/ws", ConnectionFailed, "Nothing listens"),
        (lambda url: "ws://nosuch.invalid/ws", ConnectionFailed, "nosuch.invalid"),
        (lambda url: url.replace("ws://", "wss://"), ConnectionFailed, "Cannot connect"),
    ],
)
async def test_a_connection_that_cannot_be(url: str, change, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        async with northwind(change(url), timeout_s=2):
            pass


async def test_a_server_that_never_answers():
    held = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectionFailed, match=r"did not answer within 0\.2 s"):
        async with northwind(f"ws://127.0.0.1:{port}/ws", timeout_s=0.2):
            pass
    server.close()
    for writer in held:
        writer.close()
