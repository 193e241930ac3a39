"""All positions of one symbol on one account, added up: exactly, and as floats for what is asked at every tick."""

from collections.abc import Mapping
from decimal import Decimal

from kakehashi.terminal.core.market import Legs, Market
from kakehashi.terminal.core.money import Lots, Terms, margin_currency, worth
from kakehashi.terminal.core.words import ZERO, Position, Side, Symbol


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
    """:ivar count: how many positions"""

    def __init__(self, spec: Symbol, rates: Rates) -> None:
        self.spec, self.rates = spec, rates
        self.lots = Lots(ZERO, ZERO, ZERO, ZERO)
        self.swap = ZERO
        self.count = 0
        self._rough = Lots(0.0, 0.0, 0.0, 0.0)
        self._rough_swap = 0.0
        self._seen: list[tuple[float, float]] = []
        self._worth = self._margin = 0.0

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

    def roughly(self, floats: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
        """Floating profit with swap, and margin, in the account's currency; counted again only if a quote moved."""
        names, seen = self.rates.moved_by, self._seen
        if seen:
            for name, then in zip(names, seen, strict=True):
                if floats[name] is not then:  # each quote is a new pair
                    break
            else:
                return self._worth, self._margin
        self._seen = [floats[name] for name in names]
        lots, rates = self._rough, self.rates
        bid, ask = floats[self.spec.name]
        worth = (lots.bought * bid - lots.paid + lots.got - lots.sold * ask) * rates.worth
        self._worth = worth * _rate(rates.profit_legs, floats) + self._rough_swap
        self._margin = rates.rough.of(lots) * _rate(rates.margin_legs, floats)
        return self._worth, self._margin


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
