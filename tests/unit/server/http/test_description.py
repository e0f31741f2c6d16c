"""The OpenAPI document names every path, and the page for people loads nothing."""

import json

import pytest
from litestar import Litestar

from heliograph.server.http import description
from heliograph.server.http.app import described


@pytest.fixture(scope="module")
def schema() -> dict:
    openapi, _ = description.handlers(described)
    return json.loads(openapi.fn().content)


def test_every_handler_is_described(schema: dict):
    assert schema["openapi"].startswith("3.1.")
    found = {
        (method.lower(), route.path_format)
        for route in Litestar(described(), openapi_config=None).routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    assert {(method, path) for path, methods in schema["paths"].items() for method in methods} == found
    assert len(found) > 30


def test_every_reference_leads_somewhere_and_every_error_is_a_problem(schema: dict):
    shapes = schema["components"]["schemas"]
    text = json.dumps(schema)
    assert {each.partition('"')[0] for each in text.split("#/components/schemas/")[1:]} <= shapes.keys()
    for methods in schema["paths"].values():
        for operation in methods.values():
            assert [status for status in operation["responses"] if status[0] in "45"] == []
            assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]


def test_operation_ids_are_unique(schema: dict):
    ids = [operation["operationId"] for methods in schema["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_the_page_names_every_path_and_loads_nothing(schema: dict):
    page = description.render(schema)
    assert all(f"<code>{path}</code>" in page for path in schema["paths"])
    assert not any(word in page for word in ("<script", "<link", "<img", "src=", "http:", "https:", "url("))


def test_what_is_described_is_escaped():
    schema = {"info": {"title": "<b>", "version": "1", "description": "&"}, "paths": {}}
    assert "<b>" not in description.render(schema)
