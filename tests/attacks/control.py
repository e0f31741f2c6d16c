"""The control connection: a well-behaved client that must notice nothing of any attack."""

from __future__ import annotations

import json
import threading
import time

from tests.attacks.attacker import Attacker, Closing
from tests.attacks.server_process import Server

#: Every delivery and every receipt must come within this, all through every case.
DEADLINE_S = 1.0
PERIOD_S = 0.05

KEY = "5.55.1.create.objectDetected.personDetected"
DESTINATION = f"/exchange/acme_event_full_v24/{KEY}"
BODY = json.dumps({
    "eventId": 1, "type": "personDetected", "timestamp": "2021-05-04T07:10:03.371+0000",
    "source": {"type": "camera", "sourceId": 1, "accountId": 55},
})  # fmt: skip


class Control(threading.Thread):
    """Subscribed on the exchange that is attacked; sends there every ``PERIOD_S`` and waits for MESSAGE and RECEIPT."""

    def __init__(self, server: Server) -> None:
        super().__init__(name="control", daemon=True)
        self._server = server
        self._stopped = threading.Event()
        self.fault = ""
        self._latest = time.monotonic()
        self.worst_s = 0.0
        self.rounds = 0
        self.start()
        self.wait_round()

    def run(self) -> None:
        """Rounds until ``stop`` or the first fault."""
        try:
            with Attacker(self._server.websocket) as peer:
                peer.handshake()
                peer.connect("control", "control-secret", heart_beat="1000,1000")
                peer.subscribe("/exchange/acme_event_full_v24/#", ack="client-individual")
                self._latest = time.monotonic()
                while not self._stopped.wait(PERIOD_S):
                    self._round(peer)
        except AssertionError as fault:
            self.fault = str(fault)

    def _round(self, peer: Attacker) -> None:
        began = self._latest = time.monotonic()
        receipt = str(self.rounds)
        peer.frame("SEND", BODY, destination=DESTINATION, receipt=receipt)
        waiting = {"MESSAGE", "RECEIPT"}
        while waiting:
            left = began + DEADLINE_S - time.monotonic()
            found = peer.read(max(left, 0))
            assert not isinstance(found, Closing), f"the control connection was closed: {found}"
            assert found is not None, f"the control connection waited {DEADLINE_S} s for {waiting}"
            assert found.command in waiting, f"the control connection got {found}"
            waiting.remove(found.command)
            if found.command == "RECEIPT":
                assert found.headers["receipt-id"] == receipt
            else:
                assert found.headers["destination"] == DESTINATION
                assert found.headers["redelivered"] == "false"
                assert found.body.decode() == BODY
                peer.frame("ACK", id=found.headers["ack"])
        self.worst_s = max(self.worst_s, time.monotonic() - began)
        self.rounds += 1

    def wait_round(self) -> None:
        """Wait until it has gone round once more."""
        rounds = self.rounds
        deadline = time.monotonic() + 10 * DEADLINE_S
        while self.rounds == rounds and not self.fault and time.monotonic() < deadline:
            time.sleep(0.01)
        self.check()

    def check(self) -> None:
        """Fail when it has noticed anything, or is stuck."""
        assert not self.fault, self.fault
        silent_s = time.monotonic() - self._latest
        assert silent_s < PERIOD_S + 2 * DEADLINE_S, f"the control connection hangs since {silent_s:.1f} s"

    def stop(self) -> None:
        """End it in order."""
        self._stopped.set()
        self.join()
