"""The values everything else is made of: sides, amounts, instruments, and how they are rounded.

Orders, fills and balances are :class:`~decimal.Decimal`; times are integer milliseconds UTC.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

Lots: TypeAlias = Decimal
Price: TypeAlias = Decimal
Money: TypeAlias = Decimal
Pips: TypeAlias = Decimal
Millis: TypeAlias = int

ZERO = Decimal(0)

MAX_AMOUNT = Decimal("1e12")
"""No price, volume or sum of money in the system is larger; what claims to be is bad input."""


class Side(StrEnum):
    """Which way a deal or a position points."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1


class Platform(StrEnum):
    MT5 = "mt5"
    MT4 = "mt4"


class MarginMode(StrEnum):
    """HEDGING keeps a position per deal, NETTING one per symbol (facts: MetaTrader 5)."""

    HEDGING = "hedging"
    NETTING = "netting"


class TradeMode(StrEnum):
    DEMO = "demo"
    REAL = "real"


class Redelivery(StrEnum):
    """What happens to a delivery whose lease ended without a result.

    AUTO decides by what the EA declared on poll; NEVER sends every such delivery to the dead
    letters; ALWAYS offers it again (only for an EA known to remember ids).
    """

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol as one account's broker specifies it. Nothing here is built in: it is reported.

    :ivar symbol: the broker's own name, suffix included, e.g. ``EURUSD.m``
    :ivar tick_value: account currency per ``tick_size`` per lot
    :ivar pip: price units per pip; None until someone says it or digits imply it
    """

    symbol: str
    digits: int
    point: Decimal
    tick_size: Decimal
    tick_value: Money
    contract_size: Decimal
    vol_min: Lots
    vol_max: Lots
    vol_step: Lots
    stops_level: int = 0
    profit_currency: str = ""
    pip: Decimal | None = None

    def round_price(self, price: Price) -> Price:
        """The nearest multiple of the tick size, written with the symbol's digits."""
        return round_to_step(price, self.tick_size).quantize(Decimal(1).scaleb(-self.digits))


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The last bid and ask known, and when they were received (ms UTC, the hub's clock)."""

    bid: Price
    ask: Price
    at: Millis

    def entry(self, side: Side) -> Price:
        """What a market order of this side would pay."""
        return self.ask if side is Side.BUY else self.bid


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account the hub may trade on. ``name`` is ours; ``number`` is the broker's login.

    :ivar armed: a REAL account trades only after a person armed it
    :ivar server: bound at first contact; another server afterwards is refused
    """

    name: str
    number: str
    platform: Platform = Platform.MT5
    currency: str = "USD"
    margin_mode: MarginMode = MarginMode.HEDGING
    mode: TradeMode = TradeMode.DEMO
    armed: bool = False
    server: str = ""
    user: str = "default"
    enabled: bool = True
    redelivery: Redelivery = Redelivery.AUTO
    market_hours: str = ""
    """When a stopped EA is no outage, as :func:`~kakehashi.domain.markethours.market_hours` reads it; empty: as set for all."""
    version: int = 1
    symbols: dict[str, str] = {}
    """Signal symbol to broker symbol, e.g. ``{"EURUSD": "EURUSD.m"}``; unmapped names pass as they are."""
    pips: dict[str, Decimal] = {}
    """Explicit pip size by broker symbol."""

    @property
    def may_trade(self) -> bool:
        return self.enabled and (self.mode is TradeMode.DEMO or self.armed)

    def broker_symbol(self, symbol: str) -> str:
        return self.symbols.get(symbol, symbol)


def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` that is not over ``amount``; rounding up would raise risk.

    >>> round_down(Decimal("0.129"), Decimal("0.01"))
    Decimal('0.12')
    """
    if step <= 0:
        raise ValueError(f"step must be positive, got {step}")
    return (amount / step).to_integral_value(ROUND_DOWN) * step


def round_to_step(amount: Decimal, step: Decimal) -> Decimal:
    """The multiple of ``step`` nearest to ``amount``."""
    if step <= 0:
        raise ValueError(f"step must be positive, got {step}")
    return (amount / step).to_integral_value(ROUND_HALF_EVEN) * step
