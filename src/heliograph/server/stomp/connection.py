"""One STOMP connection: every verb of a client becomes calls of the broker, and every answer octets.

Who talks to whom: the link (``websocket`` or ``tcp``) calls ``receive``, ``block``, ``unblock`` and ``lost``;
the outbox calls ``flush``; the outlets call ``deliver``; the sweeper calls ``tick``.  All on one event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import structlog

from heliograph.broker.publisher import Publisher
from heliograph.directory.principal import Identity, Partner
from heliograph.engine.interface import Confirm
from heliograph.errors import BodyError, HeliographError, LoginError, ProtocolError, ServerError
from heliograph.server.hub import Hub
from heliograph.server.link import Link
from heliograph.server.stomp.arguments import read_ack_id
from heliograph.server.stomp.awaited import Awaited
from heliograph.server.stomp.login import Login
from heliograph.server.stomp.outlet import Outlet
from heliograph.server.stomp.publishing import publish
from heliograph.server.stomp.verbs import VERBS
from heliograph.stomp import serializer
from heliograph.stomp.events import (
    Connect,
    Event,
)
from heliograph.stomp.header import escape
from heliograph.stomp.server_session import ServerSession, State

log = structlog.get_logger("heliograph.stomp")


class StompConnection:
    """The server's end of one session."""

    __slots__ = ("_blocked", "_closing", "_control", "_control_bytes", "_login", "_marked", "_publishes",
                 "_reading_paused", "_ready", "_suspended", "_write_bytes_max", "awaited", "by_ack_prefix",
                 "delivery_tag", "heard", "held", "hub", "identity", "idle_since_s", "link", "opened_s", "publisher",
                 "session", "silent_since_s", "spoke")  # fmt: skip

    publisher: Publisher  # once it is logged in

    def __init__(self, hub: Hub, link: Link) -> None:
        self.link = link
        self.session = ServerSession(hub.new_session_id(), hub.limits, hub.heads)
        self.identity: Identity | None = None
        self.delivery_tag = 0  # of the latest delivery that wants an acknowledgement
        self.heard = self.spoke = False  # since the sweeper last looked
        self.held = False  # by the hub's backpressure
        self.opened_s = self.silent_since_s = self.idle_since_s = hub.loop.time()
        self.hub = hub
        self._write_bytes_max = hub.limits.write_bytes_max
        self.by_ack_prefix: dict[bytes, Outlet] = {}  # the outlets of the open subscriptions
        self._ready: list[Outlet] = []  # outlets with something to deliver, in turn
        self._control: list[bytes] | None = None  # answers, as they go to the socket
        self._control_bytes = 0
        self._marked = self._blocked = self._closing = self._reading_paused = self._suspended = self._publishes = False
        self.awaited = Awaited()
        self._login = Login(self, hub)
        hub.connections[self] = None

    # --- from the link

    def receive(self, pieces: Iterable[bytes]) -> None:
        """Octets from the peer, all that has come; quickest if each piece is one frame."""
        self.heard = True
        short_way = self.session.short_way
        others = iter(pieces)
        data = next(others, None)
        try:
            while data is not None and not self._closing:
                if self._publishes and (sends := short_way.sends(data, others)) is not None:
                    heads, bodies, receipts, data = sends
                    publish(self, self.publisher, heads, bodies, receipts)
                    continue
                if (ack := short_way.ack(data)) is not None and (outlet := self.by_ack_prefix.get(ack[0])):
                    outlet.subscription.ack(ack[1])
                    if not outlet.queued:
                        outlet.wake_if_ready()
                else:
                    self._do(self.session.receive(data))
                data = next(others, None)
        except HeliographError as error:
            self.fail(error)
        except Exception as bug:
            self._fail_of_bug("receive", bug)

    def received(self) -> None:
        """That was all the peer has sent so far: what it has brought about on this connection leaves at once.

        What it published leaves with the outbox, since others may publish to the same subscribers in this turn.
        """
        if self._marked:
            self.flush()
            self.hub.busy_poll.poke()
        if self.hub.broker.congested and not self._closing and self._publishes:
            self.hub.backpressure.hold(self)

    def release(self) -> None:
        """The disk has caught up: read again.  Nobody is dead for what was not read meanwhile."""
        self.held = False
        self.heard = True
        if not self._reading_paused:
            self.link.resume_reading()

    def block(self) -> None:
        """The socket takes no more: deliver nothing until it has drained."""
        self._blocked = True

    def unblock(self) -> None:
        """The socket has drained."""
        self._blocked = False
        self._mark()

    def lost(self) -> None:
        """The socket is gone."""
        self._closing = True
        self.close_subscriptions()
        self.hub.connections.pop(self, None)
        self.hub.backpressure.forget(self)
        self._login.cancel()

    # --- the login and the admission

    @property
    def login(self) -> str:
        """Of whom has logged in, else empty."""
        return self.identity.principal.login if self.identity is not None else ""

    @property
    def outlets(self) -> list[Outlet]:
        """Those of the open subscriptions."""
        return list(self.by_ack_prefix.values())

    def log_in(self, event: Connect) -> None:
        """Begin to verify who it is; ``logged_in`` or ``fail`` is called then."""
        self._login.begin(event, self.hub.loop)

    def logged_in(self, identity: Identity) -> None:
        """Tell the peer, and do what it has sent meanwhile."""
        if self._closing:
            return
        self.admit(identity)
        session = self.session
        session.accept(self._publishes)
        self.link.admit()
        self.silent_since_s = self.hub.loop.time()
        log.debug("connected", peer=self.link.peer, login=self.login, version=session.version)
        self._reply(serializer.connected(session.version, session.id, session.heartbeat, self.hub.server_name))
        self._do(session.resume())

    def suspend(self) -> None:
        """Deliver nothing until ``admit`` or ``fail``: what it may see is being looked at."""
        self._suspended = True

    def admit(self, identity: Identity) -> None:
        """Go on, as ``identity``."""
        self.identity = identity
        self.publisher = self.hub.broker.publisher(identity.principal)
        self._publishes = not isinstance(identity.principal, Partner)
        if self._suspended:
            self._suspended = False
            self._mark()

    # --- from the outlets, the outbox and the sweeper

    def deliver_no_more(self, outlet: Outlet) -> None:
        """``outlet`` is closed."""
        if outlet in self._ready:
            self._ready.remove(outlet)

    def deliver(self, outlet: Outlet) -> None:
        """``outlet`` has something to deliver."""
        self._ready.append(outlet)
        if not self._marked:
            self._marked = True
            self.hub.outbox.mark(self)

    def flush(self) -> None:
        """Write answers, then as many deliveries as credit and socket allow, in one write."""
        self._marked = False
        if (self._blocked or self._suspended) and not self._closing:
            return
        out, self._control, self._control_bytes = self._control or [], None, 0
        ready = self._ready
        room = self._write_bytes_max
        while ready and room > 0:
            outlet = ready.pop(0)
            room -= outlet.fill(out, room)
            if outlet.subscription.ready:
                ready.append(outlet)
            else:
                outlet.queued = False
        if out:
            self.spoke = True
            self.link.write(b"".join(out))
        if ready:
            self._mark()
        if self._reading_paused and not self._blocked:
            self._reading_paused = False
            if not self.held:
                self.link.resume_reading()

    def tick(self, now_s: float, sweep_s: float) -> None:
        """Look at the clock: log in in time, send beats, notice a dead peer."""
        if self.heard:
            self.heard, self.silent_since_s = False, now_s
        if self.spoke:
            self.spoke, self.idle_since_s = False, now_s
        if self._closing or self.awaited.leaving:
            return
        if self.link.closing:
            self.close()  # which sets a time to who does not read what was written
            return
        if self.session.state is not State.OPEN:
            limit_ms = self.hub.limits.login_ms_max
            if (now_s - self.opened_s) * 1000 > limit_ms:
                self.fail(LoginError("Login timed out", f"CONNECT must be complete within {limit_ms} ms."))
                self._login.cancel()
            return
        beat = self.session.heartbeat
        if beat.peer_dead(now_s - self.silent_since_s) and not self.held:
            self.fail(ProtocolError("Heart-beat missed", f"Nothing came for more than twice {beat.receive_ms} ms."))
        elif beat.send_due(now_s - self.idle_since_s, sweep_s) and not self._blocked:
            self.idle_since_s = now_s
            self._reply(serializer.BEAT)

    # --- answers

    def fail(self, error: HeliographError, receipt: str | None = None) -> None:
        """End the session with an ERROR that says why; nothing is delivered after it."""
        if self._closing:
            return
        detail = error.pointer if isinstance(error, BodyError) else error.detail  # no part of a body goes to the log
        log.info("error", peer=self.link.peer, login=self.login, message=error.message, detail=detail)
        self._reply(serializer.error(error, self.session.version, receipt))
        self.close(error.close_code, error.message)

    def close(self, close_code: int = 1000, reason: str = "") -> None:
        """Write what has been answered, then close in good order."""
        if self._closing:
            return
        self._closing = True
        self.session.end()
        self.close_subscriptions()
        self.flush()
        self.link.finish(close_code, reason)

    def answer(self, receipts: Sequence[str], error: HeliographError | None = None) -> None:
        """RECEIPTs, or the error in their place."""
        if error is not None:
            self.fail(error, receipts[0] if receipts else None)
        elif receipts and not self._closing:
            version = self.session.version
            self._reply(*[serializer.receipt(receipt, version) for receipt in receipts])

    def confirm(self, receipts: Sequence[str]) -> Confirm | None:
        """What answers ``receipts`` when their frames are done, or None where none is asked for."""
        return self.awaited.add(partial(self.answer, receipts)) if receipts else None

    def _reply(self, *frames: bytes) -> None:
        if self._control is None:
            self._control = []
        out, before = self._control, self.link.before
        for frame in frames:
            size = len(frame)
            out += (before(size, frame), frame)
            self._control_bytes += size
        if self._control_bytes > self.hub.limits.control_bytes_max and not self._reading_paused and not self._closing:
            self._reading_paused = True
            self.link.pause_reading()
        self._mark()

    def _mark(self) -> None:
        if not self._marked:
            self._marked = True
            self.hub.outbox.mark(self)

    def close_subscriptions(self) -> None:
        """What is unacknowledged is the engine's again."""
        outlets, self.by_ack_prefix = self.by_ack_prefix, {}
        self._ready.clear()
        for outlet in outlets.values():
            outlet.subscription.close()

    # --- what it asks for

    def _do(self, events: list[Event]) -> None:
        """Do what the client asked for, in order, up to the first fault."""
        for event in events:
            try:
                VERBS[type(event)](self, event)
            except HeliographError as error:
                self.fail(error, getattr(event, "receipt", None))
            except Exception as bug:
                self._fail_of_bug(type(event).__name__, bug)
            if self._closing:
                return

    def _fail_of_bug(self, verb: str, bug: Exception) -> None:
        log.error("bug", peer=self.link.peer, verb=verb, exc_info=bug)
        self.fail(ServerError("Internal error", "The server has a fault; it is in its log."))

    def find_delivery(self, ack_id: str) -> tuple[Outlet, int]:
        """The outlet and delivery tag that an acknowledgement names (SESS-4)."""
        prefix, tag = read_ack_id(ack_id)
        outlet = self.by_ack_prefix.get(escape(prefix, self.session.version).encode())
        if outlet is None:
            raise ProtocolError(
                "Subscription not found",
                f"{ack_id[:256]!r} belongs to no open subscription of this connection that wants acknowledgements.",
            )
        return outlet, tag
