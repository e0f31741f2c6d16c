"""ETag, If-Match and If-None-Match (RFC 9110 section 13), so that nobody undoes a change that they have not seen.

An entry's tag is made of what it says, so nothing is stored for it, and all nodes on one database make the same.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import Headers
from litestar.openapi.spec import OpenAPIHeader, OpenAPIResponse, Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from msgspec import Struct

from heliograph.directory.file import PartnerEntry
from heliograph.server.http.answers import api_of, caller_of
from heliograph.server.http.edits import Edit
from heliograph.server.http.problem import Refused

T = TypeVar("T")

_ANY = "*"
#: RFC 9110 section 8.8.3, in ASCII as ours are; and a list of such.
_TAG = r'(W/)?"[!#-~]*"'
_TAGS = rf"(\*|{_TAG}( *, *{_TAG})*)"


def tag_of(entry: Struct) -> str:
    """The strong entity tag of what was read from the store.  A partner's accounts have tags of their own."""
    if isinstance(entry, PartnerEntry):
        entry = msgspec.structs.replace(entry, accounts=())
    digest = sha256(msgspec.json.encode(entry)).digest()
    return f'"{urlsafe_b64encode(digest[:15]).decode()}"'


class Conditions(Struct, frozen=True):
    """What a request says of the state that it is for; ``*`` for any, None for nothing said."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    def check(self, entry: Struct, exists: bool = True) -> None:
        """412 where ``entry`` is another than it must be.

        ``exists``: whether what a PUT would make is there.
        """
        tag = tag_of(entry)
        if self.match is not None and not self.match & {_ANY, tag}:
            raise _failed("What is there has another ETag than If-Match says. GET it again, and send that one's.")
        if self.none_match is not None and exists and self.none_match & {_ANY, tag, f"W/{tag}"}:
            raise _failed("It is there already, which If-None-Match rules out.")

    def has_seen(self, tag: str) -> bool:
        """Whether who asks has what has this tag; it may have become a weak one on the way."""
        return self.none_match is not None and bool(self.none_match & {_ANY, tag, f"W/{tag}"})


def conditions_of(request: Request[Any, Any, Any]) -> Conditions:
    """From its headers; 400 where one is no list of entity tags."""
    return Conditions(_tags(request.headers, "If-Match"), _tags(request.headers, "If-None-Match"))


async def perform(request: Request[Any, Any, Any], edit: Edit) -> None:
    """Have ``edit`` done if the request's conditions hold; both in one step, so that nothing comes between."""
    edit.condition = conditions_of(request).check
    await api_of(request).edit(edit, caller_of(request))


def shown(request: Request[Any, Any, Any], entry: Struct, shape: T) -> Response[T]:
    """``shape``, the form in which ``entry`` is shown, with its tag; 304 for who has it already."""
    tag = tag_of(entry)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if conditions_of(request).has_seen(tag):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return Response(shape, headers=headers)


def _tags(headers: Headers, name: str) -> frozenset[str] | None:
    found = headers.getall(name, [])
    if not found:
        return None
    value = ", ".join(found)
    if not re.fullmatch(_TAGS, value):
        raise Refused(400, f"Bad {name}", f"{name} is '*', or entity tags in quotation marks, as an ETag has them.")
    return frozenset(each[0] for each in re.finditer(rf"\*|{_TAG}", value))


def _failed(detail: str) -> Refused:
    return Refused(412, "Precondition Failed", detail)


@dataclass
class Tagged(Operation):
    """A GET whose answer has an ETag."""

    def __post_init__(self) -> None:
        """Describe it."""
        self.parameters = [*(self.parameters or ()), _header("If-None-Match", "An ETag: 304 where it is still so")]
        answers = self.responses or {}
        tag = OpenAPIHeader(schema=_TEXT, description="For If-Match of a later change")
        answers["200"].headers = {**(answers["200"].headers or {}), "ETag": tag}  # type: ignore[union-attr]
        answers["304"] = OpenAPIResponse(description="It is what has the tag in If-None-Match")
        self.responses = answers


@dataclass
class Conditional(Operation):
    """A PUT or DELETE of what has an ETag.

    ``If-None-Match`` has no line of its own: Schemathesis would send one of two optional headers with a wrong value and
    take it for a right one.
    """

    def __post_init__(self) -> None:
        """Describe it."""
        what = "The ETag that it must have, or the entry whose part it is; 412 where it has another. "
        what += "A PUT with If-None-Match: * makes what is not there yet; 412 where it is."
        self.parameters = [*(self.parameters or ()), _header("If-Match", what)]


_TEXT = Schema(type=OpenAPIType.STRING)
_LIST = Schema(type=OpenAPIType.STRING, pattern=f"^{_TAGS}$")


def _header(name: str, description: str) -> Parameter:
    return Parameter(name=name, param_in="header", schema=_LIST, required=False, description=description)
