"""The orders that have not ended, what waits for what, and when each must be looked at again."""

import heapq
from collections.abc import Iterator

from kakehashi.domain.orders import Order, State
from kakehashi.domain.values import Millis

ENDED_REMEMBERED = 10_000
"""How many ended orders stay in memory, so that a repeated result is known for what it is."""


class Book:
    """Live orders by account, in order of their command numbers; bounded whatever the history."""

    def __init__(self) -> None:
        self._live: dict[str, dict[str, Order]] = {}
        self._account_of: dict[str, str] = {}
        self._ended: dict[str, Order] = {}
        self._waiters: dict[str, list[str]] = {}
        self._deadlines: list[tuple[Millis, str]] = []

    def put(self, order: Order) -> None:
        """Keep the newest version of an order; one that ended moves to the remembered ones."""
        if order.terminal and order.state is not State.DEAD:
            self._live.get(order.account, {}).pop(order.id, None)
            self._account_of.pop(order.id, None)
            self._ended[order.id] = order
            if len(self._ended) > ENDED_REMEMBERED:
                del self._ended[next(iter(self._ended))]
            return
        known = self.get(order.id)
        self._ended.pop(order.id, None)
        self._live.setdefault(order.account, {})[order.id] = order
        self._account_of[order.id] = order.account
        if known is None:
            for awaited in order.waits_for:
                self._waiters.setdefault(awaited, []).append(order.id)
        for due in {order.expires_at, order.lease_until or 0} - {0}:
            if known is None or due not in (known.expires_at, known.lease_until):
                heapq.heappush(self._deadlines, (due, order.id))

    def get(self, order_id: str) -> Order | None:
        account = self._account_of.get(order_id)
        return self._live[account][order_id] if account is not None else self._ended.get(order_id)

    def live(self, account: str) -> Iterator[Order]:
        """Orders of one account that have not ended, dead letters left out, oldest first."""
        return (o for o in self._live.get(account, {}).values() if o.state is not State.DEAD)

    def all_live(self) -> Iterator[Order]:
        return (o for orders in self._live.values() for o in orders.values() if o.state is not State.DEAD)

    def waiters(self, order_id: str) -> tuple[Order, ...]:
        """Who waited for an order that has just ended; they are told once."""
        found = (self.get(w) for w in self._waiters.pop(order_id, ()))
        return tuple(o for o in found if o is not None and not o.terminal)

    def blocked(self, order: Order) -> bool:
        """Whether something it waits for has not ended yet."""
        return any((o := self.get(awaited)) is not None and not o.terminal for awaited in order.waits_for)

    def due(self, at: Millis) -> tuple[Order, ...]:
        """Orders whose lease or lifetime has ended by ``at``; each deadline is given out once."""
        found: dict[str, Order] = {}
        while self._deadlines and self._deadlines[0][0] <= at:
            _, order_id = heapq.heappop(self._deadlines)
            order = self.get(order_id)
            if order is not None and not order.terminal:
                found[order_id] = order
        return tuple(found.values())

    @property
    def next_deadline(self) -> Millis | None:
        return self._deadlines[0][0] if self._deadlines else None
