"""What a schema asks for is known before it is used: no end, or too much, is refused by its place."""

import pytest

from heliograph.directory.schema_cost import SchemaFault, schema_cost

STRING = {"type": "string"}


def doubled(depth: int) -> dict:
    """Each level refers twice to the next: 2^depth subschemas."""
    levels = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/l0", "$defs": levels | {f"l{depth}": STRING}}


def test_every_subschema_counts():
    flat = schema_cost({"properties": {str(n): STRING for n in range(10)}})
    assert schema_cost({"properties": {str(n): STRING for n in range(20)}}) - flat == flat - schema_cost({})


def test_what_may_be_looked_at_again_counts_twice():
    one = schema_cost(STRING)
    for keyword in ("anyOf", "oneOf"):
        assert schema_cost({keyword: [STRING, STRING]}) == 1 + 4 * one
    assert schema_cost({"not": STRING}) == 1 + 2 * one
    assert schema_cost({"allOf": [STRING]}) == 1 + one
    assert schema_cost({"items": STRING, "unevaluatedProperties": False}) == 2 * (1 + one + 1)


def test_long_keywords_count_by_their_octets():
    assert schema_cost({"enum": ["x" * 1_600]}) > 100
    assert schema_cost({"patternProperties": {"x" * 1_600: True}}) > 100


def test_a_reference_costs_what_it_refers_to_each_time():
    assert schema_cost(doubled(10)) > 2**10
    assert schema_cost(doubled(30)) > 2**30  # and is told in no time


def test_definitions_that_nobody_uses_cost_nothing():
    assert schema_cost({"$defs": {"x": {"items": {"items": STRING}}}}) == schema_cost({})


@pytest.mark.parametrize(
    ("schema", "path", "sentence"),
    [
        ({"$ref": "https://example.com/x.json"}, ("$ref",), "nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, ("properties", "a", "$ref"), "nothing is fetched"),
        ({"$ref": "#name"}, ("$ref",), "outside this schema"),
        ({"$ref": 7}, ("$ref",), "outside this schema"),
        ({"items": {"$ref": "#/$defs/x"}}, ("items", "$ref"), "there is no '#/$defs/x'"),
        ({"$ref": "#/allOf/7", "allOf": [True]}, ("$ref",), "there is no"),
        ({"$id": "https://example.com/"}, ("$id",), "not allowed"),
        ({"allOf": [{"$dynamicRef": "#x"}]}, ("allOf", 0, "$dynamicRef"), "not allowed"),
        ({"$ref": "#"}, ("$ref",), "leads back to itself"),
        (
            {"properties": {"child": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}},
            ("properties", "child", "$ref", "items", "$ref"),
            "leads back to itself",
        ),
    ],
)
def test_what_is_endless_or_elsewhere_is_refused_by_its_place(schema: dict, path: tuple, sentence: str):
    with pytest.raises(SchemaFault) as caught:
        schema_cost(schema)
    assert caught.value.path == path
    assert sentence in caught.value.sentences


def test_a_schema_that_is_too_deep_is_refused():
    schema: dict = STRING
    for _ in range(100):
        schema = {"items": schema}
    with pytest.raises(SchemaFault, match="nested deeper than 64"):
        schema_cost(schema)


def test_a_reference_into_names_with_slashes_is_followed():
    assert schema_cost({"$ref": "#/$defs/a~1b~0", "$defs": {"a/b~": STRING}}) > schema_cost({})
