"""How an EA carries out one command on its account: find what it means, send it, say what became of it."""

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

from kakehashi.domain.errors import OutcomeUnknown
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import (
    ZERO,
    Deal,
    Entry,
    Filling,
    OrderState,
    OrderType,
    Position,
    Request,
    Result,
    Retcode,
    Side,
    TradeAction,
)
from kakehashi.terminal.mailbox import Done, Item
from kakehashi.terminal.wire import Filter

_SUCCESS: Final = frozenset({Retcode.DONE, Retcode.DONE_PARTIAL, Retcode.PLACED})
_PREFIX_BITS: Final = 48
"""A magic's upper bits name the installation, the lower 48 the command."""

Sending = Callable[[Decimal], None]
"""Called with the lots about to be traded, before the first request of a command is sent."""


class Executor:
    """Executes on one account.

    :param close_foreign: whether an exit without ticket also takes positions that are not the hub's (legacy EAs
        cannot tell them apart)
    """

    def __init__(
        self, broker: BrokerClient, account: str, *, default_lot: Decimal, close_foreign: bool = False
    ) -> None:
        self._broker = broker
        self._account = account
        self._default_lot = default_lot
        self._close_foreign = close_foreign

    async def perform(
        self,
        item: Item,
        sending: Sending,
        *,
        look_first: bool,
        planned: Decimal | None,
        expired: bool = False,
        only_look: bool = False,
    ) -> Done:
        """Carry out a command, or finish one that was begun.

        :param look_first: it may have been sent before: ask the broker by magic before acting
        :param planned: the lots it set out to trade then, where that is known
        :param expired: past its time: say what an earlier attempt did, begin nothing
        :param only_look: it was sent and not answered: say what became of it, trade nothing more
        :raises Unavailable: the broker cannot be reached; nothing was sent
        :raises OutcomeUnknown: a request was sent and not answered, or the broker is still at work on it
        """
        if look_first and item.number:
            await self._not_under_way(item)
        if only_look:
            sending = _never
        before = await self._deals(item) if look_first and item.number else []
        if expired and not before:
            return await self._too_late(item, look_first=look_first)
        match item.does:
            case "OPEN":
                return await self._open(item, before, sending)
            case "PENDING":
                return await self._place(item, before, sending, look_first=look_first)
            case "CLOSE" | "CLOSE_PARTIAL":
                return await self._close(item, before, sending, planned)
            case "MODIFY":  # setting the same levels twice is setting them once
                return await self._modify(item, sending)
            case "CANCEL":
                return await self._cancel(item, sending)
            case other:
                return Done(key=item.key, status="rejected", message=f"unknown operation {other}")

    async def _not_under_way(self, item: Item) -> None:
        """What the broker has received and not finished may still be done: neither gone nor free to be repeated.

        :raises OutcomeUnknown: there is such an order
        """
        for order in await self._broker.orders(Filter(account=self._account, magic=item.number, started=True)):
            if order.state is OrderState.STARTED:
                raise OutcomeUnknown("BROKER_NO_ANSWER", f"{item.id}: the broker is still at work on it")

    async def _too_late(self, item: Item, *, look_first: bool) -> Done:
        """An expired command without deals: an earlier attempt may still have placed or changed something."""
        if look_first and item.does == "PENDING" and item.number and (found := await self._placed(item)):
            return found
        if look_first and item.does == "CANCEL":
            return await self._cancel(item, lambda _: None)  # sent before: taking it back again lowers risk only
        if look_first and item.does == "MODIFY":
            levels = [(p.sl, p.tp) for p in await self._targets(item)]
            if levels and all(item.sl in (None, sl) and item.tp in (None, tp) for sl, tp in levels):
                return Done(key=item.key, status="done", ticket=item.ticket or "")
        late = int(Retcode.INVALID_EXPIRATION)
        return Done(key=item.key, status="rejected", retcode=late, message="EXPIRED before it was executed")

    async def _open(self, item: Item, before: Sequence[Deal], sending: Sending) -> Done:
        volume = item.volume or self._default_lot
        if before:
            return _executed(item.key, before, volume)
        sending(volume)
        side = _side(item.side or item.action)
        request = self._request(
            item, TradeAction.DEAL, order_type=OrderType(side.value), volume=volume, filling=Filling.IOC
        )
        result = await self._broker.order_send(self._account, request)
        if result.retcode not in _SUCCESS:
            return _refused(item, result)
        return _executed(item.key, await self._deals_of(result), volume, result.retcode)

    async def _place(self, item: Item, before: Sequence[Deal], sending: Sending, *, look_first: bool) -> Done:
        volume = item.volume or self._default_lot
        if before:
            return _executed(item.key, before, volume)
        if look_first and item.number and (found := await self._placed(item)):
            return found
        sending(volume)
        kind = OrderType(f"{_side(item.side or item.action)}_{item.kind}")
        request = self._request(item, TradeAction.PENDING, order_type=kind, volume=volume, price=item.price or ZERO)
        result = await self._broker.order_send(self._account, request)
        if result.retcode not in _SUCCESS:
            return _refused(item, result)
        order = str(result.order)
        return Done(
            key=item.key,
            status="placed",
            ticket=order,
            order=order,
            volume=result.volume,
            price=result.price,
            retcode=result.retcode,
        )

    async def _placed(self, item: Item) -> Done | None:
        """A pending order placed by an earlier attempt, resting or ended without a fill."""
        wanted = Filter(account=self._account, magic=item.number)
        for order in await self._broker.orders(wanted):
            return Done(key=item.key, status="placed", ticket=str(order.ticket), order=str(order.ticket))
        for order in await self._broker.history_orders(wanted):
            ended = f"the order ended as {order.state}"
            return Done(key=item.key, status="rejected", order=str(order.ticket), message=ended)
        return None

    async def ended(self, placed: Done) -> Done | None:
        """What became of an order that rested; None while it rests, or as long as the broker does not show it."""
        ticket = int(placed.order)
        for order in await self._broker.history_orders(Filter(account=self._account, ticket=ticket)):
            if deals := await self._broker.history_deals(Filter(account=self._account, order=ticket)):
                return _executed(placed.key, deals, order.volume_initial)
            if order.state is not OrderState.FILLED:  # of one that was filled, the deals come in a moment
                gone, how = int(Retcode.INVALID_ORDER), f"the order ended as {order.state}"
                return Done(key=placed.key, status="rejected", order=placed.order, retcode=gone, message=how)
        return None

    async def _close(self, item: Item, before: Sequence[Deal], sending: Sending, planned: Decimal | None) -> Done:
        deals = [d for d in before if d.entry is not Entry.IN]
        closed = sum((d.volume for d in deals), ZERO)
        targets = await self._targets(item)
        standing = sum((p.volume for p in targets), ZERO)
        if planned is None and not (closed and item.does == "CLOSE_PARTIAL"):
            planned = await self._volume_to_close(item, standing + closed)
        wanted = closed if planned is None else planned  # a partial close of unknown size that traded is finished
        left = min(wanted - closed, standing)
        if left <= 0:
            if deals:
                return _executed(item.key, deals, closed)
            gone = int(Retcode.POSITION_CLOSED)
            return Done(key=item.key, status="rejected", retcode=gone, message="nothing to close")
        sending(wanted)
        refusal: Result | None = None
        for position in targets:
            if left <= 0 or refusal is not None:
                break
            result = await self._close_one(item, position, min(left, position.volume))
            if result.retcode in _SUCCESS:
                left -= result.volume
                deals += await self._deals_of(result)
            elif result.retcode != Retcode.POSITION_CLOSED:  # gone meanwhile is closed, by someone else
                refusal = result
        if not deals:
            return _refused(item, refusal or Result(retcode=Retcode.POSITION_CLOSED, comment="nothing left to close"))
        return _executed(item.key, deals, wanted, refusal.retcode if refusal else None)

    async def _close_one(self, item: Item, position: Position, volume: Decimal) -> Result:
        request = Request(
            action=TradeAction.DEAL,
            symbol=position.symbol,
            type=OrderType(position.side.opposite.value),
            volume=volume,
            position=position.ticket,
            filling=Filling.IOC,
            magic=item.number,
            comment=item.comment or "",
        )
        return await self._broker.order_send(self._account, request)

    async def _volume_to_close(self, item: Item, total: Decimal) -> Decimal:
        """Lots a close means; a rest below the smallest lot is closed with it."""
        if item.does == "CLOSE":
            return min(total, item.volume_limit or total)
        wanted = item.volume if item.volume is not None else total * (item.volume_ratio or Decimal(1))
        wanted = min(wanted, item.volume_limit or wanted, total)
        spec = next((s for s in await self._broker.symbols(self._account) if s.symbol == item.symbol), None)
        if spec is None:
            return wanted
        wanted = max((wanted / spec.vol_step).to_integral_value(ROUND_DOWN) * spec.vol_step, spec.vol_min)
        return total if total - wanted < spec.vol_min else wanted

    async def _modify(self, item: Item, sending: Sending) -> Done:
        """New levels; what the command leaves out stays, 0 removes it."""
        requests = [
            Request(
                action=TradeAction.SLTP,
                symbol=p.symbol,
                position=p.ticket,
                sl=p.sl if item.sl is None else item.sl,
                tp=p.tp if item.tp is None else item.tp,
                magic=item.number,
            )
            for p in await self._targets(item)
        ]
        if item.ticket and not requests:
            wanted = Filter(account=self._account, ticket=int(item.ticket))
            requests = [
                Request(
                    action=TradeAction.MODIFY,
                    symbol=o.symbol,
                    type=o.type,
                    order=o.ticket,
                    price=item.price or o.price_open,
                    sl=o.sl if item.sl is None else item.sl,
                    tp=o.tp if item.tp is None else item.tp,
                    type_time=o.type_time,
                    expiration=o.expiration,
                )
                for o in await self._broker.orders(wanted)
            ]
        return await self._all(item, requests, sending, none=Retcode.POSITION_CLOSED)

    async def _cancel(self, item: Item, sending: Sending) -> Done:
        if item.ticket:
            wanted = Filter(account=self._account, ticket=int(item.ticket))
        else:
            wanted = Filter(account=self._account, symbol=item.symbol, side=_side(item.side) if item.side else None)
        orders = await self._broker.orders(wanted)
        if not item.ticket:
            orders = [
                o for o in orders if self._ours(item, o.magic) and o.time_setup <= (item.opened_before or o.time_setup)
            ]
        elif not orders:
            ended = await self._broker.history_orders(wanted)
            state = ended[0].state if ended else None
            if state in (OrderState.CANCELED, OrderState.EXPIRED):
                return Done(key=item.key, status="done", order=item.ticket, message=f"{state} already")
        requests = [Request(action=TradeAction.REMOVE, symbol=o.symbol, type=o.type, order=o.ticket) for o in orders]
        return await self._all(item, requests, sending, none=Retcode.INVALID_ORDER if item.ticket else Retcode.DONE)

    async def _all(self, item: Item, requests: Sequence[Request], sending: Sending, *, none: Retcode) -> Done:
        """Send each; done if every one is, else the first refusal. ``none``: the answer to no requests at all."""
        sending(ZERO)
        result = Result(retcode=none, comment="nothing to do")
        for request in requests:
            result = await self._broker.order_send(self._account, request)
            if result.retcode not in _SUCCESS and result.retcode != Retcode.NO_CHANGES:
                return _refused(item, result)
        if not requests and none is not Retcode.DONE:
            return _refused(item, result)
        return Done(key=item.key, status="done", ticket=item.ticket or "", retcode=result.retcode)

    async def _targets(self, item: Item) -> list[Position]:
        """The positions an exit or a change means, oldest first."""
        if item.ticket:
            named = Filter(account=self._account, position=int(item.ticket))
            return list(await self._broker.positions(named))
        wanted = Filter(account=self._account, symbol=item.symbol, side=_side(item.side) if item.side else None)
        found: Iterable[Position] = await self._broker.positions(wanted)
        young = item.opened_before
        mine = [p for p in found if self._ours(item, p.magic) and (young is None or p.time <= young)]
        return sorted(mine, key=lambda p: (p.time, p.ticket))

    def _ours(self, item: Item, magic: int) -> bool:
        if self._close_foreign:
            return True
        return magic != 0 and (not item.number or magic >> _PREFIX_BITS == item.number >> _PREFIX_BITS)

    def _request(
        self,
        item: Item,
        action: TradeAction,
        *,
        order_type: OrderType,
        volume: Decimal,
        price: Decimal = ZERO,
        filling: Filling | None = None,
    ) -> Request:
        return Request(
            action=action,
            symbol=item.symbol,
            type=order_type,
            volume=volume,
            price=price,
            sl=item.sl or ZERO,
            tp=item.tp or ZERO,
            filling=filling,
            magic=item.number,
            comment=item.comment or "",
        )

    async def _deals(self, item: Item) -> list[Deal]:
        return await self._broker.history_deals(Filter(account=self._account, magic=item.number))

    async def _deals_of(self, result: Result) -> list[Deal]:
        return await self._broker.history_deals(Filter(account=self._account, order=result.order))


def _never(volume: Decimal) -> None:
    """In the place of :data:`Sending`, for what must not be sent again.

    :raises OutcomeUnknown: instead of trading; changing and cancelling (no lots) may be repeated
    """
    if volume:
        raise OutcomeUnknown("BROKER_NO_ANSWER", "it was sent, and the broker shows no trace of it yet")


def _side(word: str) -> Side:
    return Side(word.upper())


def _refused(item: Item, result: Result) -> Done:
    return Done(key=item.key, status="rejected", retcode=result.retcode, message=result.comment)


def _executed(key: str, deals: Sequence[Deal], wanted: Decimal, retcode: int | None = None) -> Done:
    """What a command's deals amount to; the price is their volume-weighted average.

    ``filled`` also where less was done than wanted: an IOC order's remainder does not go on working.
    """
    volume = sum((d.volume for d in deals), ZERO)
    worth = sum((d.volume * d.price for d in deals), ZERO)
    first = deals[0]
    whole = volume >= wanted
    return Done(
        key=key,
        status="filled",
        ticket=str(first.position),
        order=str(first.order),
        deal=str(first.ticket),
        volume=volume,
        price=first.price if len(deals) == 1 else round(worth / volume, 8),
        retcode=retcode or int(Retcode.DONE if whole else Retcode.DONE_PARTIAL),
        profit=sum((d.profit for d in deals), ZERO),
    )
