"""Who there is (see directory.toml), where they publish, and a body that is right."""

from __future__ import annotations

import json
from typing import NamedTuple


class Login(NamedTuple):
    """What a principal logs in with."""

    login: str
    passcode: str


ACME = Login("acme", "acme-secret")
RIVAL = Login("rival", "rival-secret")
NORTHWIND = Login("ops@northwind.example", "northwind-password")  # partner 12
CONTOSO = Login("desk@contoso.example", "contoso-password")  # partner 123, who may see what rival publishes too
BUS = Login("bus", "bus-secret")  # may do all on RAW
AUDITOR = Login("auditor", "auditor-secret")  # sees all
CONTROL = Login("control", "control-secret")
EVERYBODY = (ACME, RIVAL, NORTHWIND, CONTOSO, BUS, AUDITOR, CONTROL)

EVENTS = "/exchange/acme_event_full_v24/"
RIVAL_EVENTS = "/exchange/rival_event_full_v24/"
RAW = "/exchange/acme_raw/"

NORTHWIND_KEY = "12.12345.32.create.objectDetected.personDetected"
CONTOSO_KEY = "123.777.32.create.objectDetected.personDetected"


def event(number: int = 1, account: int = 12345, camera: int = 32, **more: object) -> str:
    """A body of event_full_v24 for a personDetected."""
    fields = {"eventId": number, "type": "personDetected", "timestamp": "2021-05-04T07:10:03.371+0000",
              "source": {"type": "camera", "sourceId": camera, "accountId": account}}  # fmt: skip
    return json.dumps(fields | more, separators=(",", ":"))
