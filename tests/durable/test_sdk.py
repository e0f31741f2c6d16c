"""The SDK, as an integrator would write it."""

from heliograph.client import connect
from tests.durable.broker_process import BrokerProcess
from tests.durable.people import ACME, NORTHWIND, pattern, publish

DURABLE = {"durable": "true", "x-queue-name": "sdk", "x-stream-offset": "first"}


async def test_the_sdk_resumes_where_it_was(broker: BrokerProcess, camera: int):
    publish(broker.peer(ACME), camera, range(5))
    host, port = broker.server.websocket
    seen = []
    for _ in range(5):
        async with connect(f"ws://{host}:{port}/ws", *NORTHWIND) as client:
            async for message in client.subscribe(pattern(camera), ack="client", headers=DURABLE):
                seen.append(message.json()["eventId"])
                await message.ack(receipt=True)
                break
    assert seen == [0, 1, 2, 3, 4]
