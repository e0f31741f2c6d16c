"""What exchanges and subscriptions ask of the engine that they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from heliograph.engine.interface import Confirm
from heliograph.limits import Limits

if TYPE_CHECKING:
    from heliograph.engine.embedded.catch_up import CatchUp
    from heliograph.engine.embedded.durable_subscription import DurableSubscription
    from heliograph.engine.embedded.log.writer import LogWriter


class Home(Protocol):
    """The embedded engine, as its parts see it."""

    limits: Limits
    catch_up: CatchUp
    writer: LogWriter

    def changed(self, subscription: DurableSubscription) -> None:
        """Its state is to be stored soon."""

    def store(self, subscription: DurableSubscription, confirm: Confirm | None) -> None:
        """Store its state with the next commit."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, for times of receipt and ages."""

    def monotonic(self) -> float:
        """Seconds, for how long something takes."""
