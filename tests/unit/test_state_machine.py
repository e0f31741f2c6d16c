"""Publishers and subscribers do as they like; a model made of lists says what each of them must hear.

Everything between the link and the engine is real.  The model knows a subscription as a list of what waits, a list
of what is unacknowledged and a credit; it matches patterns with a reference of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.in_memory import OTHER_PARTNER, PARTNER, SERVICE, SYSTEM, Peer, Received, Site, face, frame, open_site

RAW, FACE = "acme_raw", "acme_face_v24"
#: what each may subscribe to, and the word its keys must begin with
MAY_SUBSCRIBE = {PARTNER: (FACE, "7"), OTHER_PARTNER: (FACE, "9"), SERVICE: (RAW, None)}
ACCOUNTS = {"7": 12345, "9": 999}

RAW_KEYS = st.lists(st.sampled_from("ab7"), min_size=1, max_size=3).map(".".join)
PATTERNS = st.lists(
    st.sampled_from(["a", "b", "7", "9", "12345", "create", "*", "#", "#"]), min_size=1, max_size=3
).map(".".join)


def reference(pattern: list[str], key: list[str]) -> bool:
    """TOPIC-1, as short as it can be said."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return reference(pattern[1:], key) or (bool(key) and reference(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and reference(pattern[1:], key[1:])


MODES = ("auto", "client", "client-individual")
PUBLISHERS = (SERVICE, SYSTEM)
CLIENTS_MAX = 6
WHICH = st.integers(0, 59)  #: of those there are; a multiple of all small numbers

T = TypeVar("T")


def one(choices: Sequence[T], which: int) -> T:
    return choices[which % len(choices)]


@dataclass(eq=False)
class Waiting:
    """One event for one subscription; ``number``: of the publication, so earlier is less."""

    number: int
    key: str
    body: bytes
    redelivered: bool = False


@dataclass(eq=False)
class Subscribed:
    """The model of a subscription."""

    peer: Client
    name: str | None
    exchange: str
    pattern: str
    owner: str | None
    mode: str
    prefetch: int
    waiting: list[Waiting] = field(default_factory=list)
    unacked: dict[str, Waiting] = field(default_factory=dict)  # by ack id, in the order of delivery
    spent: list[str] = field(default_factory=list)  # ack ids that were settled

    @property
    def destination(self) -> str:
        return f"/exchange/{self.exchange}/{self.pattern}"

    def offer(self, exchange: str, event: Waiting) -> None:
        words = event.key.split(".")
        mine = self.owner in (None, words[0]) and reference(self.pattern.split("."), words)
        if exchange == self.exchange and mine:
            self.waiting.append(event)

    def due(self) -> list[Waiting]:
        """What must come now."""
        self.waiting.sort(key=lambda event: event.number)
        credit = len(self.waiting) if self.mode == "auto" else max(0, self.prefetch - len(self.unacked))
        due, self.waiting = self.waiting[:credit], self.waiting[credit:]
        return due

    def covered(self, ack_id: str) -> list[str]:
        """The ack ids that an acknowledgement of ``ack_id`` settles; none where it is an error."""
        if ack_id not in self.unacked:
            return []
        if self.mode != "client":
            return [ack_id]
        ids = list(self.unacked)
        return ids[: ids.index(ack_id) + 1]

    def settle(self, ack_id: str, back: bool) -> None:
        for each in self.covered(ack_id):
            event = self.unacked.pop(each)
            self.spent.append(each)
            if back:
                event.redelivered = True
                self.waiting.append(event)


@dataclass(eq=False)
class Client:
    """The model of a connection, and the real one."""

    peer: Peer
    who: tuple[str, str]
    subscriptions: list[Subscribed] = field(default_factory=list)
    transactions: dict[str, list[Action]] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)
    failed: bool = False
    over: bool = False
    blocked: bool = False
    number: int = 0  # of the latest delivery that wanted an acknowledgement

    def say(self, command: str, body: bytes = b"", /, receipt: bool = False, **headers: object) -> None:
        """A frame, with a receipt if one is wanted; what has gone through is known from the receipts."""
        if receipt:
            name = f"r{len(self.receipts)}-{command}"
            headers["receipt"] = name
            self.receipts.append(name)
        self.peer.say(frame(command, body, **headers))

    def end(self, failed: bool = False) -> None:
        self.over, self.failed = True, failed
        self.subscriptions.clear()
        self.transactions.clear()


@dataclass(eq=False)
class Action:
    """One part of a transaction."""

    exchange: str = ""
    event: Waiting | None = None
    subscription: Subscribed | None = None
    ack_id: str = ""
    back: bool = False


class Machine(RuleBasedStateMachine):
    """The rules: what clients may do."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.site = site
        self.loop = loop
        self.all: list[Client] = []
        self.published = self.names = 0

    @property
    def open(self) -> list[Client]:
        return [client for client in self.all if not client.over]

    @property
    def subscriptions(self) -> list[Subscribed]:
        return [subscription for client in self.all for subscription in client.subscriptions]

    @property
    def owing(self) -> list[Subscribed]:
        """Subscriptions with something unacknowledged."""
        return [subscription for subscription in self.subscriptions if subscription.unacked]

    # --- what clients do

    @initialize()
    def begin_with_one_of_each(self) -> None:
        for who in MAY_SUBSCRIBE:
            self.connect(who)
        self.connect(SYSTEM)
        for which, mode in enumerate(("client", "auto", "client-individual")):
            self.subscribe(which, True, "#", mode, 2, False)

    @precondition(lambda self: len(self.open) < CLIENTS_MAX)
    @rule(who=st.sampled_from([*MAY_SUBSCRIBE, SYSTEM]))
    def connect(self, who: tuple[str, str]) -> None:
        self.all.append(Client(self.loop.run_until_complete(self.site.connect(who)), who))

    @precondition(lambda self: any(client.who in MAY_SUBSCRIBE for client in self.open))
    @rule(which=WHICH, named=st.booleans(), pattern=PATTERNS, mode=st.sampled_from(MODES), prefetch=st.integers(1, 3),
          receipt=st.booleans())  # fmt: skip
    def subscribe(self, which: int, named: bool, pattern: str, mode: str, prefetch: int, receipt: bool) -> None:
        client = one([client for client in self.open if client.who in MAY_SUBSCRIBE], which)
        exchange, owner = MAY_SUBSCRIBE[client.who]
        if mode == "auto" and any(each.name is None and each.mode == "auto" for each in client.subscriptions):
            named = True  # with two of them, nothing in a message would tell which one it is for
        self.names += 1
        name = f"s{self.names}" if named else None
        made = Subscribed(client, name, exchange, pattern, owner, mode, prefetch)
        headers = {"destination": made.destination, "ack": mode, "prefetch-count": prefetch}
        if name is not None:
            headers["id"] = name
        taken = any(each.name is name is None and each.destination == made.destination for each in client.subscriptions)
        client.say("SUBSCRIBE", receipt=receipt and not taken, **headers)
        if taken:
            client.end(failed=True)
        else:
            client.subscriptions.append(made)

    @precondition(lambda self: len(self.subscriptions) > 2)
    @rule(which=WHICH, receipt=st.booleans())
    def unsubscribe(self, which: int, receipt: bool) -> None:
        subscription = one(self.subscriptions, which)
        client = subscription.peer
        by = {"destination": subscription.destination} if subscription.name is None else {"id": subscription.name}
        client.say("UNSUBSCRIBE", receipt=receipt, **by)
        client.subscriptions.remove(subscription)

    @precondition(lambda self: any(client.who in PUBLISHERS for client in self.open))
    @rule(which=WHICH, key=RAW_KEYS, partner=st.sampled_from("79"), times=st.integers(1, 4), receipt=st.booleans())
    def publish(self, which: int, key: str, partner: str, times: int, receipt: bool) -> None:
        self._publish(which, key, partner, times, receipt, in_transaction=False)

    @precondition(lambda self: any(client.transactions for client in self.open))
    @rule(which=WHICH, key=RAW_KEYS, partner=st.sampled_from("79"), receipt=st.booleans())
    def publish_in_a_transaction(self, which: int, key: str, partner: str, receipt: bool) -> None:
        if any(client.who in PUBLISHERS for client in self.open):
            self._publish(which, key, partner, 1, receipt, in_transaction=True)

    def _publish(self, which: int, key: str, partner: str, times: int, receipt: bool, in_transaction: bool) -> None:
        client = one([client for client in self.open if client.who in PUBLISHERS], which)
        exchange = RAW if client.who is SERVICE else FACE
        transaction = next(iter(client.transactions), None) if in_transaction else None
        for _ in range(times):
            self.published += 1
            body = b"%d" % self.published
            if exchange == FACE:
                key, body = f"{partner}.{ACCOUNTS[partner]}.create", face(ACCOUNTS[partner], number=self.published)
            event = Waiting(self.published, key, body)
            headers: dict[str, object] = {"destination": f"/exchange/{exchange}/{key}", "content-length": len(body)}
            if transaction is not None:
                headers["transaction"] = transaction
                client.transactions[transaction].append(Action(exchange, event))
            client.say("SEND", body, receipt=receipt, **headers)
            if transaction is None:
                self._route(exchange, event)

    @precondition(lambda self: self.owing)
    @rule(which=WHICH, delivery=WHICH, verb=st.sampled_from(["ACK", "ACK", "NACK", "reject"]), receipt=st.booleans(),
          in_transaction=st.booleans())  # fmt: skip
    def acknowledge(self, which: int, delivery: int, verb: str, receipt: bool, in_transaction: bool) -> None:
        subscription = one(self.owing, which)
        client = subscription.peer
        ack_id = one(list(subscription.unacked), delivery)
        headers: dict[str, object] = {"id": ack_id}
        if verb == "reject":
            headers["requeue"] = "false"
        transaction = next(iter(client.transactions), None) if in_transaction else None
        if transaction is not None:
            headers["transaction"] = transaction
            client.transactions[transaction].append(
                Action(subscription=subscription, ack_id=ack_id, back=verb == "NACK")
            )
        client.say("ACK" if verb == "ACK" else "NACK", receipt=receipt, **headers)
        if transaction is None:
            subscription.settle(ack_id, back=verb == "NACK")

    @precondition(lambda self: any(subscription.spent for subscription in self.subscriptions))
    @rule(which=WHICH)
    def acknowledge_again(self, which: int) -> None:
        subscription = one([each for each in self.subscriptions if each.spent], which)
        subscription.peer.say("ACK", id=subscription.spent[-1])
        subscription.peer.end(failed=True)

    @precondition(lambda self: self.owing and len(self.open) > 1)
    @rule(which=WHICH, whose=WHICH)
    def acknowledge_another_sessions(self, which: int, whose: int) -> None:
        """An ERROR for who tries, and the owner does not notice."""
        theirs = one(self.owing, whose)
        client = one([client for client in self.open if client is not theirs.peer], which)
        client.say("ACK", id=next(iter(theirs.unacked)))
        client.end(failed=True)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, name=st.sampled_from("xy"), receipt=st.booleans())
    def begin(self, which: int, name: str, receipt: bool) -> None:
        client = one(self.open, which)
        if name not in client.transactions:
            client.say("BEGIN", transaction=name, receipt=receipt)
            client.transactions[name] = []

    @precondition(lambda self: any(client.transactions for client in self.all))
    @rule(which=WHICH, commit=st.booleans(), receipt=st.booleans())
    def end_transaction(self, which: int, commit: bool, receipt: bool) -> None:
        client = one([client for client in self.all if client.transactions], which)
        name = next(iter(client.transactions))
        actions = client.transactions.pop(name)
        fits = not commit or self._fits(client, actions)
        client.say("COMMIT" if commit else "ABORT", transaction=name, receipt=receipt and fits)
        if not fits:
            client.end(failed=True)
        elif commit:
            for action in actions:
                if action.event is not None:
                    self.published += 1
                    action.event.number = self.published
                    self._route(action.exchange, action.event)
                elif action.subscription is not None:
                    action.subscription.settle(action.ack_id, action.back)

    @precondition(lambda self: len(self.open) > 3)
    @rule(which=WHICH, how=st.sampled_from(["DISCONNECT", "with receipt", "vanish"]))
    def leave(self, which: int, how: str) -> None:
        client = one(self.open, which)
        if how == "vanish":
            client.end()
            client.peer.gone()
            client.receipts.clear()
        else:
            client.say("DISCONNECT", receipt=how == "with receipt")
            client.end()

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def stop_reading(self, which: int) -> None:
        client = one(self.open, which)
        client.peer.connection.block()
        client.blocked = True

    @precondition(lambda self: any(client.blocked for client in self.open))
    @rule(which=WHICH)
    def read_again(self, which: int) -> None:
        client = one([client for client in self.open if client.blocked], which)
        client.peer.connection.unblock()
        client.blocked = False

    @precondition(lambda self: any(client.over for client in self.all))
    @rule(which=WHICH)
    def say_more_after_the_end(self, which: int) -> None:
        client = one([client for client in self.all if client.over], which)
        if client.peer.connection in self.site.hub.connections:
            client.peer.say(frame("SEND", b"late", destination=f"/exchange/{RAW}/a", receipt="late"))

    # --- what they must hear

    @invariant()
    def everybody_hears_what_the_model_says(self) -> None:
        self._hear()

    def _hear(self) -> None:
        self.loop.run_until_complete(self.site.turn())
        for client in self.all:
            heard = client.peer.heard()
            if client.failed:
                assert heard, "an ERROR"
                assert heard.pop().command == "ERROR"
                client.failed = False
            if client.over:
                assert client.peer.link.closed is not None
            if client.blocked and not client.over:
                assert heard == []
                continue
            self._check_receipts(client, [each for each in heard if each.command == "RECEIPT"])
            messages = [each for each in heard if each.command == "MESSAGE"]
            assert len(messages) + sum(each.command == "RECEIPT" for each in heard) == len(heard)
            if client.over:
                continue
            for subscription in client.subscriptions:
                mine = [each for each in messages if self._belongs(each, subscription)]
                self._check_messages(client, subscription, mine)
                messages = [each for each in messages if each not in mine]
            assert messages == []

    def _check_receipts(self, client: Client, heard: list[Received]) -> None:
        """All that were asked for, in their order."""
        assert [each.headers["receipt-id"] for each in heard] == client.receipts
        client.receipts.clear()

    @staticmethod
    def _belongs(message: Received, subscription: Subscribed) -> bool:
        if subscription.name is not None:
            return message.headers.get("subscription") == subscription.name
        if "subscription" in message.headers:
            return False
        if subscription.mode == "auto":
            return "ack" not in message.headers
        return message.headers["message-id"].startswith(f"Q_{subscription.destination}@@")

    def _check_messages(self, client: Client, subscription: Subscribed, heard: list[Received]) -> None:
        due = subscription.due()
        assert [(each.body, each.headers["redelivered"]) for each in heard] == [
            (event.body, str(event.redelivered).lower()) for event in due
        ]
        for message, event in zip(heard, due, strict=True):
            assert message.headers["destination"] == f"/exchange/{subscription.exchange}/{event.key}"
            if subscription.mode != "auto":
                ack_id = message.headers["ack"]
                assert ack_id == message.headers["message-id"]
                assert ack_id not in subscription.unacked
                assert ack_id not in subscription.spent
                subscription.unacked[ack_id] = event
        assert subscription.mode == "auto" or len(subscription.unacked) <= subscription.prefetch

    # --- parts of it

    def _route(self, exchange: str, event: Waiting) -> None:
        for client in self.all:
            for subscription in client.subscriptions:
                subscription.offer(exchange, Waiting(event.number, event.key, event.body))

    @staticmethod
    def _fits(client: Client, actions: list[Action]) -> bool:
        """Whether each acknowledgement finds its delivery in its turn."""
        gone: set[str] = set()
        for action in actions:
            subscription = action.subscription
            if subscription is None:
                continue
            covered = subscription.covered(action.ack_id) if subscription in client.subscriptions else []
            if not covered or action.ack_id in gone:
                return False
            gone.update(covered)
        return True

    def teardown(self) -> None:
        for client in self.all:
            if client.peer.connection in self.site.hub.connections:
                client.peer.gone()
        assert len(self.site.hub.connections) == 0


def run(max_examples: int, steps: int) -> None:
    loop = asyncio.new_event_loop()
    opened = open_site()
    site = loop.run_until_complete(opened.__aenter__())
    try:
        run_state_machine_as_test(
            lambda: Machine(site, loop),  # type: ignore[arg-type]
            settings=settings(max_examples=max_examples, stateful_step_count=steps),
        )
    finally:
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()


def test_everybody_hears_what_the_model_says() -> None:
    run(max_examples=min(30, settings().max_examples), steps=40)


@pytest.mark.long
def test_everybody_hears_what_the_model_says_for_long() -> None:
    run(max_examples=1_500, steps=50)
