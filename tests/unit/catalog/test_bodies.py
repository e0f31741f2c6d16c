"""The structs; what is said of a fault is tested with ``body_shape``, the examples with the contract."""

import re
from datetime import datetime
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.catalog.bodies import TIMESTAMP, Body, EventFull, EventThin, Face, Timestamp, User


@pytest.mark.parametrize("struct", [EventFull, EventThin, Face, User])
def test_there_is_a_json_schema_with_a_description_of_each_field(struct: type[Body]):
    schema = msgspec.json.schema(struct)["$defs"][struct.__name__]
    assert all("description" in field or "$ref" in field or "anyOf" in field for field in schema["properties"].values())
    assert schema["properties"]["timestamp"]["pattern"] == f"^{TIMESTAMP.pattern}$"


@given(st.datetimes(datetime.fromisoformat("1970-01-01")), st.integers(-14 * 60, 14 * 60))
def test_every_time_has_a_timestamp(at: datetime, offset_min: int):
    zone = f"{'-' if offset_min < 0 else '+'}{abs(offset_min) // 60:02}{abs(offset_min) % 60:02}"
    assert TIMESTAMP.fullmatch(f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}{zone}")


@given(st.from_regex(TIMESTAMP, fullmatch=True))
def test_a_timestamp_has_28_octets(text: str):
    assert len(text.encode()) == 28


def test_the_example_in_the_description_is_a_timestamp():
    (meta,) = (each for each in get_args(Timestamp) if isinstance(each, msgspec.Meta))
    assert re.search(TIMESTAMP, meta.description or "")


@pytest.mark.parametrize("user", [0, 2**63 - 1, "u", "u" * 255])
def test_a_user_id_is_an_integer_or_a_string(user: int | str):
    assert msgspec.convert({"accountId": 1, "userId": user, "timestamp": "", "action": "update"}, User).user_id == user


@pytest.mark.parametrize("user", [-1, 2**63, "", "u" * 256, None, 1.5, True, ["u"]])
def test_a_user_id_is_nothing_else(user: object):
    with pytest.raises(msgspec.ValidationError, match=r"at `\$.userId`"):
        msgspec.convert({"accountId": 1, "userId": user, "timestamp": "", "action": "update"}, User)
