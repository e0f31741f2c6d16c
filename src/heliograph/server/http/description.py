"""/openapi.json, and /docs: the same for people, as one page that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from typing import Any

from litestar import Response, get

from heliograph.server.http.document import make_document

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
        return make_document(described())

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
