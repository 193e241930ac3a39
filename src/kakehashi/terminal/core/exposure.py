"""All positions of one symbol on one account, added up: exactly, and as floats for what is asked at every tick."""

from decimal import Decimal

from kakehashi.terminal.core.money import Lots, Terms, margin_currency, worth
from kakehashi.terminal.core.words import ZERO, Position, Side, Symbol


class Rates:
    """A symbol's terms on one account.

    :ivar held: what open positions are margined by, ``rough`` the same in floats; ``initial``: what new orders need
    """

    def __init__(self, spec: Symbol, leverage: int, *, hedging: bool) -> None:
        self.held = Terms(spec, leverage, Decimal, hedging=hedging, held=True)
        self.rough = Terms(spec, leverage, float, hedging=hedging, held=True)
        self.initial = Terms(spec, leverage, Decimal, hedging=hedging, held=False)
        self.margined_in = margin_currency(spec)
        self.worth = float(worth(spec))


class Exposure:
    """:ivar count: how many positions"""

    def __init__(self, spec: Symbol, rates: Rates) -> None:
        self.spec, self.rates = spec, rates
        self.lots = Lots(ZERO, ZERO, ZERO, ZERO)
        self.swap = ZERO
        self.count = 0
        self.rough = Lots(0.0, 0.0, 0.0, 0.0)
        self.rough_swap = 0.0

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
        self.rough = Lots(float(lots.bought), float(lots.sold), float(lots.paid), float(lots.got))
        self.rough_swap = float(self.swap)

    def margin(self) -> Decimal:
        """In the margin currency."""
        return self.rates.held.of(self.lots)

    def rough_margin(self) -> float:
        return self.rates.rough.of(self.rough)

    def rough_worth(self, bid: float, ask: float) -> float:
        """Floating profit in the profit currency, without swap."""
        lots = self.rough
        return (lots.bought * bid - lots.paid + lots.got - lots.sold * ask) * self.rates.worth


def with_more(lots: Lots[Decimal], side: Side, volume: Decimal, price: Decimal) -> Lots[Decimal]:
    """The lots with ``volume`` more on one side; negative takes away."""
    if side is Side.BUY:
        return Lots(lots.bought + volume, lots.sold, lots.paid + volume * price, lots.got)
    return Lots(lots.bought, lots.sold + volume, lots.paid, lots.got + volume * price)
