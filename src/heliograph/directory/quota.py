"""How much one partner may have: the same shape in the file, in the principal and over HTTP."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

#: To let nothing through, a partner is disabled; a database has 64 bits.
Amount = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Quota(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, cache_hash=True):
    """Each is None where no more is said than the limits ``partner_…_max`` do; of rates there is none then.

    ``connections``, ``subscriptions``: open at once on one server.  ``durable_subscriptions``: stored.
    ``messages_per_s``, ``bytes_per_s`` (octets of bodies): delivered to all its subscriptions on one server
    together; what comes beyond waits in their backlogs.
    """

    connections: Amount | None = None
    subscriptions: Amount | None = None
    durable_subscriptions: Amount | None = None
    messages_per_s: Amount | None = None
    bytes_per_s: Amount | None = None

    def given(self) -> dict[str, int]:
        """Those that are set, by name."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not None}
