"""A client of the HTTP API over a plain socket connection, one request each."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """``body``: decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class HttpClient:
    """``authorization``: sent with every request."""

    def __init__(self, url: str, authorization: str = "") -> None:
        self.url = url
        self.authorization = authorization

    def bearer(self, token: str) -> HttpClient:
        return HttpClient(self.url, f"Bearer {token}")

    def basic(self, login: str, password: str) -> HttpClient:
        return HttpClient(self.url, "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode())

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Octets go as they are, those of an iterator in chunks, anything else as JSON.

        ``content_type="..."`` is the header Content-Type.
        """
        sent = {"Authorization": self.authorization} if self.authorization else {}
        if body is not None:
            sent["content-type"] = "application/json"
            if not isinstance(body, bytes | Iterator):
                body = json.dumps(body).encode()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port or 80, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read()
            kind = answer.headers.get_content_type()
            found: Any = json.loads(text) if text and kind.endswith("json") and "ndjson" not in kind else text.decode()
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, found)
        finally:
            connection.close()
