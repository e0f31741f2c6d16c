"""The JSON shapes of the built-in message types (NAME-2, BODY-1 to BODY-4).

They are for validation: a body is relayed as it came, with whatever further fields it has.  Each ``description``
completes the sentence "{field} must be ..." in an error, and goes into the JSON schema.

An optional field may be absent, but not null: the contract knows no null.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

INT64_MAX = 2**63 - 1

# Ranges are checked, the day of the month only to 31: a calendar is not worth its time on the way of every event.
_TIMESTAMP = (
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"\.[0-9]{3}[+-](?:[01][0-9]|2[0-3])[0-5][0-9]"
)
#: BODY-2, applied by ``BodyShape.read``: as ``Meta(pattern=...)`` on the field it would take three times as long.
TIMESTAMP = re.compile(_TIMESTAMP)

Int64 = Annotated[int, Meta(ge=-(2**63), le=INT64_MAX, description="an integer of 64 bits")]
Id = Annotated[int, Meta(ge=0, le=INT64_MAX, description="an integer from 0 to 2^63-1")]
Timestamp = Annotated[
    str,
    Meta(
        description="a time like 2021-05-04T07:10:03.371+0000 (milliseconds, zone without a colon)",
        extra_json_schema={"pattern": f"^{_TIMESTAMP}$"},
    ),
]
Number = Annotated[float, Meta(description="a finite number")]
Guid = Annotated[
    str,
    Meta(
        min_length=36,
        max_length=36,  # since '$' would let a line feed follow
        pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        description="a GUID like b6e27147-f649-448e-8056-792d2d9654f1",
    ),
]
ResourceAction = Annotated[
    Literal["create", "update", "delete"], Meta(description="one of 'create', 'update', 'delete'")
]
UserId = Annotated[
    Annotated[int, Meta(ge=0, le=INT64_MAX)] | Annotated[str, Meta(min_length=1, max_length=255)],
    Meta(description="an integer from 0 to 2^63-1, or a string of 1 to 255 characters"),
]


class Source(Struct, rename="camel", gc=False):
    """Where an event comes from; only cameras are known."""

    type: Annotated[Literal["camera"], Meta(description="'camera'")]
    source_id: Id
    account_id: Id


class Gps(Struct, gc=False):
    """Where the camera was, in degrees (WGS 84); ``heading`` clockwise from north [V]."""

    latitude: Annotated[float, Meta(ge=-90, le=90, description="a number from -90 to 90")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="a number from -180 to 180")]
    heading: Annotated[float, Meta(ge=0, lt=360, description="a number from 0 to below 360")] | UnsetType = UNSET


class Body(Struct, rename="camel", gc=False):
    """What every body has."""

    timestamp: Timestamp


class EventFull(Body, rename="camel", gc=False):
    """event_full_v24: the Events API's event without stream URLs (BODY-1).

    ``bounding_box`` is left, top, right, bottom as fractions of the picture [I]; ``duration`` is in seconds [V].
    """

    event_id: Int64
    type: Annotated[str, Meta(description="an event type's name, a string")]
    source: Annotated[Source, Meta(description="an object with type, sourceId and accountId")]
    namespace: Annotated[str, Meta(description="a string")] | UnsetType = UNSET
    bounding_box: (
        Annotated[
            tuple[Number, Number, Number, Number],
            Meta(description="an array of four finite numbers: left, top, right, bottom"),
        ]
        | UnsetType
    ) = UNSET
    confidence: Number | UnsetType = UNSET
    duration: Annotated[float, Meta(ge=0, description="a number of seconds, 0 or more")] | UnsetType = UNSET
    gps: Annotated[Gps, Meta(description="an object with latitude and longitude, and heading if known")] | UnsetType = (
        UNSET
    )


class EventThin(Body, rename=None, gc=False):
    """event_v24: the older, thin form of an event, in snake case (NAME-2 [V])."""

    account_id: Id
    camera_id: Id
    event_id: Int64
    type: Annotated[str, Meta(description="an event type's name, a string")]
    action: Annotated[Literal["create"], Meta(description="'create'")]


class Face(Body, rename="camel", gc=False):
    """face_v24: a face was created, changed or removed (BODY-3, BODY-4)."""

    account_id: Id
    face_id: Guid
    action: ResourceAction


class User(Body, rename="camel", gc=False):
    """user_v24, shaped after face_v24 (NAME-2 [I]); ``user_id`` may be an integer, like every id here, or a string."""

    account_id: Id
    user_id: UserId
    action: ResourceAction
