"""The trade server's words: symbols, accounts, requests, answers, positions, orders, deals.

Names and numbers are MetaTrader 5's (MQL5 reference, "Trade constants"); enumerations go by name instead of number.
Prices, volumes and money are :class:`~decimal.Decimal`; times are integer milliseconds UTC.
"""

from decimal import Decimal
from enum import IntEnum, StrEnum

import msgspec

from kakehashi.terminal.core.kinds import (
    ALL_ORDERS,
    CalcMode,
    DealKind,
    Execution,
    StopOutMode,
    SwapMode,
    Trading,
)

ZERO = Decimal(0)
_CENTS = {0: Decimal(1), 2: Decimal("0.01")}


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
    """EXCHANGE nets as NETTING does; it is how accounts on exchanges are called."""

    HEDGING = "hedging"
    NETTING = "netting"
    EXCHANGE = "exchange"


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
    """FOK: all or nothing; IOC: what there is; RETURN: the rest stays; BOC: only if it can rest (limit orders)."""

    FOK = "FOK"
    IOC = "IOC"
    RETURN = "RETURN"
    BOC = "BOC"


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
    MOBILE = "MOBILE"
    WEB = "WEB"
    EXPERT = "EXPERT"
    SL = "SL"
    TP = "TP"
    SO = "SO"
    ROLLOVER = "ROLLOVER"


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
    TRADE_DISABLED = 10017
    MARKET_CLOSED = 10018
    NO_MONEY = 10019
    PRICE_OFF = 10021
    INVALID_EXPIRATION = 10022
    NO_CHANGES = 10025
    SERVER_DISABLES_AT = 10026
    LOCKED = 10028
    FROZEN = 10029
    INVALID_FILL = 10030
    LIMIT_ORDERS = 10033
    LIMIT_VOLUME = 10034
    INVALID_ORDER = 10035
    POSITION_CLOSED = 10036
    INVALID_CLOSE_VOLUME = 10038
    CLOSE_ORDER_EXIST = 10039
    LIMIT_POSITIONS = 10040
    LONG_ONLY = 10042
    SHORT_ONLY = 10043
    CLOSE_ONLY = 10044
    FIFO_CLOSE = 10045


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker specifies of one symbol; ``name`` is without any account's suffix.

    :ivar base: base currency, and margin currency unless ``margin_currency`` is another
    :ivar spread: ask minus bid, in points
    :ivar start: bid the price process starts from, in points
    :ivar stops_level: least distance of stops and pending prices from the market, in points
    :ivar freeze_level: nothing within this many points of its trigger may be changed
    :ivar volume_limit: most lots one way, positions and pending orders together; 0 is no limit
    :ivar margin_hedged: of a covered lot: contract size; money where there is a ``margin_initial``
    :ivar margin_hedged_use_leg: only the larger side of opposite positions is margined
    :ivar margin_initial: money per lot that takes the place of the formula's; 0 is none (needed for futures)
    :ivar margin_maintenance: the same of an open position; 0 is ``margin_initial``
    :ivar margin_buy: rate by which a buy's margin is multiplied; ``margin_sell`` a sell's
    :ivar tick_size: least change of its price; 0 is a point
    :ivar tick_value: what that change is worth per lot, profit currency (futures and index CFDs)
    :ivar swap_long: per lot and night, in the unit that ``swap_mode`` names
    :ivar swap_3days: the night that stands for the weekend too, which has none of its own
    :ivar volatility: standard deviation of one tick, in points
    :ivar sessions: when it trades, server time (:mod:`kakehashi.terminal.core.sessions`); empty is always
    :ivar gap: standard deviation of the jump after a closure of 48 hours, in points; less after shorter ones
    :ivar liquidity: most lots that one order gets from one tick; None is without limit
    :ivar fillings: what market orders may ask for (Market and Exchange execution); BOC for limit orders
    :ivar expirations: how long pending orders may rest
    :ivar order_mode: which orders it takes: the sum of :class:`~kakehashi.terminal.core.kinds.Allowed` flags
    :ivar book_depth: price levels shown on each side
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
    calc_mode: CalcMode = CalcMode.FOREX
    margin_currency: str = ""
    margin_hedged: Decimal = ZERO
    margin_hedged_use_leg: bool = False
    margin_initial: Decimal = ZERO
    margin_maintenance: Decimal = ZERO
    margin_buy: Decimal = Decimal(1)
    margin_sell: Decimal = Decimal(1)
    tick_size: Decimal = ZERO
    tick_value: Decimal = ZERO
    swap_mode: SwapMode = SwapMode.POINTS
    swap_long: Decimal = ZERO
    swap_short: Decimal = ZERO
    swap_3days: Weekday = Weekday.WED
    volatility: float = 3.0
    sessions: tuple[str, ...] = ()
    gap: float = 0.0
    liquidity: Decimal | None = None
    execution: Execution = Execution.MARKET
    trading: Trading = Trading.FULL
    fillings: tuple[Filling, ...] = (Filling.FOK, Filling.IOC)
    expirations: tuple[OrderTime, ...] = tuple(OrderTime)
    order_mode: int = ALL_ORDERS
    book_depth: int = 10
    description: str = ""
    path: str = ""
    exchange: str = ""
    isin: str = ""

    @property
    def point(self) -> Decimal:
        return Decimal(1).scaleb(-self.digits)

    @property
    def step(self) -> Decimal:
        """Its prices are multiples of this."""
        return self.tick_size or self.point

    @property
    def grain(self) -> int:
        """The same in points."""
        return int(self.step.scaleb(self.digits))


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
    :ivar commission_per_lot: account currency per lot and deal; ``fee_per_lot`` likewise
    :ivar so_call: margin call, ``so_so`` stop-out; in the unit that ``so_mode`` names
    :ivar credit: the broker's money: counts for equity and margin, not for the balance
    :ivar zero_cut: a negative balance is set to zero by a correction once nothing is open
    :ivar fifo_close: the positions of a symbol are closed in the order of their opening only
    :ivar limit_positions: most open positions; 0 is no limit
    :ivar trade_allowed: false for an account that may only watch; ``trade_expert``: whether programs may trade on it
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
    fee_per_lot: Decimal = ZERO
    so_mode: StopOutMode = StopOutMode.PERCENT
    so_call: Decimal = Decimal(100)
    so_so: Decimal = Decimal(50)
    limit_orders: int = 200
    limit_positions: int = 0
    credit: Decimal = ZERO
    zero_cut: bool = False
    fifo_close: bool = False
    trade_allowed: bool = True
    trade_expert: bool = True
    name: str = ""
    company: str = "Kakehashi"

    @property
    def currency_digits(self) -> int:
        return 0 if self.currency == "JPY" else 2

    @property
    def cent(self) -> Decimal:
        """The smallest amount of the account's currency."""
        return _CENTS[self.currency_digits]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeRequest. ``position`` closes or amends that position, ``order`` names a pending one.

    :ivar price: of a pending order; what Request and Instant execution are to deal at; else what the market gives
    :ivar deviation: how far the market may be from ``price`` then, in points
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
    deviation: int = 0
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
    """MqlTradeResult. A refusal has neither deal nor order. ``request_id`` is the terminal's to count."""

    retcode: int
    deal: int = 0
    order: int = 0
    volume: Decimal = ZERO
    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    comment: str = ""
    retcode_external: int = 0


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeCheckResult: what the account would be after the request; ``retcode`` 0 is no objection.

    :ivar margin_level: per cent; None without margin in use
    """

    retcode: int
    balance: Decimal = ZERO
    equity: Decimal = ZERO
    profit: Decimal = ZERO
    margin: Decimal = ZERO
    margin_free: Decimal = ZERO
    margin_level: Decimal | None = None
    comment: str = ""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open position. ``identifier`` never changes; a netting reversal changes ``ticket``.

    :ivar swap: accrued since it was opened, account currency
    :ivar time_update: when it last changed, ms; 0 is never
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
    time_update: int = 0
    external_id: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order, resting or in history (``time_done`` set).

    :ivar expiration: ms UTC at which it ends, whatever its ``type_time``; None is never
    :ivar price_current: of one in history: the market's price when it ended
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
    position_by_id: int = 0
    stoplimit: Decimal = ZERO
    type_time: OrderTime = OrderTime.GTC
    filling: Filling = Filling.FOK
    price_current: Decimal = ZERO
    external_id: str = ""


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """One execution, or an operation on the balance. ``side`` is the deal's own: a BUY is closed by a SELL deal.

    :ivar position: the position's identifier
    :ivar magic: of the request; 0 where the server closed by itself (SL, TP, stop-out)
    :ivar profit: of an operation on the balance: the amount
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
    fee: Decimal = ZERO
    kind: DealKind = DealKind.TRADE
    external_id: str = ""

    @property
    def paid(self) -> Decimal:
        """What it did to the balance; a credit is not part of that."""
        if self.kind is DealKind.CREDIT:
            return ZERO
        return self.profit + self.swap + self.commission + self.fee
