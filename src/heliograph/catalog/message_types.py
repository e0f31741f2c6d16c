"""The built-in message types (NAME-2), also over a tree of event types that an operator has extended.

What a type is stands here as data: the words of its keys, the actions, the struct of its bodies and where in
it the words of the key stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from heliograph.catalog.bodies import EventFull, EventThin, Face, User
from heliograph.catalog.body_shape import BodyShape, Place
from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.message_type import MessageType

_EVENT_KEY = ("partner", "account", "camera", "action", "event_types")  # NAME-3
_RESOURCE_KEY = ("partner", "account", "action")  # NAME-4
_RESOURCE_PLACES = {"account": Place("account_id", "/accountId"), "action": Place("action", "/action")}
_RESOURCE_ACTIONS = ("create", "update", "delete")

_BUILT_IN = (
    MessageType(
        "event_full_v24",
        _EVENT_KEY,
        BodyShape(
            EventFull,
            {
                "account": Place("source.account_id", "/source/accountId"),
                "camera": Place("source.source_id", "/source/sourceId"),
                "event_types": Place("type", "/type"),
            },
        ),
        actions=("create",),
    ),
    MessageType(
        "event_v24",
        _EVENT_KEY,
        BodyShape(
            EventThin,
            {
                "account": Place("account_id", "/account_id"),
                "camera": Place("camera_id", "/camera_id"),
                "action": Place("action", "/action"),
                "event_types": Place("type", "/type"),
            },
        ),
        actions=("create",),
    ),
    MessageType("face_v24", _RESOURCE_KEY, BodyShape(Face, _RESOURCE_PLACES), _RESOURCE_ACTIONS),
    MessageType("user_v24", _RESOURCE_KEY, BodyShape(User, _RESOURCE_PLACES), _RESOURCE_ACTIONS),
)

#: By name.
BUILT_IN_MESSAGE_TYPES: Mapping[str, MessageType] = MappingProxyType({each.name: each for each in _BUILT_IN})


def message_types(event_types: EventTypes) -> Mapping[str, MessageType]:
    """The built-in ones over ``event_types``, by name."""
    if event_types is BUILT_IN_EVENT_TYPES:
        return BUILT_IN_MESSAGE_TYPES
    return {name: each.with_event_types(event_types) for name, each in BUILT_IN_MESSAGE_TYPES.items()}
