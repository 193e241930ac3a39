"""Prices at which something happens, in order: what a tick reaches is found without looking at the rest."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from kakehashi.terminal.core.words import Order, OrderState, Position, Side, Symbol


class Edge(IntEnum):
    """How the market gets to a level."""

    BID_FALLS = 0
    BID_RISES = 1
    ASK_FALLS = 2
    ASK_RISES = 3


AT_ONCE: Final = {Edge.BID_FALLS: 2**62, Edge.BID_RISES: -1, Edge.ASK_FALLS: 2**62, Edge.ASK_RISES: -1}
"""A level that every tick reaches."""

Row = tuple[int, int, int]
Lists = tuple[list[Row], list[Row], list[Row], list[Row]]


class Levels:
    """Levels of many accounts, in points. Who is meant is ``(rank, ticket)``: the account's and its own number.

    Adding and removing move a part of one sorted list; asking costs what is reached, and four comparisons.
    """

    def __init__(self) -> None:
        self._lists: dict[str, Lists] = {}

    def add(self, symbol: str, edge: Edge, points: int, rank: int, ticket: int) -> None:
        lists = self._lists.get(symbol)
        if lists is None:
            lists = self._lists[symbol] = ([], [], [], [])
        insort(lists[edge], (points, rank, ticket))

    def remove(self, symbol: str, edge: Edge, points: int, rank: int, ticket: int) -> None:
        """
        :raises KeyError: it was not there: the index and what it indexes have come apart
        """
        row = (points, rank, ticket)
        rows = self._lists[symbol][edge]
        found = bisect_left(rows, row)
        if found == len(rows) or rows[found] != row:
            raise KeyError((symbol, edge.name, row))
        del rows[found]

    def reached(self, symbol: str, bid: int, ask: int) -> Iterator[tuple[int, int]]:
        """Everyone whose level the prices have reached or passed; they stay until removed."""
        lists = self._lists.get(symbol)
        if lists is None:
            return
        for price, falls, rises in ((bid, lists[0], lists[1]), (ask, lists[2], lists[3])):
            if falls and falls[-1][0] >= price:
                yield from (row[1:] for row in falls[bisect_left(falls, (price,)) :])
            if rises and rises[0][0] <= price:
                yield from (row[1:] for row in rises[: bisect_right(rises, (price, 2**62))])


class Watch:
    """What the whole server watches for: stops and targets, pending orders, and expiries ``(at, rank, ticket)``."""

    def __init__(self) -> None:
        self.stops = Levels()
        self.orders = Levels()
        self.expiries: list[Row] = []

    def expire(self, at: int, rank: int, ticket: int) -> None:
        insort(self.expiries, (at, rank, ticket))

    def keep(self, at: int, rank: int, ticket: int) -> None:
        """The opposite of :meth:`expire`."""
        found = bisect_left(self.expiries, (at, rank, ticket))
        del self.expiries[found]

    def expired(self, at: int) -> list[Row]:
        return self.expiries[: bisect_right(self.expiries, (at, 2**62))]


def stops_of(position: Position, spec: Symbol) -> list[tuple[Edge, int]]:
    """Where a position closes by itself: levels of a buy are tested on the bid, of a sell on the ask."""
    down, up = (Edge.BID_FALLS, Edge.BID_RISES) if position.side is Side.BUY else (Edge.ASK_FALLS, Edge.ASK_RISES)
    lower, upper = (position.sl, position.tp) if position.side is Side.BUY else (position.tp, position.sl)
    found = ((down, lower), (up, upper))
    return [(edge, int(level.scaleb(spec.digits))) for edge, level in found if level]


def trigger_of(order: Order, spec: Symbol) -> tuple[Edge, int]:
    """Where a pending order wakes up: buys are tested on the ask, sells on the bid."""
    down, up = (Edge.ASK_FALLS, Edge.ASK_RISES) if order.type.side is Side.BUY else (Edge.BID_FALLS, Edge.BID_RISES)
    edge = down if order.type.waits_for_fall else up
    # the rest of a market order, or of a stop order that has been triggered, goes at any price
    if not order.type.is_pending or (order.state is OrderState.PARTIAL and order.type.is_stop):
        return edge, AT_ONCE[edge]
    return edge, int(order.price_open.scaleb(spec.digits))
