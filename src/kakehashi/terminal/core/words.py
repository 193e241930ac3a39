"""The trade server's words: symbols, accounts, requests, answers, positions, orders, deals.

Names and numbers are MetaTrader 5's (MQL5 reference, "Trade constants"); enumerations go by name instead of number.
Prices, volumes and money are :class:`~decimal.Decimal`; times are integer milliseconds UTC.
"""

from decimal import Decimal
from enum import IntEnum, StrEnum

import msgspec

ZERO = Decimal(0)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class MarginMode(StrEnum):
    HEDGING = "hedging"
    NETTING = "netting"


class TradeAction(StrEnum):
    DEAL = "DEAL"
    PENDING = "PENDING"
    SLTP = "SLTP"
    MODIFY = "MODIFY"
    REMOVE = "REMOVE"
    CLOSE_BY = "CLOSE_BY"


class OrderType(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    BUY_LIMIT = "BUY_LIMIT"
    SELL_LIMIT = "SELL_LIMIT"
    BUY_STOP = "BUY_STOP"
    SELL_STOP = "SELL_STOP"
    BUY_STOP_LIMIT = "BUY_STOP_LIMIT"
    SELL_STOP_LIMIT = "SELL_STOP_LIMIT"
    CLOSE_BY = "CLOSE_BY"

    @property
    def side(self) -> Side:
        return Side.SELL if self.value.startswith("SELL") else Side.BUY

    @property
    def is_stop_limit(self) -> bool:
        return self.value.endswith("_STOP_LIMIT")

    @property
    def is_limit(self) -> bool:
        return self.value.endswith("_LIMIT") and not self.is_stop_limit

    @property
    def is_stop(self) -> bool:
        return self.value.endswith("_STOP")

    @property
    def is_pending(self) -> bool:
        return self.is_limit or self.is_stop or self.is_stop_limit

    @property
    def waits_for_fall(self) -> bool:
        """Whether the market has to come down to the order's price; else it has to go up to it."""
        return self.is_limit if self.side is Side.BUY else not self.is_limit


class Filling(StrEnum):
    """FOK: all or nothing; IOC: what there is; RETURN: the rest stays (pending orders only)."""

    FOK = "FOK"
    IOC = "IOC"
    RETURN = "RETURN"


class OrderTime(StrEnum):
    """How long a pending order rests. DAY: to the end of the server's day; SPECIFIED: to its expiration;
    SPECIFIED_DAY: to 23:59:59 of its expiration's day, or the next trading time after that.
    """

    GTC = "GTC"
    DAY = "DAY"
    SPECIFIED = "SPECIFIED"
    SPECIFIED_DAY = "SPECIFIED_DAY"


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class OrderState(StrEnum):
    """STARTED: taken by the server, not answered yet."""

    STARTED = "STARTED"
    PLACED = "PLACED"
    CANCELED = "CANCELED"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class Entry(StrEnum):
    IN = "IN"
    OUT = "OUT"
    INOUT = "INOUT"
    OUT_BY = "OUT_BY"


class Reason(StrEnum):
    CLIENT = "CLIENT"
    EXPERT = "EXPERT"
    SL = "SL"
    TP = "TP"
    SO = "SO"


class Retcode(IntEnum):
    """TRADE_RETCODE_*; those that this server gives."""

    REQUOTE = 10004
    REJECT = 10006
    PLACED = 10008
    DONE = 10009
    DONE_PARTIAL = 10010
    INVALID = 10013
    INVALID_VOLUME = 10014
    INVALID_PRICE = 10015
    INVALID_STOPS = 10016
    MARKET_CLOSED = 10018
    NO_MONEY = 10019
    PRICE_OFF = 10021
    INVALID_EXPIRATION = 10022
    NO_CHANGES = 10025
    FROZEN = 10029
    INVALID_FILL = 10030
    LIMIT_ORDERS = 10033
    LIMIT_VOLUME = 10034
    INVALID_ORDER = 10035
    POSITION_CLOSED = 10036
    INVALID_CLOSE_VOLUME = 10038


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker specifies of one symbol; ``name`` is without any account's suffix.

    :ivar base: margin currency
    :ivar spread: ask minus bid, in points
    :ivar start: bid the price process starts from, in points
    :ivar stops_level: least distance of stops and pending prices from the market, in points
    :ivar freeze_level: nothing within this many points of its trigger may be changed
    :ivar volume_limit: most lots one way, positions and pending orders together; 0 is no limit
    :ivar margin_hedged: contract size that margins a covered lot
    :ivar swap_long: per lot and night, in points (SWAP_MODE_POINTS)
    :ivar swap_3days: the night that stands for the weekend too, which has none of its own
    :ivar volatility: standard deviation of one tick, in points
    :ivar sessions: when it trades, UTC (:mod:`kakehashi.terminal.core.sessions`); empty is always
    :ivar gap: standard deviation of the jump after a closure of 48 hours, in points; less after shorter ones
    :ivar liquidity: most lots that one order gets from one tick; None is without limit
    :ivar fillings: what market orders may ask for
    """

    name: str
    base: str
    profit: str
    digits: int
    contract_size: Decimal
    start: int
    spread: int
    vol_min: Decimal = Decimal("0.01")
    vol_max: Decimal = Decimal(100)
    vol_step: Decimal = Decimal("0.01")
    volume_limit: Decimal = ZERO
    stops_level: int = 0
    freeze_level: int = 0
    margin_hedged: Decimal = ZERO
    swap_long: Decimal = ZERO
    swap_short: Decimal = ZERO
    swap_3days: Weekday = Weekday.WED
    volatility: float = 3.0
    sessions: tuple[str, ...] = ()
    gap: float = 0.0
    liquidity: Decimal | None = None
    fillings: tuple[Filling, ...] = (Filling.FOK, Filling.IOC)

    @property
    def point(self) -> Decimal:
        return Decimal(1).scaleb(-self.digits)


class Tick(msgspec.Struct, frozen=True):
    bid: Decimal
    ask: Decimal
    at: int

    def entry(self, side: Side) -> Decimal:
        """What this side pays to open: the ask for a BUY."""
        return self.ask if side is Side.BUY else self.bid

    def exit(self, side: Side) -> Decimal:
        """What a position of this side is valued and closed at: the bid for a BUY."""
        return self.bid if side is Side.BUY else self.ask


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One trading account as it was opened.

    :ivar suffix: appended to every symbol's name on this account, e.g. ``.m``
    :ivar commission_per_lot: account currency per lot and deal
    :ivar so_so: stop-out level, margin level in per cent
    """

    account: str
    number: str
    currency: str = "USD"
    margin_mode: MarginMode = MarginMode.HEDGING
    balance: Decimal = Decimal(10_000)
    leverage: int = 100
    suffix: str = ""
    server: str = "Kakehashi-Demo"
    trade_mode: str = "demo"
    commission_per_lot: Decimal = ZERO
    so_call: Decimal = Decimal(100)
    so_so: Decimal = Decimal(50)
    limit_orders: int = 200

    @property
    def cent(self) -> Decimal:
        """The smallest amount of the account's currency."""
        return Decimal(1) if self.currency == "JPY" else Decimal("0.01")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeRequest. ``position`` closes or amends that position, ``order`` names a pending one.

    :ivar price: of a pending order; a market order takes what the market gives
    :ivar stoplimit: where a STOP_LIMIT's limit order rests once ``price`` is reached
    :ivar sl: 0 is none; on SLTP and MODIFY it removes the level
    :ivar type_time: None is SPECIFIED with an ``expiration``, else GTC
    :ivar expiration: ms UTC; of the SPECIFIED kinds
    """

    action: TradeAction
    symbol: str = ""
    type: OrderType = OrderType.BUY
    volume: Decimal = ZERO
    price: Decimal = ZERO
    stoplimit: Decimal = ZERO
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    position: int = 0
    position_by: int = 0
    order: int = 0
    filling: Filling | None = None
    type_time: OrderTime | None = None
    expiration: int | None = None
    magic: int = 0
    comment: str = ""
    reason: Reason = Reason.EXPERT


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeResult. A refusal has neither deal nor order."""

    retcode: int
    deal: int = 0
    order: int = 0
    volume: Decimal = ZERO
    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    comment: str = ""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open position. ``identifier`` never changes; a netting reversal changes ``ticket``.

    :ivar swap: accrued since it was opened, account currency
    """

    ticket: int
    identifier: int
    symbol: str
    side: Side
    volume: Decimal
    price_open: Decimal
    sl: Decimal
    tp: Decimal
    magic: int
    comment: str
    time: int
    reason: Reason
    swap: Decimal = ZERO


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order, resting or in history (``time_done`` set).

    :ivar expiration: ms UTC at which it ends, whatever its ``type_time``; None is never
    """

    ticket: int
    symbol: str
    type: OrderType
    state: OrderState
    volume_initial: Decimal
    volume_current: Decimal
    price_open: Decimal
    sl: Decimal
    tp: Decimal
    magic: int
    comment: str
    reason: Reason
    time_setup: int
    time_done: int = 0
    expiration: int | None = None
    position_id: int = 0
    stoplimit: Decimal = ZERO
    type_time: OrderTime = OrderTime.GTC


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. ``side`` is the deal's own: a BUY position is closed by a SELL deal.

    :ivar position: the position's identifier
    :ivar magic: of the request; 0 where the server closed by itself (SL, TP, stop-out)
    """

    account: str
    ticket: int
    order: int
    position: int
    symbol: str
    side: Side
    entry: Entry
    volume: Decimal
    requested_volume: Decimal
    price: Decimal
    profit: Decimal
    swap: Decimal
    commission: Decimal
    reason: Reason
    magic: int
    comment: str
    time: int
