"""/openapi.json, and /docs: the same for people, as one page that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from typing import Any

import msgspec
from litestar import Litestar, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from heliograph import __version__
from heliograph.catalog.bodies import INT64_MAX, Body, EventFull, Face, User
from heliograph.server.http.problem import MEDIA_TYPE

#: By resource.
_BODIES: dict[str, type[Body]] = {"events": EventFull, "faces": Face, "users": User}

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h2{border-bottom:1px solid #ccd3dd;margin-top:2.5rem;text-transform:capitalize}h3{margin:1.5rem 0 .2rem;font-size:1rem}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f1f4f8;border-radius:4px}code{padding:.1rem .3rem}
pre{padding:.6rem;overflow:auto}.m{display:inline-block;min-width:4.5rem;font-weight:700;color:#0b5394}
details{margin:.3rem 0}@media(prefers-color-scheme:dark){body{color:#dde3ec;background:#12161d}
code,pre{background:#1e2530}.m{color:#8ab8ff}}
"""
_INTRODUCTION = (
    "Operators send <code>Authorization: Bearer</code> with their token, systems <code>Basic</code> with name and "
    "secret. Errors are <code>application/problem+json</code> (RFC 9457). Lists come in pages; <code>Link</code> "
    'leads to the next. For programs: <a href="openapi.json">openapi.json</a>.'
)


def handlers(described: Callable[[], list[Any]]) -> list[Any]:
    """The two handlers; ``described`` gives what they describe.  It is looked through when first asked for."""

    @cache
    def schema() -> dict[str, Any]:
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
        found = Litestar(described(), openapi_config=config, logging_config=None).openapi_schema.to_schema()
        for methods in found["paths"].values():
            for operation in methods.values():
                _tell_problems(operation)
        _tell_bodies(found)
        _tell_limits(found)
        return found

    @get("/openapi.json", sync_to_thread=False, include_in_schema=False)
    def openapi() -> Response[bytes]:
        """The OpenAPI 3.1 document."""
        return Response(json.dumps(schema()).encode(), media_type="application/vnd.oai.openapi+json")

    @get("/docs", sync_to_thread=False, include_in_schema=False)
    def docs() -> Response[bytes]:
        """The same for people."""
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
        return Response(render(schema()).encode(), media_type="text/html", headers=headers)

    return [openapi, docs]


def _tell_problems(operation: dict[str, Any]) -> None:
    """Errors are problems, not what Litestar would make of them."""
    answers = operation["responses"]
    for status in [status for status in answers if status[0] in "45"]:
        del answers[status]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers["default"] = {"description": "What was wrong, and how to mend it", "content": content}


def _tell_bodies(schema: dict[str, Any]) -> None:
    """What is posted for each resource, which no handler's signature says."""
    _, components = msgspec.json.schema_components(_BODIES.values(), ref_template="#/components/schemas/{name}")
    schema["components"]["schemas"] |= components
    for resource, body in _BODIES.items():
        content = schema["paths"][f"/systems/{{system}}/{resource}"]["post"]["requestBody"]["content"]
        items = {"description": f"A {body.__name__}; each has an outcome of its own"}
        one = {"$ref": f"#/components/schemas/{body.__name__}"}
        content["application/json"]["schema"] = {"oneOf": [one, {"type": "array", "items": items}]}


def _tell_limits(schema: dict[str, Any]) -> None:
    """What Litestar does not tell of our shapes: that they have no other fields; and integers as such."""
    shapes = schema["components"]["schemas"]
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for methods in schema["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    for name in {name for body in bodies if "$ref" in body for name in _reached(body, shapes)}:
        shapes[name].setdefault("additionalProperties", False)
    for node in _nodes(schema):
        for bound in ("minimum", "maximum"):
            if isinstance(node.get(bound), float) and node.get("type") != "number":
                node[bound] = min(int(node[bound]), INT64_MAX)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All objects within a JSON value."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(inner)


def _reached(node: Any, shapes: dict[str, Any]) -> set[str]:
    """The names of all shapes that ``node`` refers to, also by others."""
    names: set[str] = set()
    waiting = [node]
    while waiting:
        for each in _nodes(waiting.pop()):
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name in shapes and name not in names:
                names.add(name)
                waiting.append(shapes[name])
    return names


def render(schema: dict[str, Any]) -> str:
    """One HTML page for an OpenAPI document."""
    title = f"{escape(schema['info']['title'])} {escape(schema['info']['version'])}"
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
        f"<h1>{title}</h1><p>{escape(schema['info']['description'])}</p><p>{_INTRODUCTION}</p>",
        *_operations(schema),
        "<h2>Shapes</h2>",
        *_shapes(schema.get("components", {}).get("schemas", {})),
    ]
    return "\n".join(parts)


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in sorted(schema["paths"].items()):
        for method, operation in methods.items():
            by_tag.setdefault((operation.get("tags") or [""])[0], []).append((path, method, operation))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag.replace('_', ' '))}</h2>"
        for path, method, operation in operations:
            yield f'<h3><span class="m">{method.upper()}</span><code>{escape(path)}</code></h3>'
            yield f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>"
            yield from _details(operation)


def _details(operation: dict[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", ()):
        if each["in"] != "path":
            yield f"<p><code>{escape(each['name'])}</code> ({each['in']}): {escape(each.get('description', ''))}</p>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(kind)}</code>: {_reference(content.get('schema', {}))}</p>"
    answers = (f"{status} {_content(answer)}" for status, answer in operation.get("responses", {}).items())
    yield f"<p>Answers: {', '.join(answers)}</p>"


def _content(answer: dict[str, Any]) -> str:
    return ", ".join(_reference(each.get("schema", {})) for each in answer.get("content", {}).values())


def _reference(schema: dict[str, Any]) -> str:
    """A link to a named shape; whatever has no name in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if schema.get("type") == "array":
        return f"array of {_reference(schema.get('items', {}))}"
    return escape(str(schema.get("description") or schema.get("type") or ""))


def _shapes(shapes: dict[str, Any]) -> Iterator[str]:
    for name, shape in sorted(shapes.items()):
        text = escape(json.dumps(shape, indent=2))
        summary = f"<summary><code>{escape(name)}</code></summary>"
        yield f'<details id="{escape(name)}" open>{summary}<pre>{text}</pre></details>'
