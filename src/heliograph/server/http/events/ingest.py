"""POST of what a system has produced.  The answer comes when it is stored."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, HeaderParameter

from heliograph.broker.ingest import Letters
from heliograph.catalog.resources import EVENTS, FACES, USERS, Resource
from heliograph.countdown import Countdown
from heliograph.errors import HeliographError
from heliograph.server.http.api import Api
from heliograph.server.http.callers import JSON, json_only, producers_only
from heliograph.server.http.events.batch import Batch, Outcome, Stored
from heliograph.server.http.events.lines import Lines
from heliograph.server.http.problem import Refused

_NDJSON = "application/x-ndjson"
_CONTENT_TYPES = JSON | {_NDJSON}
#: Items taken before the loop sees to others, as many as a STOMP connection has read from it in one turn at most.
_SLICE_ITEMS = 256
#: A commit takes some milliseconds; looking more often would not let anybody go sooner.
_LOOK_S = 0.005

_items = msgspec.json.Decoder(list[msgspec.Raw])
HttpRequest = Request[Any, Any, Any]
#: Printable, without its quotes: bare, or in those that a structured header has (RFC 9651 section 3.3.3).
_KEY = re.compile(r'"([ !#-~]+)"|([!#-~]([ !#-~]*[!#-~])?)')
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A retry with the same key stores nothing twice; at most idempotency_key_bytes_max characters",
        schema_extra={"pattern": f"^({_KEY.pattern})$"},
    ),
]


@dataclass
class IngestOperation(Operation):
    """The body, which Litestar cannot tell from the signature."""

    def __post_init__(self) -> None:
        """Describe the three forms."""
        one = Schema(type="object", description="One plain body, as the message type has it")  # type: ignore[arg-type]
        many = Schema(one_of=[one, Schema(type="array", items=one)])  # type: ignore[arg-type]
        content = {
            "application/json": OpenAPIMediaType(schema=many),
            _NDJSON: OpenAPIMediaType(schema=Schema(type="string", description="One body in each line")),  # type: ignore[arg-type]
        }
        self.request_body = RequestBody(content=content, required=True)


def _handler(resource: Resource) -> Any:
    async def ingest(
        request: HttpRequest,
        system: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Stored]:
        api: Api = request.app.state.api
        key = _checked_key(api, idempotency_key)

        def read(body: bytes, dedup_id: str | None) -> Letters:
            return api.ingest.read(system, resource, body, dedup_id)

        batch = Batch(read, key, api.limits.ingest_items_max, api.limits.body_bytes_max)
        if request.content_type[0] == _NDJSON:
            await _take_lines(api, request, batch)
            return _of_batch(b"\n".join([*batch.outcomes, b""]), _NDJSON)
        body = await _whole(api, request)
        if body.lstrip(b" \t\r\n")[:1] != b"[":
            return await _one(api, read(_measured(api, body), key))
        await _take_array(api, body, batch)
        return _of_batch(b"[%s]" % b",".join(batch.outcomes), "application/json")

    ingest.__doc__ = f"""Store {resource.name}: one body, a JSON array of them, or NDJSON.

    One body is answered with 201 and its offset in each exchange, or with 422. A batch is answered with 200 and an
    outcome for each item, in their order. An Idempotency-Key makes a retry store nothing twice.
    """
    return post(
        f"/systems/{{system:str}}/{resource.name}",
        operation_class=IngestOperation,
        operation_id=f"ingest_{resource.name}",
        summary=f"Store {resource.name}",
        guards=[producers_only, json_only],
        content_types=_CONTENT_TYPES,
        request_max_body_size=None,  # each form has a limit of its own
        tags=["ingest"],
        responses={200: ResponseSpec(list[Outcome], description="An outcome for each item", generate_examples=False)},
    )(ingest)


HANDLERS = [_handler(resource) for resource in (EVENTS, FACES, USERS)]


def _checked_key(api: Api, key: str | None) -> str | None:
    """The key without its quotes."""
    if key is None:
        return None
    found, longest = _KEY.fullmatch(key.strip()), api.limits.idempotency_key_bytes_max
    bare = found and (found[1] or found[2])
    if not bare or len(bare) > longest:
        detail = f"Give 1 to {longest} printable characters of ASCII without quotation marks, such as a UUID."
        raise Refused(400, "Bad Idempotency-Key", detail)
    return bare


def _of_batch(octets: bytes, media_type: str) -> Response[Any]:
    return Response(octets, status_code=200, media_type=media_type)


async def _one(api: Api, letters: Letters) -> Response[Stored]:
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirm(error: HeliographError | None) -> None:
        if stored.done():  # nobody waits any more
            return
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)

    offsets = letters.publish(Countdown(len(letters), confirm))
    await stored
    return Response(Stored(offsets), status_code=201)


async def _whole(api: Api, request: HttpRequest) -> bytes:
    """A body that is held in memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > api.limits.http_body_bytes_max:
            detail = (
                f"A JSON body has at most {api.limits.http_body_bytes_max} octets (http_body_bytes_max). "
                f"Send more as {_NDJSON}, which is not held."
            )
            raise Refused(413, "Content Too Large", detail)
    return bytes(body)


def _measured(api: Api, body: bytes) -> bytes:
    if len(body) > api.limits.body_bytes_max:
        raise Refused(
            413, "Content Too Large", f"One body has at most {api.limits.body_bytes_max} octets (body_bytes_max)."
        )
    return body


async def _take_array(api: Api, body: bytes, batch: Batch) -> None:
    try:
        items = _items.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise Refused(400, "Bad Request", f"The body is not a JSON array: {fault}.") from None
    for first in range(0, len(items), _SLICE_ITEMS):
        batch.take(map(bytes, items[first : first + _SLICE_ITEMS]))
        await _give_way(api)
    await batch.stored()


async def _take_lines(api: Api, request: HttpRequest, batch: Batch) -> None:
    """What has come is published while more comes."""
    lines, octets, most = Lines(api.limits.body_bytes_max), 0, api.limits.ingest_bytes_max
    async for chunk in request.stream():
        octets += len(chunk)
        if octets > most:
            detail = f"A stream has at most {most} octets (ingest_bytes_max). What came before may be stored."
            raise Refused(413, "Content Too Large", detail)
        whole = lines.feed(chunk)
        for first in range(0, len(whole), _SLICE_ITEMS):
            batch.take(whole[first : first + _SLICE_ITEMS])
            await _give_way(api)
    batch.take(lines.end())
    await batch.stored()


async def _give_way(api: Api) -> None:
    """Let others run, and the disk catch up."""
    await asyncio.sleep(0)
    while api.broker.congested:
        await asyncio.sleep(_LOOK_S)
