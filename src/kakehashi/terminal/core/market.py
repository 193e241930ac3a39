"""Symbols and their prices: a seeded walk, pins for tests, and currency rates from the same quotes."""

import random
from collections.abc import Iterable
from decimal import Decimal

from kakehashi.terminal.core.words import Symbol, Tick

_100K = Decimal(100_000)


def _forex(name: str, digits: int, start: int, spread: int, swaps: tuple[str, str]) -> Symbol:
    return Symbol(
        name=name,
        base=name[:3],
        profit=name[3:],
        digits=digits,
        contract_size=_100K,
        start=start,
        spread=spread,
        margin_hedged=_100K / 2,
        swap_long=Decimal(swaps[0]),
        swap_short=Decimal(swaps[1]),
    )


SYMBOLS: tuple[Symbol, ...] = (
    _forex("EURUSD", 5, 108_500, 10, ("-7.1", "2.6")),
    _forex("USDJPY", 3, 150_000, 10, ("12.4", "-24.8")),
    _forex("GBPUSD", 5, 127_000, 14, ("-3.2", "-1.1")),
    _forex("AUDUSD", 5, 65_500, 12, ("-2.4", "0.3")),
    _forex("EURJPY", 3, 162_750, 16, ("8.9", "-19.3")),
    _forex("GBPJPY", 3, 190_500, 22, ("15.7", "-31.2")),
    Symbol(
        name="XAUUSD",
        base="XAU",
        profit="USD",
        digits=2,
        contract_size=Decimal(100),
        start=235_000,
        spread=25,
        vol_max=Decimal(50),
        stops_level=10,
        margin_hedged=Decimal(50),
        swap_long=Decimal("-38.5"),
        swap_short=Decimal("19.2"),
        volatility=12.0,
    ),
    Symbol(
        name="BTCUSD",
        base="BTC",
        profit="USD",
        digits=2,
        contract_size=Decimal(1),
        start=6_500_000,
        spread=1_500,
        vol_max=Decimal(20),
        stops_level=100,
        margin_hedged=Decimal("0.5"),
        swap_long=Decimal(-2_700),
        swap_short=Decimal(-900),
        volatility=900.0,
    ),
)
"""A plausible retail book; specifications differ between real brokers, so nothing may rely on these."""


class Market:
    """The last tick of every symbol. The same seed and the same calls give the same ticks.

    Each symbol walks on a generator of its own, so adding a symbol does not move the others. The walk is
    pulled back to where it started: a long run must not end at a price of nothing.
    """

    def __init__(self, symbols: Iterable[Symbol], seed: int, at: int) -> None:
        self.symbols = {s.name: s for s in symbols}
        self._walk = {name: random.Random(f"{seed}:{name}") for name in self.symbols}
        self._points = {s.name: float(s.start) for s in self.symbols.values()}
        self._pinned: set[str] = set()
        self.ticks: dict[str, Tick] = {}
        for spec in self.symbols.values():
            self._quote(spec, at)

    def move(self, at: int) -> None:
        """One step of every walk. A pinned symbol keeps its price; its walk waits too."""
        for spec in self.symbols.values():
            if spec.name in self._pinned:
                continue
            points = self._points[spec.name]
            pull = (spec.start - points) * 1e-4
            self._points[spec.name] = max(1.0, points + pull + self._walk[spec.name].gauss(0.0, spec.volatility))
            self._quote(spec, at)

    def pin(self, name: str, bid: Decimal, ask: Decimal | None, at: int) -> None:
        """Hold a symbol at a price until :meth:`release`; the ask follows from the spread if not given.

        :raises ValueError: no such symbol, a price that is not positive, or an ask below the bid
        """
        spec = self.symbols.get(name)
        if spec is None:
            raise ValueError(f"no symbol {name}; there are {', '.join(self.symbols)}")
        ask = bid + spec.spread * spec.point if ask is None else ask
        if not (bid.is_finite() and ask.is_finite() and 0 < bid <= ask):
            raise ValueError(f"expected 0 < bid <= ask, got {bid} and {ask}")
        self._pinned.add(name)
        self._points[name] = float(bid / spec.point)
        self.ticks[name] = Tick(bid.quantize(spec.point), ask.quantize(spec.point), at)

    def release(self, name: str) -> None:
        """Let the walk go on from where the symbol was pinned."""
        self._pinned.discard(name)

    def rate(self, currency: str, into: str) -> Decimal:
        """How much of ``into`` one unit of ``currency`` is, at the middle of the quotes; through USD if need be.

        :raises ValueError: no symbol connects the two
        """
        direct = self._direct(currency, into)
        if direct is not None:
            return direct
        first, second = self._direct(currency, "USD"), self._direct("USD", into)
        if first is None or second is None:
            raise ValueError(f"no quotes lead from {currency} to {into}")
        return first * second

    def _direct(self, currency: str, into: str) -> Decimal | None:
        if currency == into:
            return Decimal(1)
        if (tick := self.ticks.get(currency + into)) is not None:
            return (tick.bid + tick.ask) / 2
        if (tick := self.ticks.get(into + currency)) is not None:
            return 2 / (tick.bid + tick.ask)
        return None

    def _quote(self, spec: Symbol, at: int) -> None:
        bid = Decimal(round(self._points[spec.name])).scaleb(-spec.digits)
        self.ticks[spec.name] = Tick(bid, bid + spec.spread * spec.point, at)
