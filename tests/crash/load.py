"""A publisher, a durable consumer and a client that keeps count: what was confirmed, delivered, settled.

The publisher sends with receipts, up to a window; the consumer acknowledges, every other time with a receipt.
Both go on until their connection ends, and come again with the next ``running``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.attacks.attacker import Attacker, StompFrame
from tests.durable.broker_process import BrokerProcess
from tests.durable.people import ACME, NORTHWIND, number_of, numbers_of, pattern, send_frame

CAMERA = 1
WINDOW = 100
#: So large that a kill finds something in every state.
PREFETCH = 50


class Load:
    """``confirmed``: events with a RECEIPT.  ``settled``: events whose ACK had one."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.patience_s = 2.0  # how long nothing may come
        self.sent = 0
        self.confirmed: set[int] = set()
        self.settled: set[int] = set()
        self.delivered: set[int] = set()
        self.acked: set[int] = set()
        self.faults: list[str] = []
        self._over = threading.Event()

    @contextmanager
    def running(self, broker: BrokerProcess) -> Iterator[None]:
        """Load ``broker`` while this lasts; it must have ended by the end."""
        self._over.clear()
        if not self.sent:
            self._make_durable(broker)
        publisher, consumer = Attacker(broker.server.websocket), Attacker(broker.server.websocket)
        for peer, who in ((publisher, ACME), (consumer, NORTHWIND)):
            peer.handshake()
            peer.connect(*who)
        threads = [
            threading.Thread(target=self._guarded, args=(work, peer), daemon=True)
            for work, peer in ((self._publish, publisher), (self._consume, consumer))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
        assert not self.faults, f"seed {self.seed}: {self.faults}"

    def check(self, broker: BrokerProcess) -> None:
        """Everything confirmed is stored; everything settled stays away; all else that is stored comes."""
        reader = broker.peer(NORTHWIND)
        reader.subscribe(pattern(CAMERA), id="all", x_stream_offset="first")
        stored = numbers_of(reader.messages(1))
        reader.close()
        lost = self.confirmed - set(stored)
        assert not lost, f"seed {self.seed}: lost with receipt: {sorted(lost)[:20]} of {len(self.confirmed)}"
        assert len(stored) == len(set(stored)), f"seed {self.seed}: stored twice"
        assert stored == sorted(stored), f"seed {self.seed}: out of order"
        consumer = broker.peer(NORTHWIND)
        consumer.subscribe(pattern(CAMERA), id="d", ack="auto", durable="true")
        rest = consumer.messages(1)
        for message in rest:
            self._note(message)
        assert not self.faults, f"seed {self.seed}: {self.faults}"
        missing = set(stored) - self.delivered
        assert not missing, f"seed {self.seed}: never delivered: {sorted(missing)[:20]}"
        unknown = self.acked - set(stored)
        assert not unknown, f"seed {self.seed}: delivered, but not stored: {sorted(unknown)[:20]}"
        again = set(numbers_of(rest))
        missing = set(stored) - self.acked - again
        assert not missing, f"seed {self.seed}: unacknowledged, and did not come again: {sorted(missing)[:20]}"

    def _make_durable(self, broker: BrokerProcess) -> None:
        """The subscription is there before the first event."""
        with Attacker(broker.server.websocket) as peer:
            peer.handshake()
            peer.connect(*NORTHWIND)
            peer.subscribe(pattern(CAMERA), id="d", ack="client-individual", durable="true")

    def _guarded(self, work: Callable[[Attacker], None], peer: Attacker) -> None:
        try:
            work(peer)
        except AssertionError as fault:
            self.faults.append(str(fault))
        finally:
            peer.close()

    def _publish(self, peer: Attacker) -> None:
        waiting: set[int] = set()
        while True:
            batch = range(self.sent, self.sent + WINDOW - len(waiting))
            self.sent = batch.stop
            waiting.update(batch)
            if batch:  # where the server has gone, some receipts may still be here
                peer.stomp(*(send_frame(n, CAMERA, receipt=n) for n in batch))
            found = peer.read(self.patience_s)
            if isinstance(found, StompFrame) and found.command == "RECEIPT":
                number = int(found.headers["receipt-id"])
                waiting.discard(number)
                self.confirmed.add(number)
            elif not isinstance(found, StompFrame) or found.command == "ERROR":
                if found is None and not self._over.is_set():
                    self.faults.append("no receipt in time")
                return

    def _consume(self, peer: Attacker) -> None:
        rng = random.Random(self.seed + self.sent)
        peer.frame(
            "SUBSCRIBE", destination=pattern(CAMERA), id="d", ack="client-individual", durable="true",
            prefetch_count=PREFETCH,
        )  # fmt: skip
        while True:
            found = peer.read(self.patience_s)
            if not isinstance(found, StompFrame) or found.command == "ERROR":
                if found is None and not self._over.is_set():
                    self.faults.append("no message in time")
                return
            if found.command == "RECEIPT":
                self.settled.add(int(found.headers["receipt-id"]))
                continue
            self._note(found)
            number = number_of(found)
            fate = rng.random()
            with suppress(OSError):
                if fate < 0.1:
                    peer.frame("NACK", id=found.headers["ack"])
                elif fate < 0.5:
                    self.acked.add(number)
                    peer.frame("ACK", id=found.headers["ack"], receipt=number)
                else:
                    self.acked.add(number)
                    peer.frame("ACK", id=found.headers["ack"])

    def _note(self, message: StompFrame) -> None:
        number = number_of(message)
        if number in self.settled:
            self.faults.append(f"{number} came again, though its ACK had a receipt")
        if number in self.delivered and message.headers["redelivered"] != "true":
            self.faults.append(f"{number} came again without redelivered:true")
        self.delivered.add(number)
