"""The broker's side of the simulated world: the product's trade server rules, and everything that may go wrong around them.

The books here are the oracle: what is in them has happened, whatever anybody believes. They never die and share no code
with the hub.
"""

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace
from tests.simulation.virtual import EPOCH_MS

from kakehashi.domain.frames import DealRow, OrderRow, PositionRow
from kakehashi.terminal.core.book import Book, Tickets
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.market import SYMBOLS
from kakehashi.terminal.core.requests import new_order
from kakehashi.terminal.core.rows import deal_row, order_row, position_row
from kakehashi.terminal.core.words import (
    ZERO,
    AccountSpec,
    Deal,
    MarginMode,
    Order,
    OrderState,
    OrderType,
    Position,
    Reason,
    Request,
    Result,
    Retcode,
    Side,
    TradeAction,
)

BROKER_OFFSET_MS = 2 * 3_600_000
"""The broker's clock: not UTC."""
NAMES = ("EURUSD", "USDJPY")
REFUSALS = (10004, 10006, 10018, 10021, 10024)
NO_ANSWER = (None, 10012, 10031)
OVERTAKEN = 0.25
"""Of the exits on an account whose broker looks at sides only."""


class Snapshot(msgspec.Struct, frozen=True):
    """The account from one moment on. ``deals`` and ``done``: how many there are in its history."""

    at: float
    positions: tuple[PositionRow, ...]
    orders: tuple[OrderRow, ...]
    working: tuple[Order, ...]
    deals: int
    done: int


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request meets which fate; what is left of 1 goes well."""

    lost: float = 0.03
    unanswered: float = 0.04
    held: float = 0.03
    queued: float = 0.05
    partial: float = 0.06
    working: float = 0.05
    refused: float = 0.05


CALM = Chances(lost=0, unanswered=0, held=0, queued=0, partial=0, working=0, refused=0)


class _Reserved(Tickets):
    """Hands out one ticket that was taken before; deals are numbered as ever."""

    def __init__(self, ticket: int, tickets: Tickets) -> None:
        super().__init__()
        self._ticket, self._tickets = ticket, tickets

    def order(self) -> int:
        return self._ticket

    def deal(self) -> int:
        return self._tickets.deal()


class TradeServer:
    """One account at its broker.

    :param blind: on this netting account an exit is no more than an opposite deal, whatever position it names; and a person
        is sometimes a moment faster than it
    :ivar chances: what goes wrong with requests from now on
    :ivar fates: how often what went wrong
    """

    def __init__(self, rng: random.Random, spec: AccountSpec, seed: int, *, blind: random.Random | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng, self._blind = rng, blind
        symbols = tuple(s for s in SYMBOLS if s.name in NAMES)
        self.broker = Broker(seed=seed, at=self.now(), symbols=symbols)
        self.spec = spec
        self.book: Book = self.broker.open_account(spec)
        self.chances = Chances()
        self.fates: dict[str, int] = {}
        self.rows: list[DealRow] = []
        self.touched: Callable[[], None] = lambda: None
        self._working: dict[int, Order] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.snapshots: list[Snapshot] = []
        self.equity = self.book.balance
        self._opened_with: dict[int, int] = {}
        self._note()

    def now(self) -> int:
        """Broker time, ms."""
        return EPOCH_MS + BROKER_OFFSET_MS + int(self._loop.time() * 1000)

    @property
    def busy(self) -> bool:
        """Whether any request is still on its way, or an order at work by itself."""
        return bool(self._tasks or self._working)

    async def run(self) -> None:
        """The market moves."""
        while True:
            await asyncio.sleep(1.0)
            self.broker.tick(self.now())
            self.equity = self.book.equity() if self.book.positions else self.book.balance
            self._note()

    def _note(self) -> None:
        """From now on the account is as it is now."""
        if not self.book.changed and self.snapshots:
            return
        self.book.written()
        for deal in self.book.deals[len(self.rows) :]:
            self.rows.append(self._row(deal))
        self.snapshots.append(
            Snapshot(
                at=self._loop.time(),
                positions=tuple(position_row(p) for p in self.book.positions.values()),
                orders=tuple(order_row(o) for o in self.book.orders.values()),
                working=(*self.book.orders.values(), *self._working.values()),
                deals=len(self.book.deals),
                done=len(self.book.done),
            )
        )
        self.touched()

    def _row(self, deal: Deal) -> DealRow:
        """Stops and targets carry magic 0 at some brokers, the position's at others: here one by one."""
        row = deal_row(deal)
        if deal.entry.value == "IN":
            self._opened_with.setdefault(deal.position, deal.magic)
        elif deal.reason in (Reason.SL, Reason.TP, Reason.SO) and deal.ticket % 2:
            row = replace(row, magic=str(self._opened_with.get(deal.position, 0)))
        return row

    # -- requests --------------------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Result | None:
        """One request from a terminal, to its answer or to the lack of one. Goes on if nobody waits any more."""
        answer: asyncio.Future[Result | None] = self._loop.create_future()
        self._beside(self._fate(request, answer))
        return await answer

    def _beside(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks[task] = None
        task.add_done_callback(lambda t: self._tasks.pop(t, None))

    def _draw(self, request: Request) -> str:
        x, deal = self._rng.random(), request.action is TradeAction.DEAL
        for name in Chances.__struct_fields__:
            x -= getattr(self.chances, name)
            if x < 0:
                fate = name if deal or name not in ("partial", "working", "queued") else "fine"
                break
        else:
            fate = "fine"
        self.fates[fate] = self.fates.get(fate, 0) + 1
        return fate

    async def _fate(self, request: Request, answer: asyncio.Future[Result | None]) -> None:
        rng, fate = self._rng, self._draw(request)
        await asyncio.sleep(rng.uniform(0.005, 0.15))
        if self._blind is not None and request.action is TradeAction.DEAL and request.position:
            self._overtake(request.position, self._blind)
            request = replace(request, position=0)
        match fate:
            case "lost":
                await self._unanswered(answer)
            case "unanswered":
                self._perform(request)
                await self._unanswered(answer)
            case "held":
                self._beside(self._unanswered(answer))
                await self._hold(request, rng.uniform(5, 120))
            case "queued":
                ticket = self._start(request)
                _reply(answer, Result(retcode=10008, order=ticket))
                await asyncio.sleep(rng.uniform(0.1, 4))
                self._finish(request, ticket)
            case "refused":
                _reply(answer, Result(retcode=rng.choice(REFUSALS)))
            case "partial" | "working" if request.volume >= Decimal("0.02"):
                await self._in_parts(request, answer, goes_on=fate == "working")
            case _:
                result = self._perform(request)
                await asyncio.sleep(rng.uniform(0.0, 0.1))
                _reply(answer, result)

    def _overtake(self, ticket: int, rng: random.Random) -> None:
        """Now and then a person closes some or all of it just before the exit comes."""
        position = self.book.positions.get(ticket)
        if position is None or self.chances is CALM or rng.random() > OVERTAKEN:
            return
        what = rng.choice(["close", "close_part"])
        if self._perform(replace(self._change(what, position), reason=Reason.CLIENT)).retcode == Retcode.DONE:
            self.fates["overtaken"] = self.fates.get("overtaken", 0) + 1

    async def _unanswered(self, answer: asyncio.Future[Result | None]) -> None:
        await asyncio.sleep(self._rng.uniform(1, 25))
        retcode = self._rng.choice(NO_ANSWER)
        _reply(answer, Result(retcode=retcode) if retcode else None)

    async def _hold(self, request: Request, seconds: float) -> None:
        """A dealer looks at it; some brokers show the order meanwhile."""
        if request.action is not TradeAction.DEAL or self._rng.random() < 0.3:
            await asyncio.sleep(seconds)
            self._perform(request)
            return
        ticket = self._start(request)
        await asyncio.sleep(seconds)
        self._finish(request, ticket)

    async def _in_parts(self, request: Request, answer: asyncio.Future[Result | None], *, goes_on: bool) -> None:
        ticket = self._start(request)
        half = (request.volume / 2).quantize(Decimal("0.01"))
        first = self._part(request, ticket, half)
        if first.retcode != Retcode.DONE:
            self._end(ticket, OrderState.REJECTED)
            _reply(answer, first)
            return
        if not goes_on:
            self._end(ticket, OrderState.CANCELED)
        _reply(answer, replace(first, retcode=int(Retcode.DONE_PARTIAL)))
        while ticket in self._working:
            await asyncio.sleep(self._rng.uniform(0.5, 20))
            left = self._working[ticket].volume_current
            part = min(left, max(Decimal("0.01"), (left / 2).quantize(Decimal("0.01"))))
            if self._rng.random() < 0.15 or self._part(request, ticket, part).retcode != Retcode.DONE:
                self._end(ticket, OrderState.CANCELED)
            elif not self._working[ticket].volume_current:
                self._end(ticket, OrderState.FILLED)

    def _perform(self, request: Request) -> Result:
        result = self.broker.order_send(self.spec.account, request, self.now())
        self._note()
        return result

    # -- market orders with a life of their own ----------------------------------------------------------------------

    def _start(self, request: Request) -> int:
        ticket = self.book.tickets.order()
        order = new_order(ticket, request, OrderState.STARTED, self.now(), left=request.volume)
        self._working[ticket] = order
        self._changed()
        return ticket

    def _finish(self, request: Request, ticket: int) -> None:
        done = self._part(request, ticket, request.volume).retcode == Retcode.DONE
        self._end(ticket, OrderState.FILLED if done else OrderState.REJECTED)

    def _part(self, request: Request, ticket: int, volume: Decimal) -> Result:
        """Deal a part of an order under its own ticket; the order itself ends by :meth:`_end`."""
        mine, self.book.tickets = self.book.tickets, _Reserved(ticket, self.book.tickets)
        try:
            before = len(self.book.done)
            result = self.broker.order_send(self.spec.account, replace(request, volume=volume), self.now())
            del self.book.done[before:]
        finally:
            self.book.tickets = mine
        if result.retcode == Retcode.DONE:
            order = self._working[ticket]
            left = order.volume_current - volume
            self._working[ticket] = replace(order, volume_current=left, state=OrderState.PARTIAL)
            self._changed()
        return result

    def _end(self, ticket: int, state: OrderState) -> None:
        self.book.end(replace(self._working.pop(ticket), state=state, time_done=self.now()))
        self._changed()

    def _changed(self) -> None:
        self.book.changed = True
        self._note()

    # -- a person at another terminal --------------------------------------------------------------------------------

    def by_hand(self) -> str:
        """A person opens, closes, or moves a stop: all of it with magic 0, the last without a deal."""
        rng, positions = self._rng, list(self.book.positions.values())
        what = rng.choice(["open", "close", "close_part", "move_stop", "move_stop"]) if positions else "open"
        if what == "open":
            side = rng.choice([OrderType.BUY, OrderType.SELL])
            volume = Decimal(rng.randrange(1, 30)).scaleb(-2)
            if self.spec.margin_mode is MarginMode.NETTING:  # a hedge by hand would only mix the netted position
                side = OrderType(positions[0].side.value) if positions else side
            request = Request(action=TradeAction.DEAL, symbol=rng.choice(NAMES), type=side, volume=volume)
        else:
            request = self._change(what, rng.choice(positions))
        result = self._perform(replace(request, reason=Reason.CLIENT))
        return what if result.retcode == Retcode.DONE else ""

    def _change(self, what: str, p: Position) -> Request:
        if what == "move_stop":
            away = self.broker.market.symbols[p.symbol].point * self._rng.randrange(50, 300)
            bid = self.broker.market.ticks[p.symbol].bid
            return Request(
                action=TradeAction.SLTP, symbol=p.symbol, position=p.ticket, sl=bid - away * p.side.sign, tp=p.tp
            )
        volume = p.volume if what == "close" else max(Decimal("0.01"), (p.volume / 2).quantize(Decimal("0.01")))
        kind = OrderType(p.side.opposite.value)
        return Request(action=TradeAction.DEAL, symbol=p.symbol, type=kind, volume=volume, position=p.ticket)

    def crash(self) -> None:
        """The price falls so far that positions are stopped out; then the account is funded again."""
        market, name = self.broker.market, "EURUSD"
        large = Request(
            action=TradeAction.DEAL, symbol=name, type=OrderType.BUY, volume=Decimal(7), reason=Reason.CLIENT
        )
        self._perform(large)
        bid = market.ticks[name].bid
        market.pin(name, bid - Decimal("0.0120"), None, self.now())
        self.broker.act(self.now())
        market.release(name)
        self.book.balance = max(self.book.balance, ZERO) + self.spec.balance
        self._changed()


def _reply(answer: asyncio.Future[Result | None], result: Result | None) -> None:
    if not answer.done():
        answer.set_result(result)


def sides(position: Position) -> int:
    return 1 if position.side is Side.BUY else -1
