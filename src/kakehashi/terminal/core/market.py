"""Symbols and their prices: a seeded walk or recorded ticks, pins for tests, and currency rates from the same quotes."""

import math
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from kakehashi.terminal.core.history import History
from kakehashi.terminal.core.kinds import CalcMode, SwapMode
from kakehashi.terminal.core.sessions import Sessions
from kakehashi.terminal.core.words import Symbol, Tick, Weekday

_WEEKEND_MS: Final = 48 * 3_600_000

_100K = Decimal(100_000)

Legs = tuple[tuple[str, bool], ...]
"""Symbols on the way from one currency to another; true where the quote is the other way round."""


_NAMES: Final = {
    "EUR": "Euro",
    "USD": "US Dollar",
    "JPY": "Japanese Yen",
    "GBP": "Pound Sterling",
    "AUD": "Australian Dollar",
    "NZD": "New Zealand Dollar",
    "CHF": "Swiss Franc",
    "CAD": "Canadian Dollar",
}


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
        description=f"{_NAMES[name[:3]]} vs {_NAMES[name[3:]]}",
        path=f"Forex\\{name}",
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
        description="Gold vs US Dollar",
        path="Metals\\XAUUSD",
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
        description="Bitcoin vs US Dollar",
        path="Crypto\\BTCUSD",
    ),
    _forex("USDCHF", 5, 88_000, 12, ("4.1", "-9.6")),
    _forex("USDCAD", 5, 136_500, 14, ("-0.8", "-3.9")),
    _forex("NZDUSD", 5, 60_200, 14, ("-1.2", "-1.6")),
    _forex("EURGBP", 5, 85_400, 12, ("-4.3", "0.7")),
    Symbol(
        name="US500",
        base="USD",
        profit="USD",
        digits=2,
        contract_size=Decimal(10),
        start=540_000,
        spread=50,
        vol_min=Decimal("0.1"),
        vol_step=Decimal("0.1"),
        calc_mode=CalcMode.CFDLEVERAGE,
        margin_hedged=Decimal(5),
        swap_mode=SwapMode.INTEREST_CURRENT,
        swap_long=Decimal("-7.2"),
        swap_short=Decimal("1.1"),
        swap_3days=Weekday.FRI,
        volatility=20.0,
        description="US 500 Index",
        path="Indices\\US500",
    ),
)
"""A plausible retail book; specifications differ between real brokers, so nothing may rely on these."""


class Market:
    """The last tick of every symbol. The same seed and the same calls give the same ticks.

    Each symbol walks on a generator of its own, so adding a symbol does not move the others. The walk is
    pulled back to where it started: a long run must not end at a price of nothing. Outside its sessions a
    symbol's price stands still; at the open it may jump.

    :ivar points: bid and ask of every symbol in points; ``floats``: roughly, in its currency
    :ivar quotes: how many there were
    :ivar liquidity: most lots one order gets from one tick, by symbol; absent is without limit
    """

    def __init__(self, symbols: Iterable[Symbol], seed: int, at: int) -> None:
        self.symbols = {s.name: s for s in symbols}
        self.liquidity = {s.name: s.liquidity for s in self.symbols.values() if s.liquidity is not None}
        self._sessions = {s.name: Sessions(s.sessions) for s in self.symbols.values() if s.sessions}
        self._walk = {name: random.Random(f"{seed}:{name}") for name in self.symbols}
        self._gaps = {name: random.Random(f"{seed}:{name}:gap") for name in self.symbols}
        self._place = {s.name: float(s.start) for s in self.symbols.values()}
        self._grains = {s.name: s.grain for s in self.symbols.values()}
        self._pinned: set[str] = set()
        self._shut: set[str] = set()
        self._rates: dict[tuple[str, str], Decimal] = {}
        self.history = History(seed, self.is_open)
        self.quotes = 0
        self.ticks: dict[str, Tick] = {}
        self.points: dict[str, tuple[int, int]] = {}
        self.floats: dict[str, tuple[float, float]] = {}
        for spec in self.symbols.values():
            bid = round(self._place[spec.name])
            self.history.begin(spec, at, bid, bid + spec.spread)
            self._walk_to(spec, at)

    def is_open(self, name: str, at: int) -> bool:
        if name in self._shut:
            return False
        sessions = self._sessions.get(name)
        return sessions is None or sessions.is_open(at)

    def move(self, at: int) -> None:
        """One step of every walk. A pinned or closed symbol keeps its price; its walk waits too."""
        for name, spec in self.symbols.items():
            if name in self._pinned or not self.is_open(name, at):
                continue
            place = self._place[name] + self._gap(spec, at)
            pull = (spec.start - place) * 1e-4
            self._place[name] = max(1.0, place + pull + self._walk[name].gauss(0.0, spec.volatility))
            self._walk_to(spec, at)

    def hear(self, name: str, bid: Decimal, ask: Decimal, at: int) -> bool:
        """Take a tick from outside, unless the symbol is pinned or closed.

        :raises ValueError: no such symbol, or not 0 < bid <= ask in the symbol's digits
        """
        spec = self._spec(name)
        exact = bid.scaleb(spec.digits), ask.scaleb(spec.digits)
        points = int(exact[0]), int(exact[1])
        if not 0 < bid <= ask or points[0] != exact[0] or points[1] != exact[1]:
            raise ValueError(f"expected 0 < bid <= ask with {spec.digits} digits for {name}, got {bid} and {ask}")
        if name in self._pinned or not self.is_open(name, at):
            return False
        self._place[name] = float(points[0])
        self._quote(spec, *points, at, heard=True)
        return True

    def pin(self, name: str, bid: Decimal, ask: Decimal | None, at: int) -> None:
        """Hold a symbol at a price until :meth:`release`; the ask follows from the spread if not given.

        :raises ValueError: no such symbol, a price that is not positive, or an ask below the bid
        """
        spec = self._spec(name)
        ask = bid + spec.spread * spec.point if ask is None else ask
        if not (bid.is_finite() and ask.is_finite() and 0 < bid <= ask):
            raise ValueError(f"expected 0 < bid <= ask, got {bid} and {ask}")
        self._pinned.add(name)
        self._place[name] = float(bid / spec.point)
        bid_points, ask_points = (int((price / spec.point).to_integral_value()) for price in (bid, ask))
        self._quote(spec, bid_points, ask_points, at)

    def shut(self, name: str, *, shut: bool) -> None:
        """Close a symbol's market whatever its sessions, until it is opened again.

        :raises ValueError: no such symbol
        """
        self._spec(name)
        (self._shut.add if shut else self._shut.discard)(name)

    def release(self, name: str) -> None:
        """Let the walk go on from where the symbol was pinned."""
        self._pinned.discard(name)

    def rate(self, currency: str, into: str) -> Decimal:
        """How much of ``into`` one unit of ``currency`` is, at the middle of the quotes; through USD if need be.

        :raises ValueError: no symbol connects the two
        """
        found = self._rates.get((currency, into))
        if found is None:
            found = Decimal(1)
            for name, inverse in self.legs(currency, into):
                tick = self.ticks[name]
                found = found * 2 / (tick.bid + tick.ask) if inverse else found * (tick.bid + tick.ask) / 2
            self._rates[currency, into] = found
        return found

    def legs(self, currency: str, into: str) -> Legs:
        """The symbols that lead from one currency to another, each with whether it leads the other way round.

        :raises ValueError: no symbol connects the two
        """
        direct = self._leg(currency, into)
        if direct is not None:
            return direct
        first, second = self._leg(currency, "USD"), self._leg("USD", into)
        if first is None or second is None:
            raise ValueError(f"no quotes lead from {currency} to {into}")
        return first + second

    def _leg(self, currency: str, into: str) -> Legs | None:
        if currency == into:
            return ()
        if currency + into in self.symbols:
            return ((currency + into, False),)
        return ((into + currency, True),) if into + currency in self.symbols else None

    def _spec(self, name: str) -> Symbol:
        spec = self.symbols.get(name)
        if spec is None:
            raise ValueError(f"no symbol {name}; there are {', '.join(self.symbols)}")
        return spec

    def _gap(self, spec: Symbol, at: int) -> float:
        """The jump at the first tick of a session; the square root of the closure's length scales it, as it does a walk."""
        if not spec.gap or spec.name not in self._sessions:
            return 0.0
        began, closed_ms = self._sessions[spec.name].opening(at)
        if self.ticks[spec.name].at >= began:
            return 0.0
        return self._gaps[spec.name].gauss(0.0, spec.gap) * math.sqrt(closed_ms / _WEEKEND_MS)

    def _walk_to(self, spec: Symbol, at: int) -> None:
        grain = self._grains[spec.name]
        if grain == 1:
            bid, spread = round(self._place[spec.name]), spec.spread
        else:
            bid, spread = (max(1, round(x / grain)) * grain for x in (self._place[spec.name], spec.spread))
        self._quote(spec, bid, bid + spread, at)

    def _quote(self, spec: Symbol, bid: int, ask: int, at: int, *, heard: bool = False) -> None:
        self.quotes += 1
        self.points[spec.name] = (bid, ask)
        self.floats[spec.name] = (bid / 10**spec.digits, ask / 10**spec.digits)
        self.ticks[spec.name] = Tick(Decimal(bid).scaleb(-spec.digits), Decimal(ask).scaleb(-spec.digits), at)
        self._rates.clear()
        tape = self.history.tapes[spec.name]
        if tape.provisional and (at == tape.began or heard):
            self.history.begin(spec, at, bid, ask)
            self.history.tapes[spec.name].provisional = not heard
        else:
            tape.add(at, bid, ask)
