"""The trade server's rows as the link tells them: tickets and magic as text, sides as one letter."""

from decimal import Decimal

from kakehashi.domain.frames import DealRow, OrderRow, PositionRow
from kakehashi.terminal.core.words import ZERO, Deal, Order, Position


def position_row(p: Position, profit: Decimal = ZERO) -> PositionRow:
    return PositionRow(
        ticket=str(p.ticket),
        ident=str(p.identifier),
        symbol=p.symbol,
        side=p.side.value[0],
        volume=p.volume,
        open=p.price_open,
        sl=p.sl,
        tp=p.tp,
        magic=str(p.magic),
        opened=p.time,
        profit=profit,
        swap=p.swap,
    )


def order_row(o: Order) -> OrderRow:
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


def deal_row(d: Deal) -> DealRow:
    return DealRow(
        ticket=str(d.ticket),
        order=str(d.order),
        position=str(d.position),
        symbol=d.symbol,
        side=d.side.value[0],
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
