"""One WebSocket: picows does the framing, this the rest of RFC 6455 and the hand-over to STOMP.

Every STOMP frame is a WebSocket message of its own, as existing clients are used to; those of one turn of
the loop leave in one write.  A message is text when its octets are UTF-8, else binary.
"""

from __future__ import annotations

import asyncio
import codecs
from struct import Struct as Packing
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from heliograph.errors import LimitError
from heliograph.server.hub import Hub
from heliograph.server.link import Octets, half_close, octets_of
from heliograph.server.stomp.connection import StompConnection
from heliograph.server.websocket.handshake import Handshake
from heliograph.server.websocket.stranger import Stranger

_TEXT, _BINARY, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE
_PING = WSMsgType.PING
_CLOSE_CODE_MAX = 4_999  #: section 7.4.2

#: First octet (FIN and opcode) and length, RFC 6455 section 5.2.
_HEAD_7, _HEAD_16, _HEAD_64 = Packing(">BB").pack, Packing(">BBH").pack, Packing(">BBQ").pack


def before_frame(size: int, body: bytes) -> bytes:
    """What goes before a STOMP frame of ``size`` octets with this body, to make one unmasked message of it."""
    first = 0x81
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            first = 0x82
    if size < 126:
        return _HEAD_7(first, size)
    if size < 65_536:
        return _HEAD_16(first, 126, size)
    return _HEAD_64(first, 127, size)


class WebSocketLink(WSListener):
    """One WebSocket; see ``server.link.Link``."""

    __slots__ = ("_connection", "_ended", "_fragments", "_full", "_hub", "_linger", "_pieces", "_socket",
                 "_stranger", "_transport", "credentials", "peer")  # fmt: skip

    framing = "ws"
    before = staticmethod(before_frame)

    def __init__(self, hub: Hub, handshake: Handshake) -> None:
        self.credentials = handshake.credentials
        self.peer = ""
        self._hub = hub
        self._fragments: codecs.IncrementalDecoder | bool = False  # inside a fragmented message; its decoder if text
        self._pieces: list[bytes] = []  # of STOMP, until all that came at once is there
        self._full = False  # the socket's buffer
        self._ended = False  # CLOSE was sent, or the socket is gone
        self._linger: asyncio.TimerHandle | None = None

    # --- from picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._socket = transport.underlying_transport
        self._socket.set_write_buffer_limits(high=self._hub.limits.write_bytes_max)
        address = self._socket.get_extra_info("peername") or ("?", 0)
        self.peer = f"{address[0]}:{address[1]}"
        self._connection = StompConnection(self._hub, self)
        # Twice what the session holds, so that its ERROR, which says more, comes first wherever it can.
        self._stranger = Stranger(self._socket, 2 * self._hub.limits.unauthenticated_bytes_max, self._too_much)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A data or control frame, unmasked."""
        kind = frame.msg_type
        reserved = frame.rsv1 or frame.rsv2 or frame.rsv3
        if (kind is _TEXT or kind is _BINARY) and frame.fin and not self._fragments and not reserved:
            data = frame.get_payload_as_bytes()
            if kind is _BINARY or data.isascii() or self._is_utf8(data):
                self._pieces.append(data)
        else:
            self._hand_over()  # what came before this is done before it
            self._on_other(transport, kind, frame, reserved)
        if frame.last_in_buffer:
            self._hand_over()
            self._connection.received()

    def _on_other(self, transport: WSTransport, kind: WSMsgType, frame: WSFrame, reserved: bool) -> None:
        """Anything but a message that came in one frame."""
        if reserved:
            self._violate(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        elif kind == _CLOSE:
            self._on_close(frame)
        elif kind == _PING:
            if not self._full:  # who sends pings and does not read the pongs must not fill the memory
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == _TEXT or kind == _BINARY or kind == _CONTINUATION:
            self._on_fragment(kind, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        self._hand_over()
        self._ended = True
        if self._linger is not None:
            self._linger.cancel()
        self._connection.lost()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        self._full = True
        self._connection.block()

    def resume_writing(self) -> None:
        """It has read."""
        self._full = False
        self._connection.unblock()

    # --- from the connection

    @property
    def closing(self) -> bool:
        """See ``Link``."""
        return bool(self._socket.is_closing())

    @property
    def octets(self) -> Octets | None:
        """See ``Link``."""
        return octets_of(self._socket)

    def admit(self) -> None:
        """See ``Link``."""
        self._stranger.leave()

    def write(self, data: bytes) -> None:
        """See ``Link``."""
        if not self._ended:
            self._socket.write(data)

    def finish(self, close_code: int, reason: str) -> None:
        """See ``Link``: CLOSE, end of our half, then wait for the peer's half.

        Closing at once would answer octets still on their way with a reset, which can destroy what the peer has
        not read yet (RFC 6455 section 7.1.1).
        """
        if self._transport.is_disconnected:
            return
        self._ended = True
        if not self.closing:
            if not self._transport.is_close_frame_sent:
                self._transport.send_close(WSCloseCode(close_code), reason.encode()[:120])
            half_close(self._socket)
        self._linger = self._hub.loop.call_later(self._hub.limits.linger_ms_max / 1000, self.abort)

    def abort(self) -> None:
        """See ``Link``."""
        self._ended = True
        self._transport.disconnect(graceful=False)

    def pause_reading(self) -> None:
        """See ``Link``."""
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        """See ``Link``."""
        self._socket.resume_reading()

    def _too_much(self) -> None:
        octets = self._hub.limits.unauthenticated_bytes_max
        self._connection.fail(
            LimitError(
                "Frame too large",
                f"More than twice {octets} octets before the login is complete (unauthenticated_bytes_max). "
                "Send CONNECT and wait for CONNECTED first.",
            )
        )

    def _hand_over(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._connection.receive(pieces)

    # --- RFC 6455, what picows leaves to us

    def _on_close(self, frame: WSFrame) -> None:
        """Section 5.5.1: the answer to a CLOSE is one with its code, and then the server closes."""
        code = frame.get_close_code().value
        if frame.get_payload_as_bytes() and (code in (0, WSCloseCode.ABNORMAL_CLOSURE) or code > _CLOSE_CODE_MAX):
            self._violate(WSCloseCode.PROTOCOL_ERROR, f"close code {code} is not for sending")
            return
        self._connection.close(code or WSCloseCode.OK.value)
        self._transport.disconnect()  # once the peer has read what was written; ``finish`` has set it a time

    def _on_fragment(self, kind: WSMsgType, frame: WSFrame) -> None:
        """Section 5.4.  STOMP is a stream, so a fragment is fed as it comes."""
        if (kind == _CONTINUATION) is not bool(self._fragments):
            what = "a continuation with nothing to continue" if kind == _CONTINUATION else "a message inside another"
            self._violate(WSCloseCode.PROTOCOL_ERROR, what)
            return
        if kind == _TEXT:
            self._fragments = codecs.getincrementaldecoder("utf-8")()
        elif kind == _BINARY:
            self._fragments = True
        data = frame.get_payload_as_bytes()
        decoder = self._fragments
        if frame.fin:
            self._fragments = False
        if decoder is True or self._is_utf8(data, decoder, final=frame.fin):
            self._pieces.append(data)

    def _is_utf8(self, data: bytes, decoder: Any = None, final: bool = True) -> bool:
        try:
            if decoder is None:
                data.decode()
            else:
                decoder.decode(data, final)
        except UnicodeDecodeError:
            self._violate(WSCloseCode.INVALID_TEXT, "a text message that is not UTF-8; send binary ones")
            return False
        return True

    def _violate(self, code: WSCloseCode, reason: str) -> None:
        """A violation of RFC 6455 has no STOMP form: it is a close code with a reason."""
        self._hand_over()
        self._connection.close(code.value, reason)
