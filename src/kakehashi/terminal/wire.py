"""What terminals and the trade server say to each other: newline-ended JSON, one answer per request, in order.

Money, prices and volumes are text; tickets are integers.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from kakehashi.terminal.core.words import ZERO, Deal, Filling, MarginMode, Order, Position, Side

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
    """ACCOUNT_INFO as far as it is simulated. ``margin_level`` is per cent, None without margin in use."""

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


class QuoteFacts(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    bid: Decimal
    ask: Decimal
    at: int


class PositionFacts(Position, frozen=True, kw_only=True):
    """A position with its value now."""

    price_current: Decimal = ZERO
    profit: Decimal = ZERO


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are asked for; what is None does not matter.

    :ivar position: a position's identifier
    :ivar after: deals with a higher ticket only
    :ivar limit: at most this many, the oldest first
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
    started: bool = False

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
            and self.position in (None, o.position_id)
        )

    def takes_deal(self, d: Deal) -> bool:
        return (
            d.ticket > self.after
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
