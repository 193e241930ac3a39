"""Prices at which something happens, in order: what a tick reaches is found without looking at the rest."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from enum import IntEnum
from typing import Final


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
