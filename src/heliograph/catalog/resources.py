"""The resources of the camera API, and the message types that each of them is told in.

Who posts a resource sends one plain body, without a routing key.  It has the shape of the first of its message types;
the others are projections of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from heliograph.catalog.bodies import Body, EventFull, EventThin
from heliograph.catalog.body_shape import Place
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES

#: Makes the body of a message type of what was read and the octets that it came as.
Projection = Callable[[Body, bytes], bytes]


class Resource(Struct, frozen=True):
    """One kind of what is posted.  ``shape``: what its bodies are read as.

    ``projections``: by message type.  ``account`` and ``camera``: where a body names them; only events have a camera.
    """

    name: str
    shape: MessageType
    projections: Mapping[str, Projection]
    account: Place
    camera: Place | None = None

    def account_id(self, body: Body) -> int:
        """The account that a body is of."""
        return int(attrgetter(self.account.attribute)(body))

    def camera_id(self, body: Body) -> int | None:
        """The camera that a body is of, where it has one."""
        return None if self.camera is None else int(attrgetter(self.camera.attribute)(body))


def _as_it_came(_body: Body, octets: bytes) -> bytes:
    return octets


_encode = msgspec.json.Encoder().encode


def _thin(body: Body, _octets: bytes) -> bytes:
    """NAME-2: the older form of an event, in snake case."""
    event: Any = body
    assert isinstance(event, EventFull)
    thin = EventThin(
        timestamp=event.timestamp,
        account_id=event.source.account_id,
        camera_id=event.source.source_id,
        event_id=event.event_id,
        type=event.type,
        action="create",
    )
    return _encode(thin)


_ACCOUNT = Place("account_id", "/accountId")

EVENTS = Resource(
    "events",
    BUILT_IN_MESSAGE_TYPES["event_full_v24"],
    MappingProxyType({"event_full_v24": _as_it_came, "event_v24": _thin}),
    Place("source.account_id", "/source/accountId"),
    Place("source.source_id", "/source/sourceId"),
)
FACES = Resource("faces", BUILT_IN_MESSAGE_TYPES["face_v24"], MappingProxyType({"face_v24": _as_it_came}), _ACCOUNT)
USERS = Resource("users", BUILT_IN_MESSAGE_TYPES["user_v24"], MappingProxyType({"user_v24": _as_it_came}), _ACCOUNT)
