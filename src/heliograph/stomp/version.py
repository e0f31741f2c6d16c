"""Protocol versions: what is spoken, and how one is agreed on (STOMP 1.2, "Protocol Negotiation")."""

from __future__ import annotations

from heliograph.errors import ProtocolError

V10, V11, V12 = "1.0", "1.1", "1.2"
SUPPORTED = (V12, V11, V10)  #: best first
ALL_VERSIONS = ",".join(reversed(SUPPORTED))

#: The WebSocket subprotocols of the three versions, best first.
SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")


def negotiate(accept_version: str | None) -> str:
    """The highest version of ``accept-version`` that is spoken here; a CONNECT without the header means 1.0."""
    if accept_version is None:
        return V10
    offered = {version.strip() for version in accept_version.split(",")}
    for version in SUPPORTED:
        if version in offered:
            return version
    raise ProtocolError("Version mismatch", f"Supported versions are {ALL_VERSIONS}; yours: {accept_version[:64]}.")
