"""The resources of the camera API, and the message types that each of them is told in.

Who posts a resource sends one plain body, without a routing key.  It has the shape of the first of its message types;
the others are projections of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from heliograph.catalog.bodies import Body, EventFull, EventThin
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES

#: Makes the body of a message type of what was read and the octets that it came as.
Projection = Callable[[Body, bytes], bytes]


class Resource(Struct, frozen=True):
    """One kind of what is posted.  ``shape``: what its bodies are read as.

    ``projections``: by message type.  Its ``places`` say the account; an event's the camera too.
    """

    name: str
    shape: MessageType
    projections: Mapping[str, Projection]


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


EVENTS = Resource(
    "events",
    BUILT_IN_MESSAGE_TYPES["event_full_v24"],
    MappingProxyType({"event_full_v24": _as_it_came, "event_v24": _thin}),
)
FACES = Resource("faces", BUILT_IN_MESSAGE_TYPES["face_v24"], MappingProxyType({"face_v24": _as_it_came}))
USERS = Resource("users", BUILT_IN_MESSAGE_TYPES["user_v24"], MappingProxyType({"user_v24": _as_it_came}))
