"""Exits that the world overtook: decided again at once, under a new id, because they lower risk.

A partial close is refused by the EA where the position is not of the volume it was decided on (R10); a whole close on a
hedging account may follow one whose outcome is unknown, as its identifier makes it harmless (R7).
"""

from typing import Final, NamedTuple

import msgspec

from kakehashi.domain.exits import part_closed
from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.values import ZERO, Account, Instrument, MarginMode, Millis
from kakehashi.domain.views import BrokerPosition

PRECONDITION: Final = "PRECOND"
"""The EA's word where a position is not what an exit expected."""

MOST: Final = 5
"""How often one exit is decided again."""


class Names(NamedTuple):
    """What makes an order a new one."""

    id: str
    seq: int
    magic: int


def overtaken(order: Order, account: Account) -> bool:
    """Whether this exit, as its EA's word has left it, is to be decided again."""
    if not order.linked or not order.target or order.repeats >= MOST:
        return False
    if order.op is Op.CLOSE_PARTIAL:
        return order.state is State.REJECTED and order.reason == PRECONDITION
    hedging = account.margin_mode is MarginMode.HEDGING
    return order.op is Op.CLOSE and hedging and order.state in (State.UNKNOWN, State.NOT_EXECUTED)


def again(
    order: Order, held: BrokerPosition | None, instrument: Instrument | None, *, names: Names, at: Millis
) -> Order | None:
    """The exit as the position stands now, or None: it is gone, it is too late, or the mirror has not seen the change yet.

    :param held: the position it names
    """
    if held is None or at >= order.expires_at:
        return None
    op, volume = Op.CLOSE, held.volume
    if order.op is Op.CLOSE_PARTIAL:
        if held.volume == order.expect_vol:
            return None
        share = order.volume_ratio or (order.volume or ZERO) / (order.expect_vol or held.volume)
        volume = part_closed(held.volume, held.volume * share, instrument)
        op = Op.CLOSE if volume == held.volume else Op.CLOSE_PARTIAL
    if volume <= 0:
        return None
    return msgspec.structs.replace(
        order,
        id=names.id,
        seq=names.seq,
        magic=names.magic,
        op=op,
        volume=volume,
        expect_vol=held.volume,
        state=State.QUEUED,
        created_at=at,
        updated_at=at,
        attempt=0,
        instance="",
        linked=False,
        remembers=False,
        filled_volume=ZERO,
        filled_price=None,
        ticket="",
        retcode=None,
        code="",
        reason=f"again for {order.id}",
        waits_for=(),
        past=(),
        repeats=order.repeats + 1,
    )
