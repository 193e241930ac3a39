"""What a route remembers about an account and symbol, for its rails and for target mode."""

import msgspec

from kakehashi.domain.alerts import Target
from kakehashi.domain.decision import Intent
from kakehashi.domain.orders import Order
from kakehashi.domain.rules import RouteRules
from kakehashi.domain.values import Millis
from kakehashi.domain.views import RouteMemory, Signal

DAY_MS = 86_400_000
ENTRIES_REMEMBERED = 16


def memory_key(route: str, account: str, symbol: str) -> str:
    return f"{route}|{account}|{symbol}"


def after_entry(memory: RouteMemory | None, entry: Order | Intent, at: Millis, rules: RouteRules) -> RouteMemory:
    """The memory once an entry was accepted: cool-down, orders per window and the duplicate guard count from here.

    A dry run's would-be entries count too, or its rails would never be seen at work. No more times are kept than the
    rules can count: they are written with every entry.
    """
    memory = memory or RouteMemory()
    most = max(ENTRIES_REMEMBERED, rules.max_orders or 0, rules.max_orders_per_day or 0)
    recent = memory.entries[-most + 1 :]
    if recent and recent[0] <= at - DAY_MS:  # oldest first, so mostly there is nothing to drop
        recent = tuple(t for t in recent if t > at - DAY_MS)
    last = None if entry.side is None else (entry.side, entry.volume, at)
    return msgspec.structs.replace(memory, entries=(*recent, at), last_entry=last)


def after_target(memory: RouteMemory, target: Target, signal: Signal, at: Millis) -> RouteMemory:
    """The memory once a target was taken."""
    fired_at = signal.alert.fired_at or signal.alert.bar_time or at
    return msgspec.structs.replace(memory, target=target, target_fired_at=fired_at, closed_by_other=False)
