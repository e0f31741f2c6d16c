"""Who there is (see directory.toml), and what is published: each test has a camera of its own, so that tests that
share a server do not see each other's events."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.attacks.attacker import Attacker, StompFrame, stomp_frame
from tests.attacks.people import Login

ACME = Login("acme", "acme-secret")
NORTHWIND = Login("ops@northwind.example", "northwind-password")  # partner 7
CONTOSO = Login("desk@contoso.example", "contoso-password")  # partner 9
ACCOUNTS = {7: 12345, 9: 777}
EXCHANGE = "/exchange/acme_event_full_v24/"


def pattern(camera: int, partner: int = 7) -> str:
    """All events of one camera."""
    return f"{EXCHANGE}{partner}.*.{camera}.#"


def send_frame(number: int, camera: int, partner: int = 7, **headers: object) -> bytes:
    """The SEND of event ``number`` (its ``eventId``)."""
    account = ACCOUNTS[partner]
    body = {"eventId": number, "type": "personDetected", "timestamp": "2021-05-04T07:10:03.371+0000",
            "source": {"type": "camera", "sourceId": camera, "accountId": account}}  # fmt: skip
    destination = f"{EXCHANGE}{partner}.{account}.{camera}.create.objectDetected.personDetected"
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return stomp_frame("SEND", json.dumps(body), {"destination": destination, **more})


def publish(publisher: Attacker, camera: int, numbers: Iterable[int], partner: int = 7, **headers: object) -> None:
    """Publish, and wait until all of it is confirmed."""
    sent = list(numbers)
    publisher.stomp(*(send_frame(n, camera, partner, receipt=f"stored-{n}", **headers) for n in sent))
    for number in sent:
        publisher.expect_receipt(f"stored-{number}")


def number_of(message: StompFrame) -> int:
    """Which event a MESSAGE carries."""
    number = json.loads(message.body)["eventId"]
    assert isinstance(number, int)
    return number


def numbers_of(messages: Iterable[StompFrame]) -> list[int]:
    """Which events they carry, in the order in which they came."""
    return [number_of(message) for message in messages]


def redelivered(messages: Iterable[StompFrame]) -> list[bool]:
    """What their ``redelivered`` headers say."""
    return [message.headers["redelivered"] == "true" for message in messages]


def offset_of(message: StompFrame) -> int:
    """Where in the exchange's history it stands."""
    return int(message.headers["x-stream-offset"])


def acknowledge(consumer: Attacker, message: StompFrame, command: str = "ACK", **headers: object) -> None:
    """ACK (or NACK) with a receipt, and wait for it."""
    consumer.frame(command, id=message.headers["ack"], receipt="settled", **headers)
    consumer.expect_receipt("settled")
