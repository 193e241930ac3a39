"""A terminal as awkward as the real one: it shows what the broker had a moment ago, and after a start nothing at all.

Implements the shell's ``Terminal`` over a :class:`~tests.simulation.server.TradeServer`.
"""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Callable

from tests.simulation.server import Snapshot, TradeServer
from tests.simulation.virtual import Machine

from kakehashi.domain.errors import Unavailable
from kakehashi.domain.frames import DealRow, SymbolRow
from kakehashi.terminal.core.link_words import DAY, Answered, Look, Quotes, Seen, Symbols, Trade, View
from kakehashi.terminal.core.words import Order, Result


class SimTerminal:
    """One terminal on one machine.

    :ivar calm: no fault of its own any more
    :ivar on_trade: sees every request before anything is done with it
    :ivar connected_at: since when it has its broker; None: it has not
    """

    def __init__(self, server: TradeServer, machine: Machine, rng: random.Random, *, calm: bool = False) -> None:
        self._server, self._machine, self._rng = server, machine, rng
        self._loop = asyncio.get_running_loop()
        self.calm = calm
        self.dead = False
        self.connected_at: float | None = None
        self._shown: Snapshot | None = None
        self.on_trade: Callable[[Trade], None] = lambda _: None
        self.connect()

    def connect(self) -> None:
        """The broker is reached; for a while the terminal shows no positions, and no history for longer."""
        if self.connected_at is not None:
            return
        self.connected_at = self._loop.time()
        self._empty_s = 0.0 if self.calm else self._rng.uniform(0, 3.5)
        self._late_s = self._empty_s + (0.0 if self.calm else self._rng.uniform(0, 5))

    def disconnect(self) -> None:
        self.connected_at = None

    def _lag(self, most: float) -> float:
        return 0.02 if self.calm else self._rng.random() ** 4 * most

    def _state(self) -> Snapshot | None:
        """What it shows of positions and orders; None: nothing yet. Never older than what it showed before."""
        if self.connected_at is None or self._loop.time() - self.connected_at < self._empty_s:
            return None
        now = self._at(self._loop.time() - self._lag(1.0))
        if self._shown is None or now.at > self._shown.at:
            self._shown = now
        return self._shown

    def _history(self) -> Snapshot | None:
        if self.connected_at is None or self._loop.time() - self.connected_at < self._late_s:
            return None
        return self._at(self._loop.time() - self._lag(4.0))

    def _at(self, moment: float) -> Snapshot:
        snapshots = self._server.snapshots
        return snapshots[max(0, bisect_right(snapshots, moment, key=lambda s: s.at) - 1)]

    # -- what the shell asks ------------------------------------------------------------------------------------------

    async def view(self, after_deal: int, since: int) -> View:
        await self._machine.awake()
        if self.dead:
            await asyncio.Event().wait()
        server, connected = self._server, self.connected_at is not None
        state, history = (self._state(), self._history()) if connected else (self._shown, None)
        since = since or server.now() - DAY
        rows = server.rows[: history.deals] if history else []
        if after_deal:
            rows = rows[bisect_right(rows, after_deal, key=lambda d: int(d.ticket)) :]
        return View(
            connected=connected,
            login=server.spec.number,
            server=server.spec.server,
            broker_time=server.now(),
            positions=state.positions if state else (),
            orders=state.orders if state else (),
            deals=tuple(d for d in rows if d.time >= since),
            balance=server.book.balance,
            equity=server.equity,
        )

    async def symbols(self) -> Symbols:
        await self._machine.awake()
        if self.connected_at is None:
            raise Unavailable("STORE_UNAVAILABLE", "not connected")
        rows = []
        for s in self._server.broker.market.symbols.values():
            value = s.point * s.contract_size * self._server.broker.market.rate(s.profit, "USD")
            rows.append(
                SymbolRow(
                    symbol=s.name, digits=s.digits, point=s.point, tick_size=s.point, tick_value=value,
                    contract_size=s.contract_size, vol_min=s.vol_min, vol_max=s.vol_max, vol_step=s.vol_step,
                    profit_currency=s.profit, trade_mode="FULL",
                )
            )  # fmt: skip
        return Symbols(tuple(rows))

    async def quotes(self, symbols: tuple[str, ...]) -> Quotes:
        ticks = self._server.broker.market.ticks
        return Quotes(tuple((n, ticks[n].bid, ticks[n].ask, ticks[n].at) for n in symbols if n in ticks))

    async def trade(self, trade: Trade) -> Answered:
        await self._machine.awake()
        if self.dead:
            await asyncio.Event().wait()
        self.on_trade(trade)
        if self.connected_at is None:
            return Answered(id=trade.id, result=Result(retcode=10031))
        result = await self._server.send(trade.request)
        await self._machine.awake()
        deals: tuple[DealRow, ...] = ()
        history = self._history()
        if result is not None and result.order and history is not None:
            deals = tuple(d for d in self._server.rows[: history.deals] if d.order == str(result.order))
        return Answered(id=trade.id, result=result, deals=deals)

    async def look(self, look: Look) -> Seen | None:
        await self._machine.awake()
        if self.dead:
            await asyncio.Event().wait()
        await asyncio.sleep(self._rng.uniform(0.001, 0.05))
        state, history = self._state(), self._history()
        if state is None or history is None:
            return None if self._rng.random() < 0.5 else Seen(id=look.id, n=look.n)
        book, rows = self._server.book, self._server.rows

        def mine(o: Order) -> bool:
            return (look.magic != 0 and o.magic == look.magic) or (look.order != 0 and o.ticket == look.order)

        def dealt(d: DealRow) -> bool:
            return d.time >= look.since and (
                (look.magic != 0 and d.magic == str(look.magic))
                or (look.order != 0 and d.order == str(look.order))
                or (look.position != 0 and d.position == str(look.position))
            )

        return Seen(
            id=look.id,
            n=look.n,
            working=tuple(o for o in state.working if mine(o)),
            ended=tuple(o for o in book.done[: history.done] if mine(o)),
            deals=tuple(d for d in rows[: history.deals] if dealt(d)),
        )
