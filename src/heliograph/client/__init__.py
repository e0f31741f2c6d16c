"""The SDK: receive and publish camera events with asyncio, and nothing of the server installed.

async with heliograph.client.connect("ws://127.0.0.1:8674/ws", "ops@northwind.example", "secret") as client:
    async for message in client.subscribe("/exchange/acme_event_full_v24/#", ack="client-individual"):
        print(message.key, message.json())
        await message.ack()
"""

from heliograph.client.client import Client
from heliograph.client.errors import ConnectionFailed, ServerRefused
from heliograph.client.message import Message
from heliograph.client.opening import check_url, connect
from heliograph.client.subscription import Subscription
from heliograph.client.transaction import Transaction

__all__ = [
    "connect",
    "Client",
    "Subscription",
    "Message",
    "Transaction",
    "ServerRefused",
    "ConnectionFailed",
    "check_url",
]
