"""What really happened, from the broker's own books, against what the hub believes.

Nothing here asks the product's code what it meant: only its rows, and the ledger.
"""

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal

import msgspec
from tests.simulation.server import TradeServer

from kakehashi.domain.orders import TERMINAL, Op, Order, State
from kakehashi.terminal.core.words import ZERO, Deal, Reason
from kakehashi.terminal.core.words import Order as BrokerOrder

_TRADES = frozenset({Op.OPEN, Op.PENDING, Op.CLOSE, Op.CLOSE_PARTIAL})
_EXITS = frozenset({Op.CLOSE, Op.CLOSE_PARTIAL})
_NEVER_ACTED = frozenset({State.REJECTED, State.EXPIRED, State.NOT_EXECUTED, State.QUEUED})


class Verdicts(msgspec.Struct):
    """:ivar lost: accepted, and its end is not known, or the end that is known never was

    :ivar doubled: executed twice, or more than was commanded
    :ivar wrong: what the hub says differs from the ledger, or an exit opened something that was not taken back
    :ivar opened: exits that opened something
    """

    lost: list[str] = []
    doubled: list[str] = []
    wrong: list[str] = []
    opened: list[str] = []

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


class Ledger:
    """The broker's orders and deals by the magic they carry."""

    def __init__(self, server: TradeServer) -> None:
        book = server.book
        self.netting = not book.hedging
        self.all = book.deals
        self.orders: dict[int, list[BrokerOrder]] = {}
        for order in (*book.done, *book.orders.values()):
            if order.reason is Reason.EXPERT:
                self.orders.setdefault(order.magic, []).append(order)
        self.deals: dict[int, list[Deal]] = {}
        for deal in book.deals:
            self.deals.setdefault(deal.order, []).append(deal)

    def of(self, magic: int) -> tuple[list[BrokerOrder], list[Deal]]:
        orders = self.orders.get(magic, [])
        return orders, [deal for order in orders for deal in self.deals.get(order.ticket, [])]


def judge(
    server: TradeServer, orders: Mapping[str, Order], accepted: Iterable[str], forgotten: Container[str] = ()
) -> Verdicts:
    """:param orders: every order that the hub ever had on its disk, as it last was
    :param accepted: ids of orders that a sender was told of and that no restored backup has forgotten
    :param forgotten: ids of orders that a restored backup does not know: what became of them can no longer be said
    """
    verdicts, ledger = Verdicts(), Ledger(server)
    exits = {order.magic: order for order in orders.values() if order.op in _EXITS}
    for command in accepted:
        if command not in orders:
            verdicts.lost.append(f"{command} was accepted and is not on disk")
    for order in orders.values():
        _judge(order, *ledger.of(order.magic), verdicts, forgotten=order.id in forgotten)
        if order.op in _EXITS:
            _judge_exit(order, ledger, exits, verdicts, forgotten=order.id in forgotten)
    known = {order.magic for order in orders.values()}
    for magic in ledger.orders:
        if magic and exit_of(magic) not in known:
            verdicts.wrong.append(f"magic {magic:x} is of no order of the hub's")
    return verdicts


def _judge(
    order: Order,
    sent: list[BrokerOrder],
    deals: list[Deal],
    verdicts: Verdicts,
    *,
    forgotten: bool,
) -> None:
    executed = sum((deal.volume for deal in deals), ZERO)
    name = f"{order.id} ({order.op} {order.side} {order.volume} {order.symbol}, {order.state} {order.code})"
    if len(sent) > 1:
        verdicts.doubled.append(f"{name}: {len(sent)} orders at the broker")
    most = commanded(order)
    if most is not None and executed > most:
        verdicts.doubled.append(f"{name}: {executed} lots executed, {most} commanded")
    if forgotten:
        return
    if order.state not in TERMINAL and not (order.state is State.PLACED and any(not o.time_done for o in sent)):
        verdicts.lost.append(f"{name}: how it ended is not known; {executed} lots were executed")
    elif order.op in _TRADES and order.filled_volume != executed:
        kind = verdicts.lost if order.state in _NEVER_ACTED else verdicts.wrong
        kind.append(f"{name}: the hub says {order.filled_volume} lots filled, the ledger {executed}")
    elif executed and order.state in _NEVER_ACTED:
        verdicts.lost.append(f"{name}: executed {executed} lots")


def exit_of(magic: int) -> int:
    """The magic of the exit that this one corrects, or itself: corrections are counted in eight bits (R18)."""
    return magic & ~(0xFF << 40)


def _judge_exit(
    order: Order, ledger: Ledger, exits: Mapping[int, Order], verdicts: Verdicts, *, forgotten: bool
) -> None:
    """R10: what an exit opened is taken back, before any other exit, all of it and no more; read off the deals one by one.

    What people, stops and entries take of it meanwhile need not be taken back. An instance whose journal lost an exit with
    the power knows of nothing to take back: the hub tells a person, and its next exit may take it. A correction that is
    filled in parts may open in each of them.
    """
    held = unwanted = ZERO
    opened = False
    for deal in ledger.all:
        if deal.symbol != order.symbol:
            continue
        signed, before = deal.volume * deal.side.sign, held
        held += signed
        if exit_of(deal.magic) == order.magic and deal.reason is Reason.EXPERT:
            fresh = {"IN": signed, "INOUT": signed + before}.get(deal.entry.value, ZERO)
            if fresh and not ledger.netting:
                verdicts.wrong.append(f"{order.id}: an exit opened something")
            corrects = deal.magic != order.magic
            if corrects and not fresh and not ZERO <= -signed * sign(unwanted) <= abs(unwanted):
                verdicts.doubled.append(f"{order.id}: {signed} taken back of {unwanted}")
            if corrects and fresh:
                unwanted = fresh + (unwanted if sign(unwanted) == sign(fresh) else ZERO)
            else:
                unwanted += signed if corrects else fresh
            opened = opened or (bool(fresh) and not corrects)
        elif unwanted and exit_of(deal.magic) in exits and deal.reason is Reason.EXPERT:
            other = exits[exit_of(deal.magic)]
            if other.instance == order.instance:
                verdicts.wrong.append(f"{other.id} came before {order.id} was taken back")
        unwanted = min(unwanted, max(held, ZERO)) if unwanted > 0 else max(unwanted, min(held, ZERO))
    if opened and not forgotten:
        verdicts.opened.append(order.id)
    if unwanted and ledger.netting:
        verdicts.wrong.append(f"{order.id}: an exit opened {unwanted} {order.symbol}, which was not taken back")
    for k in range(1, 256):
        if len(ledger.orders.get(order.magic | k << 40, ())) > 1:
            verdicts.doubled.append(f"{order.id}: correction {k} was sent twice")


def sign(amount: Decimal) -> int:
    return (amount > 0) - (amount < 0)


def commanded(order: Order) -> Decimal | None:
    if order.op is Op.CLOSE:
        return order.expect_vol or order.volume
    return order.volume
