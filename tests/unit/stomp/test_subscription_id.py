"""A subscription id has a limit of its own, since every MESSAGE repeats it."""

from __future__ import annotations

import pytest

from heliograph.errors import LimitError
from heliograph.limits import Limits
from heliograph.stomp.events import Subscribe, Violation
from heliograph.stomp.server_session import ServerSession


@pytest.mark.parametrize(("octets", "kind"), [(8, Subscribe), (9, Violation)])
def test_an_id_is_taken_up_to_its_limit(octets: int, kind: type):
    session = ServerSession("session-x", Limits(subscription_id_bytes_max=8))
    session.receive(b"CONNECT\naccept-version:1.2\n\n\0")
    session.accept()
    session.resume()
    (event,) = session.receive(b"SUBSCRIBE\nid:%b\ndestination:/exchange/x/#\n\n\0" % (b"i" * octets))
    assert isinstance(event, kind)
    if isinstance(event, Violation):
        assert isinstance(event.error, LimitError)
        assert "subscription_id_bytes_max" in event.error.detail
