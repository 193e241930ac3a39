"""What an EA reads and writes at the hub's mailbox, as the EA sees it. Numbers go out as text, times are ms UTC."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from kakehashi.terminal.core.words import Deal, Order
from kakehashi.terminal.wire import AccountFacts, PositionFacts, SymbolFacts


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a poll. Fields that the EA does not act on are ignored.

    :ivar op: what to do; a server that sends none means it by ``action`` alone
    :ivar side: for exits the side of the position; None is both
    :ivar ticket: the position's identifier (of CANCEL: the order's ticket), or empty
    :ivar expect_vol: an exit closes no more than this
    :ivar opened_before: an exit without ticket touches nothing younger
    """

    id: str
    key: str
    symbol: str
    action: str
    volume: Decimal | None = None
    volume_ratio: Decimal | None = None
    price: Decimal | None = None
    op: str | None = None
    side: str | None = None
    ticket: str | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    magic: str | None = None
    attempt: int = 1
    expires_at: int | None = None
    expect_vol: Decimal | None = None
    opened_before: int | None = None
    kind: str | None = None
    comment: str | None = None

    @property
    def does(self) -> str:
        return self.op or ("OPEN" if self.action in ("BUY", "SELL") else self.action)

    @property
    def number(self) -> int:
        """The magic as a number; 0 where none was sent."""
        return int(self.magic or 0)

    @property
    def volume_limit(self) -> Decimal | None:
        """``expect_vol``; a zero says nothing."""
        return self.expect_vol or None


class Batch(msgspec.Struct, frozen=True):
    items: list[Item]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One result of an ack. ``status`` is filled, partial, placed, done, rejected or nack."""

    key: str
    status: str
    ticket: str = ""
    order: str = ""
    deal: str = ""
    volume: Decimal | None = None
    price: Decimal | None = None
    retcode: int | None = None
    message: str = ""
    profit: Decimal | None = None


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    ticket: str
    ident: str
    symbol: str
    side: str
    volume: Decimal
    open: Decimal
    sl: Decimal
    tp: Decimal
    magic: str
    opened: int
    profit: Decimal


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    ticket: str
    symbol: str
    type: str
    volume: Decimal
    price: Decimal
    sl: Decimal
    tp: Decimal
    magic: str


class DealRow(msgspec.Struct, frozen=True, kw_only=True):
    ticket: str
    order: str
    position: str
    symbol: str
    side: str
    entry: str
    volume: Decimal
    price: Decimal
    profit: Decimal
    swap: Decimal
    commission: Decimal
    reason: str
    magic: str
    time: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The account as it stands, and the deals since the last report that was taken."""

    account: str
    instance: str
    server: str
    login: str
    trade_mode: str
    margin_mode: str
    currency: str
    balance: Decimal
    equity: Decimal
    credit: Decimal
    positions: list[PositionRow]
    orders: list[OrderRow]
    symbols: list[SymbolFacts]
    deals: list[DealRow]


def build_report(
    account: str,
    instance: str,
    facts: AccountFacts,
    positions: Sequence[PositionFacts],
    orders: Sequence[Order],
    symbols: list[SymbolFacts],
    deals: Sequence[Deal],
) -> Report:
    return Report(
        account=account,
        instance=instance,
        server=facts.server,
        login=facts.login,
        trade_mode=facts.trade_mode,
        margin_mode=facts.margin_mode.value,
        currency=facts.currency,
        balance=facts.balance,
        equity=facts.equity,
        credit=facts.credit,
        positions=[_position_row(p) for p in positions],
        orders=[_order_row(o) for o in orders],
        symbols=symbols,
        deals=[_deal_row(d) for d in deals],
    )


def _position_row(p: PositionFacts) -> PositionRow:
    return PositionRow(
        ticket=str(p.ticket),
        ident=str(p.identifier),
        symbol=p.symbol,
        side=p.side.value,
        volume=p.volume,
        open=p.price_open,
        sl=p.sl,
        tp=p.tp,
        magic=str(p.magic),
        opened=p.time,
        profit=p.profit,
    )


def _order_row(o: Order) -> OrderRow:
    return OrderRow(
        ticket=str(o.ticket),
        symbol=o.symbol,
        type=o.type.value,
        volume=o.volume_current,
        price=o.price_open,
        sl=o.sl,
        tp=o.tp,
        magic=str(o.magic),
    )


def _deal_row(d: Deal) -> DealRow:
    return DealRow(
        ticket=str(d.ticket),
        order=str(d.order),
        position=str(d.position),
        symbol=d.symbol,
        side=d.side.value,
        entry=d.entry.value,
        volume=d.volume,
        price=d.price,
        profit=d.profit,
        swap=d.swap,
        commission=d.commission,
        reason=d.reason.value,
        magic=str(d.magic),
        time=d.time,
    )
