"""The link's rows in the hub's words, and an order as the command that carries it out.

Times of a terminal are the broker's; ``offset`` is what the broker's clock shows more than UTC, ms.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from kakehashi.domain.commands import Delivery
from kakehashi.domain.frames import Cmd, DealRow, Hello, PositionRow, SymbolRow
from kakehashi.domain.messages import Deal
from kakehashi.domain.orders import Order, State
from kakehashi.domain.values import ZERO, Account, Instrument, Millis, Side, TradeMode
from kakehashi.domain.views import BrokerPosition

_WRITTEN: Final = {Side.BUY: "B", Side.SELL: "S"}
_READ: Final = {"B": Side.BUY, "S": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}
_REASONS: Final = {"SO": "STOP_OUT", "SL": "SL", "TP": "TP", "EXPERT": "EXPERT"}
MAX_DIGITS: Final = 12
SMALLEST: Final = Decimal("1E-12")
"""No step and no price is smaller: what is divided by one must stay a number that can be computed with."""


def mismatch(account: Account, hello: Hello) -> str:
    """How the EA's account differs from the one that was configured, or empty: trading on the wrong one costs money."""
    if account.server and hello.server and hello.server != account.server:
        return f"the EA is on server {hello.server[:80]}, the account is bound to {account.server}"
    if hello.trade_mode.lower() == TradeMode.REAL and account.mode is TradeMode.DEMO:
        return f"{account.name} is a demo account here, the EA's account is real"
    if hello.margin_mode and hello.margin_mode.lower() != account.margin_mode:
        return f"the EA's account is {hello.margin_mode[:20]}, {account.name} is {account.margin_mode} here"
    return ""


def command(order: Order, *, offset: Millis) -> Cmd:
    """The order as CMD, but for what the moment of sending says (``ep``, ``age_ms``, ``hn``)."""
    return Cmd(
        id=order.id,
        seq=order.seq,
        op=order.op.value,
        kind=order.kind.value,
        sym=order.symbol,
        side=_WRITTEN[order.side] if order.side is not None else "",
        vol=order.volume or ZERO,
        price=order.price or ZERO,
        sl=order.sl or ZERO,
        tp=order.tp or ZERO,
        target=order.target,
        expect_vol=order.expect_vol or ZERO,
        opened_before=order.opened_before + offset if order.opened_before is not None else 0,
        magic=str(order.magic),
        ttl_ms=max(1, order.expires_at - order.created_at),
        ep=0,
    )


def delivery(order: Order, *, offset: Millis, at: Millis, set_back: Millis) -> Delivery:
    """An order that went out over the link, as the link has to go on with it after a restart.

    :param set_back: how far the wall clock was set back since the order was made, ms
    """
    first_sent = next((then for state, then in order.past if state is State.SENT), order.updated_at)
    return Delivery(
        cmd=command(order, offset=offset),
        age_ms=max(0, at + set_back - order.created_at),
        taken_now=0,
        taken_at=at,
        state=order.state,
        instance=order.instance,
        first_sent_at=first_sent,
        filled=order.filled_volume,
        price=order.filled_price,
        ticket=order.ticket,
        retcode=order.retcode,
    )


def position(account: str, row: PositionRow, *, offset: Millis) -> BrokerPosition:
    """A position as the mirror shows it to decisions."""
    return BrokerPosition(
        account=account,
        ident=row.ident or row.ticket,
        ticket=row.ticket,
        symbol=row.symbol,
        side=_READ[row.side],
        volume=row.volume,
        open_price=row.open,
        sl=row.sl,
        tp=row.tp,
        magic=int(row.magic or 0),
        opened_at=row.opened - offset if row.opened else None,
        profit=row.profit,
    )


def row(held: BrokerPosition, *, offset: Millis) -> PositionRow:
    """A position that was kept, as the link's mirror holds it."""
    return PositionRow(
        ticket=held.ticket,
        ident=held.ident,
        symbol=held.symbol,
        side=_WRITTEN[held.side],
        volume=held.volume,
        open=held.open_price,
        sl=held.sl,
        tp=held.tp,
        magic=str(held.magic),
        opened=held.opened_at + offset if held.opened_at is not None else 0,
        profit=held.profit,
    )


def deal(told: DealRow, *, offset: Millis) -> Deal:
    """A deal in the hub's words; its fee is a commission like the other."""
    return Deal(
        ticket=told.ticket,
        order=told.order,
        position=told.position,
        symbol=told.symbol,
        side=_READ.get(told.side, Side.BUY),
        entry=told.entry.upper(),
        volume=told.volume,
        price=told.price,
        time=told.time - offset if told.time else 0,
        profit=told.profit,
        swap=told.swap,
        commission=told.commission + told.fee,
        reason=told.reason.upper(),
        magic=int(told.magic or 0),
    )


def instrument(told: SymbolRow) -> Instrument | None:
    """A specification where all of it was sent; there is no built-in table to fill gaps from (NO_SPEC)."""
    sizes = (told.point, told.tick_size, told.tick_value, told.contract_size, told.vol_min, told.vol_max, told.vol_step)
    if told.digits is None or any(size is None or size < SMALLEST for size in sizes):
        return None
    point, tick_size, tick_value, contract_size, vol_min, vol_max, vol_step = (size or ZERO for size in sizes)
    return Instrument(
        symbol=told.symbol,
        digits=min(max(told.digits, 0), MAX_DIGITS),
        point=point,
        tick_size=tick_size,
        tick_value=tick_value,
        contract_size=contract_size,
        vol_min=vol_min,
        vol_max=vol_max,
        vol_step=vol_step,
        stops_level=told.stops_level,
        profit_currency=told.profit_currency,
    )


def closed_by(deals: Iterable[DealRow]) -> str:
    """Who or what closed a position, by its last closing deal: CLIENT, EXPERT, SL, TP, STOP_OUT; UNEXPLAINED without one."""
    last = max((d for d in deals if d.entry != "IN"), key=lambda d: (d.time, int(d.ticket)), default=None)
    return "UNEXPLAINED" if last is None else _REASONS.get(last.reason.upper(), "CLIENT")
