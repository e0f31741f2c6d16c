"""A body is taken as it is described, to the letter."""

import msgspec
import pytest

from heliograph.server.http.bodies import check_body
from heliograph.server.http.problem import Refused
from heliograph.server.http.shapes import AccountShape, MessageTypeChange, PartnerShape

PARTNER = {"id": 7, "name": "Northwind", "email": "a@b.example"}


@pytest.mark.parametrize(
    ("body", "kind", "pointers"),
    [
        (PARTNER, PartnerShape, []),
        (PARTNER | {"id": "7"}, PartnerShape, ["/id"]),
        (PARTNER | {"disabled": "true", "more": 1, "name": ""}, PartnerShape, ["/name", "/disabled", "/more"]),
        (PARTNER | {"grants": [{"system": 1}, {}]}, PartnerShape,
         ["/grants/0/system", "/grants/0/message_types", "/grants/1/system", "/grants/1/message_types"]),
        ({"id": 1, "cameras": ["1", 2, -3]}, AccountShape, ["/cameras/0", "/cameras/2"]),
        ({"id": 1, "cameras": "null"}, AccountShape, ["/cameras"]),
        ({"key": "#", "body": {"x": [None]}}, MessageTypeChange, []),
        ({"key": "#", "body": 1, "places": {"a": 1}, "from": "x"}, MessageTypeChange, ["/body", "/places/a", "/from"]),
        ([], AccountShape, [""]),
    ],
)  # fmt: skip
def test_each_fault_has_its_pointer(body: object, kind: type, pointers: list[str]):
    if not pointers:
        check_body(msgspec.json.encode(body), kind)
        return
    with pytest.raises(Refused) as caught:
        check_body(msgspec.json.encode(body), kind)
    assert caught.value.code == 422
    assert sorted(caught.value.pointers) == sorted(pointers)


def test_there_is_a_limit_to_what_is_told():
    with pytest.raises(Refused) as caught:
        check_body(msgspec.json.encode({"id": 1, "cameras": ["x"] * 1_000}), AccountShape)
    assert len(caught.value.pointers) == 32


@pytest.mark.parametrize("octets", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_told_as_that(octets: bytes):
    with pytest.raises(Refused, match="not valid JSON") as caught:
        check_body(octets, AccountShape)
    assert caught.value.code == 400
