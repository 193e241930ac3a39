"""Our orders held against what the account says: evidence, never absence alone (law 4, R7, R14)."""

from collections.abc import Container, Iterable
from decimal import Decimal

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.messages import AccountReport, Deal, OrderReported
from kakehashi.domain.orders import Happening, Op, Order, State
from kakehashi.domain.values import ZERO, Account, Millis, TradeMode
from kakehashi.domain.views import BrokerPosition

OPEN_TO_EVIDENCE = frozenset({State.SENT, State.UNCONFIRMED, State.UNKNOWN, State.PLACED, State.PARTIAL, State.TAKEN})
"""States of orders that a report may move on."""
CLOCK_SLACK_MS = 5_000
"""How much earlier than our order a position may claim to be, the two clocks being different."""


def check_binding(account: Account, report: AccountReport, *, bound: str) -> None:
    """Whether a report is of this account at all.

    :param bound: the broker's server it was seen on first, or was configured with; empty while none is known
    :raises Rejected: SERVER_MISMATCH
    """
    if report.login and report.login != account.number:
        raise Rejected("SERVER_MISMATCH", f"the EA is logged in to {report.login}, the account is {account.number}")
    if report.server and bound and report.server != bound:
        raise Rejected("SERVER_MISMATCH", f"the EA is on server {report.server}, the account is bound to {bound}")
    if report.trade_mode == TradeMode.REAL and account.mode is TradeMode.DEMO:
        raise Rejected("SERVER_MISMATCH", f"{account.name} is a demo account here, the EA's account is real")


def evidence(
    orders: Iterable[Order],
    report: AccountReport,
    before: dict[str, BrokerPosition],
    fresh_deals: tuple[Deal, ...],
    ours: Container[int],
) -> tuple[OrderReported, ...]:
    """What a position report proves about orders whose outcome is not known, those of the EA link left out.

    An entry is proven by a deal or a position with its magic; for an executor that does not write magics, by the one new
    position that fits (two candidates prove nothing). An exit is proven when the position it named is gone; a deal with
    the magic of another order of ours is that order's.

    :param orders: orders of the account that have not ended, oldest first
    :param before: positions of the report before this one, by identifier
    :param ours: magics of our orders: such a position is spoken for already
    """
    if report.positions is None:
        return ()
    now = {p.ident: p for p in report.positions}
    found: list[OrderReported] = []
    claimed: set[str] = set()
    for order in orders:
        if order.state not in OPEN_TO_EVIDENCE or order.linked:
            continue
        if order.is_entry and order.state is State.PLACED:
            proof = _rested(order, now, fresh_deals, report.at)
        elif order.is_entry:
            proof = _entry_by_magic(order, now, fresh_deals, report.at) or _entry_by_fit(
                order, now, before, claimed, ours, report.at
            )
        else:
            proof = _exit(order, now, before, fresh_deals, ours, report.at)
        if proof is not None:
            claimed.add(proof.ticket)
            found.append(proof)
    return tuple(found)


def _entry_by_magic(
    order: Order, now: dict[str, BrokerPosition], deals: tuple[Deal, ...], at: Millis
) -> OrderReported | None:
    ins = [d for d in deals if d.magic == order.magic and d.entry in ("IN", "INOUT")]
    if ins:
        volume = sum((d.volume for d in ins), ZERO)
        price = sum((d.volume * d.price for d in ins), ZERO) / volume
        return _filled(order, volume, price, ins[-1].position or ins[-1].order, at, "a deal carries its magic")
    for position in now.values():
        if position.magic == order.magic:
            return _filled(
                order, position.volume, position.open_price, position.ident, at, "a position carries its magic"
            )
    return None


def _rested(order: Order, now: dict[str, BrokerPosition], deals: tuple[Deal, ...], at: Millis) -> OrderReported | None:
    """A resting order that its price was reached of; where that was only a part of it, the rest goes on resting."""
    proof = _entry_by_magic(order, now, deals, at)
    if proof is None or order.volume is None or proof.volume >= order.volume:
        return proof
    return msgspec.structs.replace(proof, happening=Happening.FILLED_PART)


def _entry_by_fit(
    order: Order,
    now: dict[str, BrokerPosition],
    before: dict[str, BrokerPosition],
    claimed: set[str],
    ours: Container[int],
    at: Millis,
) -> OrderReported | None:
    if order.state is not State.UNCONFIRMED:
        return None
    fits = [
        p
        for p in now.values()
        if p.ident not in before
        and p.ident not in claimed
        and p.magic not in ours
        and p.symbol == order.symbol
        and p.side is order.side
        and (order.volume is None or p.volume == order.volume)
        and (p.opened_at is None or p.opened_at >= order.created_at - CLOCK_SLACK_MS)
    ]
    if len(fits) != 1:
        return None
    return _filled(order, fits[0].volume, fits[0].open_price, fits[0].ident, at, "the one new position that fits")


def _exit(
    order: Order,
    now: dict[str, BrokerPosition],
    before: dict[str, BrokerPosition],
    deals: tuple[Deal, ...],
    ours: Container[int],
    at: Millis,
) -> OrderReported | None:
    if not order.target or order.op not in (Op.CLOSE, Op.CLOSE_PARTIAL):
        return None
    closing = [d for d in deals if d.position == order.target and d.entry != "IN"]
    outs = [d for d in closing if d.magic == order.magic or d.magic not in ours]  # not every executor writes magics
    volume = sum((d.volume for d in outs), ZERO)
    price = sum((d.volume * d.price for d in outs), ZERO) / volume if volume else None
    if order.target not in now:
        gone = before.get(order.target)
        if not volume and (closing or gone is None):  # its aim is met, by somebody else: a fill would be booked twice
            nothing = _filled(order, ZERO, None, order.target, at, "the position it named was closed by other means")
            return msgspec.structs.replace(nothing, happening=Happening.DONE)
        closed = volume if volume or gone is None else gone.volume
        return _filled(order, closed, price, order.target, at, "the position it named is gone")
    if order.op is Op.CLOSE_PARTIAL and volume:
        return _filled(order, volume, price, order.target, at, "a deal closed a part of the position it named")
    return None


def _filled(
    order: Order, volume: Decimal, price: Decimal | None, ticket: str, at: Millis, evidence_text: str
) -> OrderReported:
    return OrderReported(
        at=at,
        account=order.account,
        order=order.id,
        happening=Happening.FILLED,
        volume=volume,
        price=price,
        ticket=ticket,
        evidence=evidence_text,
    )
