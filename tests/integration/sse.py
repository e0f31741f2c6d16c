"""A reader of server-sent events (HTML, section 9.2), which is not the server's writer turned around."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.integration.http_client import HttpClient


class SentEvent(NamedTuple):
    """``kind``: "message" where the stream names none.  ``id``: the last that the stream has said by then."""

    kind: str
    id: str
    data: Any


class EventSource:
    """One request; ``status`` and ``headers`` of its answer.  Use it with ``with``."""

    def __init__(self, client: HttpClient, path: str, last_event_id: str | None = None, timeout_s: float = 20) -> None:
        place = urlsplit(client.url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port or 80, timeout=timeout_s)
        headers = {"Authorization": client.authorization, "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        self._connection.request("GET", path, headers=headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}
        self.last_id = last_event_id or ""
        self.comments: list[str] = []
        if self.status == 200:
            assert self._answer.readline() == b"retry: 3000\n"
            assert self._answer.readline() == b"\n"

    def __enter__(self) -> EventSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def body(self) -> Any:
        """Of an answer that is no stream."""
        return json.loads(self._answer.read())

    def event(self) -> SentEvent | None:
        """The next event; None where the stream has ended."""
        kind, data = "message", []
        while line := self._answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif not name and not value and data:
                return SentEvent(kind, self.last_id, json.loads("\n".join(data)))
            elif not name and not value:
                kind = "message"
            else:
                assert not name, line
                self.comments.append(value)
        return None

    def events(self, count: int) -> list[SentEvent]:
        """So many."""
        found = [self.event() for _ in range(count)]
        assert None not in found
        return [each for each in found if each is not None]

    def comment(self) -> str:
        """The next comment; no event may come before it."""
        before = len(self.comments)
        while len(self.comments) == before:
            line = self._answer.readline().decode()
            assert line, "it has ended"
            assert not line.startswith("data"), line
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            elif line.startswith("id:"):
                self.last_id = line[3:].strip()
        while (line := self._answer.readline().decode()) != "\n":
            assert line.startswith("id:"), line
            self.last_id = line[3:].strip()
        return self.comments[-1]
