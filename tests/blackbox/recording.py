"""The recorded trace as publishers send it: key and body, the body's octets as they stand in the file."""

import json
from functools import cache
from importlib import resources
from typing import NamedTuple

EXCHANGE = "/exchange/acme_event_full_v24"


class Recorded(NamedTuple):
    destination: str
    body: bytes

    @property
    def partner(self) -> str:
        return self.destination.rpartition("/")[2].partition(".")[0]


@cache
def recording() -> list[Recorded]:
    text = resources.files("heliograph.traces").joinpath("site.jsonl").read_text(encoding="utf-8")
    return [_recorded(line) for line in text.splitlines()]


def of_partner(partner: int) -> list[Recorded]:
    return [event for event in recording() if event.partner == str(partner)]


def _recorded(line: str) -> Recorded:
    body = line[line.index('"event":') + len('"event":') : -1]
    key = json.loads(line)["routingKey"]
    assert json.loads(body) == json.loads(line)["event"]
    return Recorded(f"{EXCHANGE}/{key}", body.encode())
