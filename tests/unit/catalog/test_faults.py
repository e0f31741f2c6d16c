"""Every fault of a value, each by its pointer."""

from typing import Annotated, Literal

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.catalog.faults import MISSING, UNKNOWN, below, faults_of


class Lens(Struct, rename="camel"):
    focal_length: float
    maker: str | None = None


class Camera(Struct, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=0)]
    kind: Literal["dome", "bullet"] = "dome"
    lens: Annotated[Lens, Meta(description="a lens")] | UnsetType = UNSET
    box: tuple[float, float] | None = None
    tags: Annotated[tuple[str, ...], Meta(min_length=1)] = ("x",)
    names: dict[str, Lens] = {}


GOOD = {"id": 1, "lens": {"focalLength": 2, "more": 1}, "box": [1, 2], "tags": ["a"], "names": {}}


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        (GOOD, []),
        ([], [""]),
        ({}, ["/id"]),
        ({"id": "7"}, ["/id"]),
        ({"id": -1, "kind": "x", "lens": {}, "wide": 1}, ["/id", "/kind", "/lens/focalLength", "/wide"]),
        (GOOD | {"lens": {"focalLength": "x", "maker": 7}}, ["/lens/focalLength", "/lens/maker"]),
        (GOOD | {"lens": None}, ["/lens"]),
        (GOOD | {"box": ["a", "b"]}, ["/box/0", "/box/1"]),
        (GOOD | {"box": [1]}, ["/box"]),
        (GOOD | {"box": None}, []),
        (GOOD | {"tags": []}, ["/tags"]),
        (GOOD | {"tags": [1, "a", 2]}, ["/tags/0", "/tags/2"]),
        (GOOD | {"names": {"a/b~": {}, "c": 1}}, ["/names/a~1b~0/focalLength", "/names/c"]),
    ],
)
def test_each_fault_has_its_pointer(value: object, pointers: list[str]):
    assert [fault.pointer for fault in faults_of(value, Camera)] == pointers


def test_what_is_missing_and_what_is_too_much_is_told_as_that():
    assert {fault.text for fault in faults_of({"wide": 1}, Camera)} == {MISSING, UNKNOWN}
    (fault,) = faults_of({"id": "7"}, Camera)
    assert fault.text == "Expected `int`, got `str`"


def test_a_pointer_does_not_repeat_a_megabyte():
    assert len(below("", "x" * 1_000_000)) == 1_000
