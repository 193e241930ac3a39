"""What terminals and the trade server say to each other: newline-ended JSON, one answer per request, in order.

Money, prices and volumes are text; tickets are integers.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from kakehashi.terminal.core.bars import Day
from kakehashi.terminal.core.kinds import StopOutMode, Timeframe
from kakehashi.terminal.core.words import (
    ZERO,
    Deal,
    Filling,
    MarginMode,
    Order,
    OrderType,
    Position,
    Request,
    Side,
    Symbol,
)

MAX_LINE: Final = 16 * 1024 * 1024
"""Longest answer: a long deal history in one piece."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    method: str
    params: dict[str, Any] = {}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Fault | None = None


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How an account that does not exist yet would be opened; of an existing one only ``account`` is read."""

    account: str
    number: str = ""
    currency: str = "USD"
    margin_mode: MarginMode = MarginMode.HEDGING
    balance: Decimal = Decimal(10_000)
    leverage: int = 100
    suffix: str = ""
    commission_per_lot: Decimal = ZERO
    server: str = "Kakehashi-Demo"


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """ACCOUNT_INFO. ``margin_level`` is per cent, None without margin in use.

    :ivar margin_call: whether the account is below its ``so_call``
    """

    account: str
    login: str
    server: str
    trade_mode: str
    margin_mode: MarginMode
    currency: str
    leverage: int
    balance: Decimal
    equity: Decimal
    profit: Decimal
    margin: Decimal
    margin_free: Decimal
    margin_level: Decimal | None = None
    credit: Decimal = ZERO
    margin_initial: Decimal = ZERO
    margin_maintenance: Decimal = ZERO
    so_mode: StopOutMode = StopOutMode.PERCENT
    so_call: Decimal = ZERO
    so_so: Decimal = ZERO
    margin_call: bool = False
    limit_orders: int = 0
    currency_digits: int = 2
    fifo_close: bool = False
    trade_allowed: bool = True
    trade_expert: bool = True
    name: str = ""
    company: str = ""


class SymbolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol as one account sees it; ``tick_value`` in account currency per tick and lot."""

    symbol: str
    digits: int
    point: Decimal
    tick_size: Decimal
    tick_value: Decimal
    contract_size: Decimal
    vol_min: Decimal
    vol_max: Decimal
    vol_step: Decimal
    stops_level: int
    fillings: tuple[Filling, ...]
    profit_currency: str
    bid: Decimal
    ask: Decimal


class TerminalSymbol(SymbolFacts, frozen=True, kw_only=True):
    """A symbol as a terminal shows it: what a program on a chart can ask for beyond :class:`SymbolFacts`."""

    base: str
    freeze_level: int
    volume_limit: Decimal
    margin_hedged: Decimal
    swap_long: Decimal
    swap_short: Decimal


class SymbolCard(msgspec.Struct, frozen=True, kw_only=True):
    """All that SYMBOL_INFO is made of: what the broker specified, the last quote, and what one account makes of it.

    :ivar name: on this account, with its suffix; ``spec.name`` is without
    :ivar tick_value: account currency per tick and lot; ``_profit`` and ``_loss``: of a position that gains or loses
    :ivar day: today's prices
    """

    name: str
    spec: Symbol
    bid: Decimal
    ask: Decimal
    at: int
    open: bool
    tick_value: Decimal
    tick_value_profit: Decimal
    tick_value_loss: Decimal
    day: Day


class QuoteFacts(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    bid: Decimal
    ask: Decimal
    at: int


class PositionFacts(Position, frozen=True, kw_only=True):
    """A position with its value now."""

    price_current: Decimal = ZERO
    profit: Decimal = ZERO


class OrderFacts(Order, frozen=True, kw_only=True):
    """A resting order; its ``price_current`` is the market's price now."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are asked for; what is None does not matter.

    :ivar position: a position's identifier
    :ivar after: deals with a higher ticket only
    :ivar limit: at most this many, the oldest first
    :ivar since: of history: from this time on, ms, up to and with ``until``; deals by their time, orders by that of
        their end, or of their setup where that is within
    :ivar money: of deals also the operations on the balance (deposit, credit, correction)
    :ivar started: of orders also those that the server has received and is still at work on (ORDER_STATE_STARTED)
    """

    account: str
    symbol: str | None = None
    side: Side | None = None
    magic: int | None = None
    ticket: int | None = None
    order: int | None = None
    position: int | None = None
    after: int = 0
    limit: int | None = None
    since: int = 0
    until: int | None = None
    money: bool = False
    started: bool = False

    def takes_time(self, *times: int) -> bool:
        return any(self.since <= at and (self.until is None or at <= self.until) for at in times)

    def takes_position(self, p: Position) -> bool:
        return (
            self.symbol in (None, p.symbol)
            and self.side in (None, p.side)
            and self.magic in (None, p.magic)
            and self.ticket in (None, p.ticket)
            and self.position in (None, p.identifier)
        )

    def takes_order(self, o: Order) -> bool:
        return (
            self.symbol in (None, o.symbol)
            and self.side in (None, o.type.side)
            and self.magic in (None, o.magic)
            and self.ticket in (None, o.ticket)
            and self.position in (None, o.position_id, o.position_by_id or None)
            and self.takes_time(o.time_setup, o.time_done)
        )

    def takes_deal(self, d: Deal) -> bool:
        return (
            d.ticket > self.after
            and self.takes_time(d.time)
            and self.symbol in (None, d.symbol)
            and self.magic in (None, d.magic)
            and self.ticket in (None, d.ticket)
            and self.order in (None, d.order)
            and self.position in (None, d.position)
        )


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What an EA's turn asks for.

    :ivar after: deals with a higher ticket; 0: those since ``since``, ms; 0 too: those of the last day
    """

    account: str
    after: int = 0
    since: int = 0


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """One account at one moment: no part of it is older than another.

    :ivar at: the server's time, ms
    """

    at: int
    facts: AccountFacts
    positions: list[PositionFacts]
    orders: list[Order]
    deals: list[Deal]


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal's wait for news of its account: answered at once when there are any, else after ``wait_ms`` at the latest.

    :ivar turn: of the last answer; -1 is none yet
    :ivar deals: how many deals are known, ``done``: how many ended orders; what comes after them is told
    """

    account: str
    turn: int = -1
    deals: int = 0
    done: int = 0
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0


class TerminalState(AccountState, frozen=True, kw_only=True):
    """What a terminal keeps of an account.

    :ivar deals: those that were not known, likewise ``done``
    :ivar orders: with those that the server is still at work on
    :ivar so_call: margin level in per cent, likewise ``so_so``
    """

    turn: int
    done: list[Order]
    quotes: list[QuoteFacts]
    so_call: Decimal
    so_so: Decimal
    limit_orders: int


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for: the deals and orders of a magic, of an order's ticket, of a position's identifier; 0 is none.

    :ivar since: of history, ms
    """

    account: str
    magic: int = 0
    order: int = 0
    position: int = 0
    since: int = 0

    def of_order(self, o: Order) -> bool:
        return bool(
            (self.magic and o.magic == self.magic)
            or (self.order and o.ticket == self.order)
            or (self.position and o.position_id == self.position)
        )

    def of_deal(self, d: Deal) -> bool:
        return bool(
            (self.magic and d.magic == self.magic)
            or (self.order and d.order == self.order)
            or (self.position and d.position == self.position)
        )


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar working: resting, or received and still being worked on (ORDER_STATE_STARTED)"""

    working: list[Order]
    ended: list[Order]
    deals: list[Deal]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """Test control: hold ``symbol`` (without suffix) at a price; ``bid`` None lets it walk again."""

    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None


class Liquidity(msgspec.Struct, frozen=True, kw_only=True):
    """Test control: most lots one market order gets on ``symbol``; None is without limit."""

    symbol: str
    volume: Decimal | None = None


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """``hello`` names a connection, ``drained`` asks whether all of that name are gone with everything they sent."""

    client: str


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """Test control: for so long the server hangs up on every terminal."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=3_600)]


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Test control: shut a symbol's market whatever its sessions, or let it follow them again."""

    symbol: str
    open: bool


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Test control: pay in or out; as ``credit``, the broker's money."""

    account: str
    amount: Decimal
    credit: bool = False
    comment: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    request: Request


class Calc(msgspec.Struct, frozen=True, kw_only=True):
    """``order_calc_margin`` and, with ``close``, ``order_calc_profit``; the account's positions do not matter."""

    account: str
    type: OrderType
    symbol: str
    volume: Decimal
    price: Decimal
    close: Decimal | None = None


class RatesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Bars of one symbol, one of three ways.

    :ivar pos: so many bars back from the present one, ``count`` in all;
    :ivar until: else ``count`` bars up to this time (ms); or with ``since`` all that open from then to ``until``
    """

    account: str
    symbol: str
    timeframe: Timeframe
    pos: int | None = None
    count: int | None = None
    since: int | None = None
    until: int | None = None


class TicksWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks from ``since`` (ms) on: ``count`` of them, or all before and at ``until``."""

    account: str
    symbol: str
    since: int
    count: int | None = None
    until: int | None = None


class BookRow(msgspec.Struct, frozen=True, array_like=True):
    """One level of the depth of market. ``side`` is that of the orders resting there: SELL above, BUY below."""

    side: Side
    price: Decimal
    volume: Decimal
