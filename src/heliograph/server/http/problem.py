"""Errors as ``application/problem+json`` (RFC 9457): what is wrong, how to mend it, and where in the body."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from heliograph.catalog.faults import below
from heliograph.directory.fault import DirectoryFault
from heliograph.errors import BodyError, HeliographError, LimitError, LoginError, SettingsError

log = structlog.get_logger("heliograph.http")

MEDIA_TYPE = "application/problem+json"
#: Both ways in, for every 401 (RFC 9110 section 11.6.1).
CHALLENGE = 'Bearer realm="heliograph", Basic realm="heliograph", charset="UTF-8"'

_MENDS = {
    404: "There is nothing at this path. /docs lists every path.",
    405: "This path has no such method; the Allow header lists those that it has.",
    413: "The body has too many octets (ingest_bytes_max of events, http_json_bytes_max of anything else). Send less.",
}


class FieldFault(Struct, frozen=True):
    """One field of a body.  ``pointer``: RFC 6901."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """See RFC 9457 section 3; ``errors`` names the fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldFault] | UnsetType = UNSET


class Refused(HeliographError):
    """What only HTTP refuses.  ``pointers``: the fields at fault, each with what is wrong."""

    def __init__(self, status: int, title: str, detail: str, pointers: Mapping[str, str] | None = None) -> None:
        super().__init__(title, detail)
        self.code = status
        self.pointers = pointers or {}


def problem(status: int, title: str, detail: str, pointers: Mapping[str, str] | None = None) -> Problem:
    """A problem whose ``type`` is made of its title."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    errors = [FieldFault(pointer, what) for pointer, what in pointers.items()] if pointers else UNSET
    return Problem(f"urn:heliograph:problem:{slug}", title, status, detail, errors)


def problem_of(error: HeliographError) -> Problem:
    """An error of ours."""
    if isinstance(error, Refused):
        return problem(error.code, error.message, error.detail, error.pointers)
    if isinstance(error, LoginError):  # one answer for whatever was wrong
        return problem(
            401,
            "Unauthorized",
            "Send Authorization: Bearer with an operator's token, or Basic with a login and its password. "
            "What came is missing, wrong, or no longer valid.",
        )
    if isinstance(error, BodyError):
        return problem(
            error.status, error.message, _with_others(error.detail, len(error.further)), joined(error.faults)
        )
    if isinstance(error, DirectoryFault):
        shown = _with_others(f"{error.place}: {error.sentences}", len(error.further))
        faults = joined((pointer_of(each.place), each.sentences) for each in (error, *error.further))
        return problem(422, "Invalid request", shown, faults)
    status = 422 if isinstance(error, SettingsError) else error.status
    return problem(status, error.message, error.detail)


def joined(faults: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is wrong by pointer."""
    found: dict[str, str] = {}
    for pointer, what in faults:
        found[pointer] = f"{found[pointer]} {what}" if pointer in found else what
    return found


def _with_others(detail: str, others: int) -> str:
    return f"{detail} And {others} more, see errors." if others else detail


def pointer_of(place: str) -> str:
    """``grants[0].message_types[1]`` as a JSON pointer; a name in quotation marks is one step."""
    pointer = ""
    for quoted, step in re.findall(r'("(?:[^"\\]|\\.)*")|([^.\[\]]+)', place):
        pointer = below(pointer, json.loads(quoted) if quoted else step)
    return pointer


def respond(found: Problem, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """The answer for a problem."""
    headers = dict(headers or {})
    if found.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if found.status in {429, 503}:
        headers.setdefault("Retry-After", "5")
    return Response(msgspec.json.encode(found), status_code=found.status, media_type=MEDIA_TYPE, headers=headers)


def on_error(_request: Request[Any, Any, Any], error: HeliographError) -> Response[bytes]:
    """An error of ours, raised anywhere."""
    wait_s = error.retry_after_s if isinstance(error, LimitError) else None
    return respond(problem_of(error), None if wait_s is None else {"Retry-After": str(wait_s)})


def on_timeout(_request: Request[Any, Any, Any], _error: TimeoutError) -> Response[bytes]:
    """The request took longer than ``http_request_ms_max``."""
    detail = "The request took too long (http_request_ms_max); what was read before may be stored. Send less at a time."
    return respond(problem(408, "Request Timeout", detail), {"Connection": "close"})


def on_nested(_request: Request[Any, Any, Any], _error: RecursionError) -> Response[bytes]:
    """JSON that no decoder follows to its depth."""
    return respond(problem(400, "Bad Request", "The body is nested too deeply."))


def on_http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of Litestar's: no such path or method, a body that does not fit."""
    if isinstance(error, ValidationException):
        return respond(_validation(error))
    status = error.status_code
    title = HTTPStatus(status).phrase
    return respond(problem(status, title, _MENDS.get(status) or f"{error.detail}."), error.headers)


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug of ours.  The text of the exception may hold what was sent, so only its kind and place are logged."""
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    log.error("request failed", method=request.method, error=type(error).__name__, at=where)
    return respond(problem(500, "Internal Server Error", "The fault is ours, and is in the server's log."))


def _validation(error: ValidationException) -> Problem:
    """Of the path, the query or a header; a body was looked at before, see ``bodies``."""
    extra = error.extra if isinstance(error.extra, list) else ()
    shown = " ".join(f"{each.get('key', 'The body')}: {each.get('message', '')}." for each in extra)
    return problem(422, "Invalid request", shown or f"{error.detail}.")
