"""An alert as its sender meant it, whatever the format it was written in.

The parsers in :mod:`kakehashi.domain.formats` produce it; :func:`~kakehashi.domain.decide.decide` reads it.
A field that was not sent is None, which differs from 0.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from kakehashi.domain.values import Millis, Price


class Action(StrEnum):
    """What the alert asks for. TP closes a part, CLOSE all, of whichever side (or the named one)."""

    BUY = "BUY"
    SELL = "SELL"
    CLOSE = "CLOSE"
    CLOSE_LONG = "CLOSE_LONG"
    CLOSE_SHORT = "CLOSE_SHORT"
    TP = "TP"
    TP_LONG = "TP_LONG"
    TP_SHORT = "TP_SHORT"
    REVERSE = "REVERSE"
    TARGET = "TARGET"
    CANCEL = "CANCEL"
    CANCEL_LONG = "CANCEL_LONG"
    CANCEL_SHORT = "CANCEL_SHORT"
    MODIFY = "MODIFY"
    MODIFY_LONG = "MODIFY_LONG"
    MODIFY_SHORT = "MODIFY_SHORT"
    BREAKEVEN = "BREAKEVEN"
    PAUSE = "PAUSE"
    RESUME = "RESUME"


ENTRIES = frozenset({Action.BUY, Action.SELL, Action.REVERSE})
EXITS = frozenset(
    {Action.CLOSE, Action.CLOSE_LONG, Action.CLOSE_SHORT, Action.TP, Action.TP_LONG, Action.TP_SHORT}
    | {Action.CANCEL, Action.CANCEL_LONG, Action.CANCEL_SHORT}
)


class OrderKind(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"


class LevelUnit(StrEnum):
    """How far a stop or target lies: from the entry, except PRICE, which is absolute."""

    PIPS = "PIPS"
    PRICE = "PRICE"
    PERCENT = "PERCENT"
    R = "R"
    ATR = "ATR"
    AUTO = "AUTO"
    """A bare ``sl=20``: pips or price, as the route says (``stops_in``), pips by default."""


class Level(msgspec.Struct, frozen=True):
    unit: LevelUnit
    value: Decimal


class TakeProfit(msgspec.Struct, frozen=True):
    """One target; ``share`` of the initial volume in (0, 1]."""

    level: Level
    share: Decimal = Decimal(1)


class SizeUnit(StrEnum):
    LOTS = "LOTS"
    NOTIONAL = "NOTIONAL"
    """Amount of money in the account's currency."""
    BALANCE_RATIO = "BALANCE_RATIO"
    """One lot per this much balance."""
    EQUITY_PERCENT = "EQUITY_PERCENT"
    """Notional value as per cent of equity."""
    RISK_PERCENT = "RISK_PERCENT"
    """Per cent of equity lost at the stop; needs a stop."""
    CONTRACTS = "CONTRACTS"
    """TradingView contracts; the route's ``lots_per_contract`` makes lots of them."""
    RISK = "RISK"
    """PineConnector's bare ``risk=``: its meaning is a setting of the route (``risk_means``)."""


class Size(msgspec.Struct, frozen=True):
    unit: SizeUnit
    value: Decimal


class Standing(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where the strategy stands after its order, in contracts; ``size`` None means "as the route sizes"."""

    position: Standing
    size: Decimal | None = None
    prev_position: Standing | None = None
    prev_size: Decimal | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one alert says.

    :ivar format: ``relay``, ``traderspost``, ``pineconnector`` or ``plain``
    :ivar symbol: upper case, an exchange prefix (``FX:``) removed, as the sender names it
    :ivar timeframe: TradingView's interval in lower case (``5``, ``1h``, ``d``), or None
    :ivar bar_time: the bar's OPEN, ms UTC; never the firing time
    :ivar fired_at: when the alert fired (``timenow``/``timestamp``), ms UTC, where it was sent
    :ivar price: the price the sender saw
    :ivar close_ratio: share of the current volume to close, in (0, 1]
    :ivar extra: unknown fields as sent, secrets removed
    :ivar warnings: notes for the sender, stable codes first: ``NO_ID_NO_TIME: ...``
    """

    format: str
    action: Action
    symbol: str
    id: str | None = None
    timeframe: str | None = None
    bar_time: Millis | None = None
    fired_at: Millis | None = None
    price: Price | None = None
    order_id: str | None = None
    tp_index: int | None = None
    kind: OrderKind = OrderKind.MARKET
    entry: Level | None = None
    size: Size | None = None
    sl: Level | None = None
    tps: tuple[TakeProfit, ...] = ()
    close_ratio: Decimal | None = None
    target: Target | None = None
    atr: Decimal | None = None
    max_spread_pips: Decimal | None = None
    cancel_after_s: int | None = None
    comment: str | None = None
    extra: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
