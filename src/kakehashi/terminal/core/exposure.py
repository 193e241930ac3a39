"""All positions of one symbol on one account, added up: exactly, and as floats for what is asked at every tick."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final

from kakehashi.terminal.core.market import Legs, Market
from kakehashi.terminal.core.money import Lots, Terms, margin_currency, worth
from kakehashi.terminal.core.words import ZERO, Position, Side, Symbol

_AS_MANY: Final = 1_000
"""Differences of floats that may be added up before the sums are taken anew."""


class Rates:
    """A symbol's terms on one account.

    :param currency: the account's
    :ivar held: what open positions are margined by, ``rough`` the same in floats; ``initial``: what new orders need
    :ivar moved_by: symbols whose quotes change what its positions are worth
    """

    def __init__(self, spec: Symbol, leverage: int, market: Market, currency: str, *, hedging: bool) -> None:
        self.held = Terms(spec, leverage, Decimal, hedging=hedging, held=True)
        self.rough = Terms(spec, leverage, float, hedging=hedging, held=True)
        self.initial = Terms(spec, leverage, Decimal, hedging=hedging, held=False)
        self.margined_in = margin_currency(spec)
        self.worth = float(worth(spec))
        self.profit_legs = market.legs(spec.profit, currency)
        self.margin_legs = market.legs(self.margined_in, currency)
        self.moved_by = tuple({spec.name: 0} | {name: 0 for name, _ in self.profit_legs + self.margin_legs})


class Exposure:
    """:ivar count: how many positions
    :ivar worth: floating profit with swap, and ``needs`` the margin: roughly, in the account's currency, when last looked
    """

    def __init__(self, spec: Symbol, rates: Rates) -> None:
        self.spec, self.rates = spec, rates
        self.lots = Lots(ZERO, ZERO, ZERO, ZERO)
        self.swap = ZERO
        self.count = 0
        self._rough = Lots(0.0, 0.0, 0.0, 0.0)
        self._rough_swap = 0.0
        self._seen: list[tuple[float, float]] = []
        self.worth = self.needs = 0.0

    def add(self, p: Position, sign: int) -> None:
        """Add a position, or with -1 take it away."""
        lots = self.lots
        if p.side is Side.BUY:
            lots.bought += p.volume * sign
            lots.paid += p.volume * p.price_open * sign
        else:
            lots.sold += p.volume * sign
            lots.got += p.volume * p.price_open * sign
        self.count += sign
        self.swap += p.swap * sign
        self._rough = Lots(float(lots.bought), float(lots.sold), float(lots.paid), float(lots.got))
        self._rough_swap = float(self.swap)
        self._seen = []

    def margin(self) -> Decimal:
        """In the margin currency."""
        return self.rates.held.of(self.lots)

    def look(self, floats: Mapping[str, tuple[float, float]]) -> None:
        """Count ``worth`` and ``needs`` again if a quote moved that they come from."""
        names, seen = self.rates.moved_by, self._seen
        if seen:
            for name, then in zip(names, seen, strict=True):
                if floats[name] is not then:  # each quote is a new pair
                    break
            else:
                return
        self._seen = [floats[name] for name in names]
        lots, rates = self._rough, self.rates
        bid, ask = floats[self.spec.name]
        worth = (lots.bought * bid - lots.paid + lots.got - lots.sold * ask) * rates.worth
        self.worth = worth * _rate(rates.profit_legs, floats) + self._rough_swap
        self.needs = rates.rough.of(lots) * _rate(rates.margin_legs, floats)


class Sums:
    """What all symbols of an account come to. One quote after the other changes them by its own symbols only.

    :ivar worth: of all exposures; likewise ``needs``
    """

    def __init__(self) -> None:
        self.worth = self.needs = 0.0
        self._quotes = -1
        self._left = 0
        self._by_mover: dict[str, list[Exposure]] = {}

    def changed(self) -> None:
        """A position came, went or changed."""
        self._quotes = -1

    def look(self, held: Collection[Exposure], market: Market, moved: str | None) -> None:
        floats, quotes = market.floats, market.quotes
        if moved is not None and self._quotes == quotes - 1 and self._left:
            for exposure in self._by_mover.get(moved, ()):
                worth, needs = exposure.worth, exposure.needs
                exposure.look(floats)
                self.worth += exposure.worth - worth
                self.needs += exposure.needs - needs
            self._left -= 1
        elif self._quotes != quotes:
            self._count(held, floats)
        self._quotes = quotes

    def _count(self, held: Collection[Exposure], floats: Mapping[str, tuple[float, float]]) -> None:
        if self._quotes == -1:
            self._by_mover = {}
            for exposure in held:
                for name in exposure.rates.moved_by:
                    self._by_mover.setdefault(name, []).append(exposure)
        for exposure in held:
            exposure.look(floats)
        self.worth = sum(exposure.worth for exposure in held)
        self.needs = sum(exposure.needs for exposure in held)
        self._left = _AS_MANY


def _rate(legs: Legs, floats: Mapping[str, tuple[float, float]]) -> float:
    rate = 1.0
    for name, inverse in legs:
        bid, ask = floats[name]
        rate *= 2 / (bid + ask) if inverse else (bid + ask) / 2
    return rate


def with_more(lots: Lots[Decimal], side: Side, volume: Decimal, price: Decimal) -> Lots[Decimal]:
    """The lots with ``volume`` more on one side; negative takes away."""
    if side is Side.BUY:
        return Lots(lots.bought + volume, lots.sold, lots.paid + volume * price, lots.got)
    return Lots(lots.bought, lots.sold + volume, lots.paid, lots.got + volume * price)


def netted(lots: Lots[Decimal], side: Side, volume: Decimal, price: Decimal) -> Lots[Decimal]:
    """What a netting account would hold: the same way adds, the other way takes away, what is over opens anew."""
    held, cost = (lots.sold, lots.got) if side is Side.BUY else (lots.bought, lots.paid)
    if not held:
        return with_more(lots, side, volume, price)
    left = held - volume
    if left > 0:
        rest = left, cost * left / held
        return Lots(ZERO, rest[0], ZERO, rest[1]) if side is Side.BUY else Lots(rest[0], ZERO, rest[1], ZERO)
    return with_more(Lots(ZERO, ZERO, ZERO, ZERO), side, -left, price)
