"""The orders that have not ended, what waits for what, and when each must be looked at again."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable

from kakehashi.domain.orders import Order, State
from kakehashi.domain.values import Millis
from kakehashi.domain.working import Working

ENDED_REMEMBERED = 10_000
"""How many ended orders stay in memory, so that a repeated result is known for what it is."""

DUE_AT_ONCE = 256


class Book:
    """Live orders by account, dead letters beside them; bounded whatever the history."""

    def __init__(self) -> None:
        self._working: dict[str, Working] = {}
        self._account_of: dict[str, str] = {}
        self._dead: dict[str, Order] = {}
        self._ended: OrderedDict[str, Order] = OrderedDict()
        self._waiters: dict[str, list[str]] = {}
        self._deadlines: list[tuple[Millis, str]] = []

    def put(self, order: Order) -> None:
        """Keep the newest version of an order; one that ended moves to the remembered ones."""
        known = self.get(order.id)
        if order.terminal:
            self._put_ended(order)
            return
        self._ended.pop(order.id, None)
        self._dead.pop(order.id, None)
        self._working.setdefault(order.account, Working()).put(order)
        self._account_of[order.id] = order.account
        if known is None:
            for awaited in order.waits_for:
                if (first := self.get(awaited)) is not None and not first.settled:
                    self._waiters.setdefault(awaited, []).append(order.id)
        for due in {order.expires_at, order.lease_until or 0} - {0}:
            if known is None or due not in (known.expires_at, known.lease_until):
                heapq.heappush(self._deadlines, (due, order.id))

    def _put_ended(self, order: Order) -> None:
        self.take_out(order)
        if order.state is State.DEAD:
            self._dead[order.id] = order
            return
        self._dead.pop(order.id, None)
        self._ended[order.id] = order
        if len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)

    def take_out(self, order: Order) -> None:
        """Forget a live order until it is put again."""
        account = self._account_of.pop(order.id, None)
        if account is not None:
            self._working[account].drop(order.id)

    def get(self, order_id: str) -> Order | None:
        account = self._account_of.get(order_id)
        if account is not None:
            return self._working[account].get(order_id)
        return self._dead.get(order_id) or self._ended.get(order_id)

    def of(self, account: str) -> Working:
        """The orders of one account that have not ended; dead letters are left out."""
        return self._working.get(account) or _NONE

    @property
    def accounts(self) -> Iterable[str]:
        """Accounts that have, or had, orders."""
        return tuple(self._working)

    def waiters(self, order_id: str) -> tuple[Order, ...]:
        """Who waited for an order that has just settled; they are told once."""
        found = (self.get(w) for w in self._waiters.pop(order_id, ()))
        return tuple(o for o in found if o is not None and not o.terminal)

    def blocked(self, order: Order) -> bool:
        """Whether something it waits for has not settled yet."""
        return any((o := self.get(awaited)) is not None and not o.settled for awaited in order.waits_for)

    def due(self, at: Millis) -> tuple[Order, ...]:
        """Orders whose lease or lifetime has ended by ``at``; each deadline is given out once.

        Not all at once: whoever else waits for the trader must get a turn between thousands that expire together.
        """
        found: dict[str, Order] = {}
        while self._deadlines and self._deadlines[0][0] <= at and len(found) < DUE_AT_ONCE:
            _, order_id = heapq.heappop(self._deadlines)
            order = self.get(order_id)
            if order is not None and not order.terminal:
                found[order_id] = order
        return tuple(found.values())

    @property
    def next_deadline(self) -> Millis | None:
        return self._deadlines[0][0] if self._deadlines else None


_NONE = Working()
