"""Who changed what, and when."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from heliograph.directory.store.audit import AuditEntry
from heliograph.server.http.answers import api_of
from heliograph.server.http.page import AfterNumber, Limit, linked, page_size


@get("/audit", summary="List changes of the directory")
async def list_audit(
    request: Request[Any, Any, Any], limit: Limit = None, after: AfterNumber = None
) -> Response[list[AuditEntry]]:
    """The newest first."""
    api = api_of(request)
    size, before = min(page_size(api, limit), api.limits.audit_page_max), after
    found = await api.ask(lambda store: store.audit(size, before))
    return linked(request, found, size, found[-1].id if len(found) == size and found[-1].id > 1 else None)


HANDLERS = [list_audit]
