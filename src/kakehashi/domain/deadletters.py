"""What a person may still do with a dead letter: give it up, or have it offered again."""

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.messages import DeadLetterDiscarded, DeadLetterRetried
from kakehashi.domain.orders import Order
from kakehashi.domain.values import Millis


class Ttl(msgspec.Struct, frozen=True, kw_only=True):
    """How long a forced retry is good for, from the moment of asking."""

    entry_ms: int = 30_000
    exit_ms: int = 86_400_000

    def of(self, order: Order) -> int:
        return self.entry_ms if order.is_entry else self.exit_ms


def retried(order: Order, *, force: bool, by: str, at: Millis, ttl: Ttl) -> DeadLetterRetried:
    """The order as it is offered again: within what is left of its own life, or with a new one where it is forced.

    A price that was right when the alert came is not right later, so nobody gets a late entry without asking for it.

    :raises Rejected: TTL_OVER: its time is over and ``force`` is not said
    """
    if force:
        return DeadLetterRetried(at=at, order=order.id, by=by, expires_at=at + ttl.of(order))
    if at >= order.expires_at:
        late_s = (at - order.expires_at) // 1000
        raise Rejected(
            "TTL_OVER",
            f"the time of {order.id} was over {late_s} s ago",
            hint="look at the account first; force (--force) sends it all the same",
            value=order.expires_at,
        )
    return DeadLetterRetried(at=at, order=order.id, by=by, expires_at=order.expires_at)


def discarded(order: Order, *, by: str, at: Millis) -> DeadLetterDiscarded:
    """The order given up."""
    return DeadLetterDiscarded(at=at, order=order.id, by=by)
