"""The trade server's rows as the link tells them: tickets and magic as text, sides as one letter."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

from kakehashi.domain.frames import DealRow, OrderRow, PositionRow
from kakehashi.terminal.core.words import ZERO, Deal, Order, Position

T = TypeVar("T")


def parts(rows: tuple[T, ...], most: int) -> Iterator[tuple[T, ...]]:
    """The rows in frames that hold at most so many; no rows are one empty part."""
    for start in range(0, len(rows) or 1, most):
        yield rows[start : start + most]


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
