"""The orders of one account that have not ended, found by what is asked: no question looks at all of them."""

from collections.abc import Hashable, Iterable, Iterator
from heapq import merge

from kakehashi.domain.orders import Order, State
from kakehashi.domain.values import Side


class _Shelf:
    """Orders by id, oldest first."""

    __slots__ = ("_newest", "_orders", "_tidy")

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._newest = 0
        self._tidy = True

    def put(self, order: Order) -> None:
        if order.id not in self._orders:
            if order.seq < self._newest:  # it comes back from another shelf: sorted when somebody looks
                self._tidy = False
            else:
                self._newest = order.seq
        self._orders[order.id] = order

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def drop(self, order_id: str) -> None:
        self._orders.pop(order_id, None)

    def __iter__(self) -> Iterator[Order]:
        if not self._tidy:
            self._orders = dict(sorted(self._orders.items(), key=lambda item: item[1].seq))
            self._tidy = True
        return iter(self._orders.values())

    def __len__(self) -> int:
        return len(self._orders)


class Working:
    """What decide() sees of an account's orders, and what the book keeps them in. Every answer is oldest first."""

    __slots__ = ("_all", "_shelves")

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._all = _Shelf()
        self._shelves: dict[Hashable, _Shelf] = {}
        for order in orders:
            self.put(order)

    def put(self, order: Order) -> None:
        """Keep the newest version of an order."""
        known = self._all.get(order.id)
        now = _places(order)
        if known is not None:
            for place in _places(known):
                if place not in now:
                    self._shelves[place].drop(order.id)
        self._all.put(order)
        for place in now:
            shelf = self._shelves.get(place)
            if shelf is None:
                shelf = self._shelves[place] = _Shelf()
            shelf.put(order)

    def drop(self, order_id: str) -> None:
        """Forget an order; an unknown id is none."""
        known = self._all.get(order_id)
        if known is not None:
            self._all.drop(order_id)
            for place in _places(known):
                self._shelves[place].drop(order_id)

    def get(self, order_id: str) -> Order | None:
        return self._all.get(order_id)

    def entries(self, symbol: str, side: Side | None = None) -> tuple[Order, ...]:
        """Entries on a symbol; ``side`` None is both."""
        sides = (side,) if side is not None else tuple(Side)
        return tuple(merge(*(self._on(("entry", symbol, s)) for s in sides), key=_age))

    def exits(self, symbol: str) -> tuple[Order, ...]:
        """Everything on a symbol that is no entry."""
        return tuple(self._on(("exit", symbol)))

    def entries_of(self, route: str) -> tuple[Order, ...]:
        """One route's entries, on all symbols."""
        return tuple(self._on(("route", route)))

    def standing(self, *states: State) -> Iterator[Order]:
        """Orders in one of these states. Do not change any while looking."""
        return merge(*(self._on(state) for state in states), key=_age)

    def count(self, state: State) -> int:
        return len(self._on(state))

    def __iter__(self) -> Iterator[Order]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def _on(self, place: Hashable) -> _Shelf:
        return self._shelves.get(place, _EMPTY)


_EMPTY = _Shelf()


def _age(order: Order) -> int:
    return order.seq


def _places(order: Order) -> tuple[Hashable, ...]:
    """Where an order is looked for."""
    if order.is_entry:
        return order.state, ("entry", order.symbol, order.side), ("route", order.route)
    return order.state, ("exit", order.symbol)
