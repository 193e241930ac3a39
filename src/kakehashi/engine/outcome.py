"""What one event changed: the caller writes it in one transaction, and only then acts on it."""

import msgspec

from kakehashi.domain.messages import Recorded
from kakehashi.domain.orders import Fill, Order
from kakehashi.domain.views import Leg, RouteMemory, Signal


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a signal: ``queued`` as soon as one account's leg is."""

    signal: Signal
    status: str
    code: str = ""
    legs: tuple[Leg, ...] = ()
    duplicate_of: str = ""
    idem_until: int = 0


class Outcome(msgspec.Struct, kw_only=True):
    """Gathered while one event is processed; the newest version of each row only."""

    recorded: list[Recorded] = []
    orders: dict[str, Order] = {}
    fills: dict[str, Fill] = {}
    memories: dict[str, RouteMemory] = {}
    heard: Heard | None = None
    offered: tuple[Order, ...] = ()
    paused: dict[str, bool] = {}
    """Routes an alert paused (True) or resumed."""
    alerts: list[tuple[str, str, str]] = []
    """(code, subject, text) of what a person should be told."""
