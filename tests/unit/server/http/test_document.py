"""The OpenAPI document: shapes and parameters as they are read."""

from __future__ import annotations

from typing import Any

import pytest

from heliograph.server.http.app import described
from heliograph.server.http.document import make_document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_document(described())


def parameter(document: dict[str, Any], path: str, name: str) -> Any:
    method = document["paths"][path].get("get") or document["paths"][path]["post"]
    return next(each["schema"] for each in method["parameters"] if each["name"] == name)


def test_what_may_be_null_has_its_bounds_where_it_is_not(document: dict[str, Any]):
    connections = document["components"]["schemas"]["Quota"]["properties"]["connections"]
    assert connections["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, {"type": "null"}]
    cameras = document["components"]["schemas"]["AccountShape"]["properties"]["cameras"]
    assert cameras["anyOf"][0]["items"]["minimum"] == 1


def test_what_is_sent_has_no_other_fields(document: dict[str, Any]):
    shapes = document["components"]["schemas"]
    assert {name for name, shape in shapes.items() if shape.get("additionalProperties") is False} >= {
        "PartnerShape", "PartnerChange", "Grant", "Quota", "SystemShape", "Retention", "NewCredential",
    }  # fmt: skip
    assert "additionalProperties" not in shapes["EventFull"]  # a body may have more fields than are looked at


@pytest.mark.parametrize(
    ("path", "name", "schema"),
    [
        ("/systems", "limit", {"type": "integer", "minimum": 1}),
        ("/partners", "after", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        ("/events", "camera", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        ("/events", "from", {"type": "string", "format": "date-time"}),
        ("/systems/{system}", "system", {"type": "string"}),
    ],
)
def test_a_parameter_is_never_null(document: dict[str, Any], path: str, name: str, schema: object):
    assert parameter(document, path, name) == schema


def test_the_idempotency_key_has_its_form(document: dict[str, Any]):
    assert "pattern" in parameter(document, "/systems/{system}/events", "Idempotency-Key")


def test_every_error_is_a_problem(document: dict[str, Any]):
    answers = [operation["responses"] for path in document["paths"].values() for operation in path.values()]
    assert all(list(each["default"]["content"]) == ["application/problem+json"] for each in answers)
    assert not [status for each in answers for status in each if status[0] in "45"]
