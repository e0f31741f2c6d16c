"""The OpenAPI document: what Litestar tells of the handlers, and our shapes and parameters to the letter.

Litestar leaves out some of what a shape allows and what not, so shapes and parameters are msgspec's, which is what
reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Annotated, Any, get_args

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition
from msgspec import Meta

from heliograph import __version__
from heliograph.catalog.bodies import Body, EventFull, Face, User
from heliograph.server.http.problem import MEDIA_TYPE, Problem

#: By resource.
_BODIES: dict[str, type[Body]] = {"events": EventFull, "faces": Face, "users": User}
_WHEN = "2021-05-04T07:10:03.371+0000"
_EXAMPLES = {
    "events": {
        "eventId": 1,
        "type": "faceDetected",
        "timestamp": _WHEN,
        "source": {"type": "camera", "sourceId": 32, "accountId": 12345},
    },
    "faces": {
        "faceId": "b6e27147-f649-448e-8056-792d2d9654f1",
        "accountId": 12345,
        "action": "create",
        "timestamp": _WHEN,
    },
    "users": {"userId": 5, "accountId": 12345, "action": "create", "timestamp": _WHEN},
}
_REFERENCE = "#/components/schemas/{name}"
_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")


def make_document(handlers: Iterable[Any]) -> dict[str, Any]:
    """OpenAPI 3.1 of ``handlers``."""
    config = OpenAPIConfig(
        title="heliograph",
        version=__version__,
        description="Administration of a heliograph broker, and events by POST.",
        components=Components(
            security_schemes={
                "operator": SecurityScheme(type="http", scheme="bearer"),
                "login": SecurityScheme(type="http", scheme="basic"),
            }
        ),
        security=[{"operator": []}, {"login": []}],
    )
    app = Litestar(list(handlers), openapi_config=config, logging_config=None)
    found = app.openapi_schema.to_schema()
    operations = list(_operations(app, found))
    found["components"]["schemas"] |= _shapes(handler for handler, _ in operations)
    for handler, operation in operations:
        _tell_problems(operation)
        _tell_parameters(handler, operation)
    _tell_bodies(found)
    return found


def _operations(app: Litestar, found: dict[str, Any]) -> Iterator[tuple[HTTPRouteHandler, dict[str, Any]]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                operation = found["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    yield handler, operation


def _shapes(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """All that is sent and answered, by name."""
    kinds: list[Any] = [Problem, *_BODIES.values()]
    for handler in handlers:
        answers = [each.data_container for each in (handler.responses or {}).values()]
        sent, answered = handler.parsed_data_field, handler.parsed_return_field
        kinds += [each for each in (sent and sent.annotation, _unwrapped(answered), *answers) if each is not None]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    return components


def _unwrapped(answered: FieldDefinition) -> Any:
    kind = answered.annotation
    return get_args(kind)[0] if answered.is_subclass_of(Response) else None if kind is NoneType else kind


def _tell_problems(operation: dict[str, Any]) -> None:
    """Errors are problems, not what Litestar would make of them."""
    answers = operation["responses"]
    for status in [status for status in answers if status[0] in "45"]:
        del answers[status]
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name=Problem.__name__)}}}
    answers["default"] = {"description": "What was wrong, and how to mend it", "content": content}


def _tell_parameters(handler: HTTPRouteHandler, operation: dict[str, Any]) -> None:
    """A parameter is absent or it has a value; null, which the signature has for absent, cannot be sent."""
    fields = {_name(field): field for field in handler.parsed_fn_signature.parameters.values()}
    for parameter in operation.get("parameters", ()):
        field = fields.get(parameter["name"])
        if field is not None and isinstance(field.kwarg_definition, ParameterKwarg):
            parameter["schema"] = _parameter(field, field.kwarg_definition)


def _name(field: FieldDefinition) -> str:
    """As it is sent."""
    kwarg = field.kwarg_definition
    return (isinstance(kwarg, ParameterKwarg) and kwarg.name) or field.name


def _parameter(field: FieldDefinition, kwarg: ParameterKwarg) -> dict[str, Any]:
    kinds = [each.annotation for each in field.inner_types if each.annotation is not NoneType] or [field.annotation]
    bounds = {name: getattr(kwarg, name) for name in _BOUNDS if getattr(kwarg, name) is not None}
    more = {"format": kwarg.format} if kwarg.format else {}
    return msgspec.json.schema(Annotated[kinds[0], Meta(**bounds)]) | more | (kwarg.schema_extra or {})


def _tell_bodies(found: dict[str, Any]) -> None:
    """What is posted for each resource, which no handler's signature says."""
    for resource, body in _BODIES.items():
        content = found["paths"][f"/systems/{{system}}/{resource}"]["post"]["requestBody"]["content"]
        items = {"description": f"{body.__name__}; each has an outcome of its own"}
        one = {"$ref": _REFERENCE.format(name=body.__name__)}
        content["application/json"] = {
            "schema": {"oneOf": [one, {"type": "array", "items": items}]},
            "examples": {
                "one": {"summary": "One", "value": _EXAMPLES[resource]},
                "several": {"summary": "Several", "value": [_EXAMPLES[resource]] * 2},
            },
        }
