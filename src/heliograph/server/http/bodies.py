"""JSON bodies as they are described, to the letter: a number in quotation marks is no number.

Litestar converts what comes, since it does the same for paths and queries.  So a body is looked at before, and so is
what a query has for a number: ``null`` would be taken for absent.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from litestar import Request
from litestar.types import Empty

from heliograph.catalog.bodies import INT64_MAX
from heliograph.catalog.faults import FAULTS_MAX, MISSING, UNKNOWN, Fault, faults_of
from heliograph.server.http.problem import Refused, joined

_WORDS = {MISSING: "It is missing.", UNKNOWN: "There is no such field."}


async def strict_body(request: Request[Any, Any, Any]) -> None:
    """What runs before a handler: 422 with each field that is not as the handler says."""
    _check_numbers(request)
    field = request.route_handler.parsed_data_field
    if field is None or field.annotation is Empty:
        return
    check_body(await request.body(), field.annotation)


def _check_numbers(request: Request[Any, Any, Any]) -> None:
    for name, value in request.path_params.items():
        if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:  # no database has such a one
            raise Refused(404, "Not there", f"There is no {name} of that number.")
    if "null" not in request.url.query.lower() and "%" not in request.url.query:
        return
    fields = request.route_handler.parsed_fn_signature.parameters
    for name, text in request.query_params.multi_items():
        if (
            text.lower() == "null"
            and name in fields
            and any(each.annotation is int for each in fields[name].inner_types)
        ):
            raise Refused(422, "Invalid request", f"{name}: Expected `int`, got `null`. Leave it out.")


def check_body(octets: bytes, kind: Any) -> None:
    """``octets`` must be JSON for a ``kind``; Refused with the pointer of each fault."""
    try:
        value = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Refused(400, "Bad Request", f"The body is not valid JSON: {fault}.") from None
    faults = joined((each.pointer, _told(each)) for each in islice(faults_of(value, kind), FAULTS_MAX))
    if faults:
        shown = " ".join(f"{pointer or 'The body'}: {what}" for pointer, what in faults.items())
        raise Refused(422, "Invalid request", shown, faults)


def _told(fault: Fault) -> str:
    return _WORDS.get(fault.text) or f"{fault.text.removesuffix('.')}."
