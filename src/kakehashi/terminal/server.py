"""The trade server as a process: the books of all simulated accounts behind a local socket.

Killing a terminal or the hub at any instant changes nothing that was accepted here. A restart with the same ledger
continues from its books (:mod:`kakehashi.terminal.ledger`); pinned prices are let go.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from kakehashi.terminal.accounts import World, login_number, read_world
from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.fills import new_order
from kakehashi.terminal.core.sessions import DAY_MS
from kakehashi.terminal.core.words import AccountSpec, Deal, Order, OrderState, Request
from kakehashi.terminal.facts import account_facts, position_facts, symbol_facts, terminal_symbol
from kakehashi.terminal.ledger import Ledger
from kakehashi.terminal.news import News
from kakehashi.terminal.ticks import Pace, Recording
from kakehashi.terminal.wire import (
    MAX_LINE,
    AccountFacts,
    AccountState,
    Call,
    Evidence,
    Fault,
    Filter,
    Follow,
    Liquidity,
    Login,
    Pin,
    PositionFacts,
    QuoteFacts,
    Read,
    Reply,
    TerminalState,
    Traces,
)

TICK_S: Final = 0.2


class UnknownMethod(ValueError):
    """A request for something this server does not do."""


class TradeServer:
    """Answers requests one after the other; the event loop is the lock.

    :param now_ms: the wall clock, given so that tests can stand still
    """

    def __init__(self, broker: Broker, ledger: Ledger, now_ms: Callable[[], int]) -> None:
        self.broker = broker
        self.ledger = ledger
        self.stopping = asyncio.Event()
        self._now_ms = now_ms
        self._connections: set[asyncio.StreamWriter] = set()
        self._waiting: list[tuple[str, Order]] = []
        self._news = News()
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Call).decode
        self._methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "login": self._login,
            "account_info": lambda p: account_facts(self._book(p)),
            "symbols": lambda p: [symbol_facts(self._book(p), s) for s in self.broker.market.symbols.values()],
            "quote": self._quote,
            "positions": self._positions,
            "orders": self._orders,
            "history_deals": self._history_deals,
            "history_orders": lambda p: self._rows(p, lambda b: b.done, Filter.takes_order),
            "account_state": self._account_state,
            "evidence": self._evidence,
            "terminal_symbols": lambda p: [
                terminal_symbol(self._book(p), s) for s in self.broker.market.symbols.values()
            ],
            "follow": self._follow,
            "order_send": self._order_send,
            "stop_out": self._stop_out,
            "set_price": self._set_price,
            "set_liquidity": self._set_liquidity,
            "stop": self._stop,
        }

    def tick(self) -> None:
        at = self._now_ms()
        self.broker.tick(at)
        self.ledger.write(self.broker, at)
        self._news.of_all()

    def hear(self, symbol: str, bid: Decimal, ask: Decimal, at: int) -> None:
        """A recorded tick, instead of :meth:`tick`.

        :raises ValueError: no such symbol, or prices it cannot have
        """
        self.broker.hear(symbol, bid, ask, at)
        self.ledger.write(self.broker, at)
        self._news.of_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One terminal's connection, until it hangs up."""
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                call = self._read(line)
                account = self._trading(call)
                if account:
                    await self._think(account, call)
                else:
                    await self._await_news(call)
                answer = self._answer(call)
                if account:
                    self._news.of(account)
                if account and self.broker.dice.loses_answer(account):
                    break
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # a terminal that dies or talks nonsense is its own affair
        finally:
            self._connections.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        for writer in list(self._connections):
            writer.close()

    def answer(self, line: bytes) -> bytes:
        """One request line to one answer line; what it changed is written down by then."""
        return self._answer(self._read(line))

    def _read(self, line: bytes) -> Call | Fault:
        try:
            return self._decode(line)
        except msgspec.DecodeError as e:
            return Fault(code="BAD_REQUEST", message=str(e))

    def _answer(self, call: Call | Fault) -> bytes:
        if isinstance(call, Fault):
            return self._encode(Reply(id=0, error=call)) + b"\n"
        try:
            result = self._perform(call)
            self.ledger.write(self.broker, self._now_ms())
            reply = Reply(id=call.id, result=msgspec.Raw(self._encode(result)))
        except UnknownMethod as e:
            reply = Reply(id=call.id, error=Fault(code="UNKNOWN_METHOD", message=str(e)))
        except (ValueError, ArithmeticError, msgspec.ValidationError) as e:  # NaN compares with nothing
            reply = Reply(id=call.id, error=Fault(code="BAD_REQUEST", message=str(e)))
        return self._encode(reply) + b"\n"

    def _trading(self, call: Call | Fault) -> str:
        """The account that a trade request is for; of anything else, nothing."""
        if isinstance(call, Fault) or call.method != "order_send":
            return ""
        book = self.broker.find(str(call.params.get("account")))
        return book.spec.account if book else ""

    async def _think(self, account: str, call: Call | Fault) -> None:
        """Take time over a request, where that was asked for. It has been received: hanging up does not undo it."""
        pause_s = self.broker.dice.delay_s(account)
        if not pause_s or isinstance(call, Fault):
            return
        with contextlib.suppress(msgspec.ValidationError):  # its answer will say what is wrong with it
            request = msgspec.convert(call.params.get("request"), Request, strict=False)
            waiting = (account, new_order(0, request, OrderState.STARTED, self._now_ms()))
            self._waiting.append(waiting)
            self._news.of(account)
            try:
                await asyncio.sleep(pause_s)
            finally:
                self._waiting.remove(waiting)

    async def _await_news(self, call: Call | Fault) -> None:
        if isinstance(call, Fault) or call.method != "follow":
            return
        with contextlib.suppress(msgspec.ValidationError):  # its answer will say what is wrong with it
            wanted = msgspec.convert(call.params, Follow, strict=False)
            await self._news.beyond(wanted.account, wanted.turn, wanted.wait_ms / 1000)

    def _perform(self, call: Call) -> Any:
        method = self._methods.get(call.method)
        if method is None:
            raise UnknownMethod(f"no method {call.method}; there are {', '.join(self._methods)}")
        return method(call.params)

    def _book(self, params: dict[str, Any]) -> Book:
        book = self.broker.find(str(params.get("account")))
        if book is None:
            raise ValueError(f"no account {params.get('account')}: log in first")
        return book

    def _login(self, params: dict[str, Any]) -> AccountFacts:
        asked = msgspec.convert(params, Login, strict=False)
        fields = msgspec.structs.asdict(asked) | {"number": asked.number or login_number(asked.account)}
        return account_facts(self.broker.login(AccountSpec(**fields)))

    def _quote(self, params: dict[str, Any]) -> QuoteFacts:
        name = str(params.get("symbol"))
        book = self.broker.find(str(params.get("account"))) if "account" in params else None
        bare = name.removesuffix(book.spec.suffix) if book else name
        tick = self.broker.market.ticks.get(bare)
        if tick is None:
            raise ValueError(f"no symbol {name}; there are {', '.join(self.broker.market.symbols)}")
        return QuoteFacts(symbol=name, bid=tick.bid, ask=tick.ask, at=tick.at)

    def _positions(self, params: dict[str, Any]) -> list[PositionFacts]:
        book, wanted = self._book(params), msgspec.convert(params, Filter, strict=False)
        return [position_facts(book, p) for p in book.positions.values() if wanted.takes_position(p)][: wanted.limit]

    def _rows(self, params: dict[str, Any], rows: Callable[[Book], Any], takes: Callable[[Filter, Any], bool]) -> Any:
        wanted = msgspec.convert(params, Filter, strict=False)
        return [row for row in rows(self._book(params)) if takes(wanted, row)][: wanted.limit]

    def _orders(self, params: dict[str, Any]) -> list[Order]:
        wanted, book = msgspec.convert(params, Filter, strict=False), self._book(params)
        rows = list(book.orders.values())
        if wanted.started:
            rows += [order for account, order in self._waiting if account == book.spec.account]
        return [row for row in rows if wanted.takes_order(row)][: wanted.limit]

    def _history_deals(self, params: dict[str, Any]) -> list[Deal]:
        wanted = msgspec.convert(params, Filter, strict=False)
        among = self._book(params).deals_among(order=wanted.order, magic=wanted.magic, after=wanted.after)
        return [deal for deal in among if wanted.takes_deal(deal)][: wanted.limit]

    def _account_state(self, params: dict[str, Any]) -> AccountState:
        book, wanted, at = self._book(params), msgspec.convert(params, Read, strict=False), self._now_ms()
        newer = book.deals_among(order=None, magic=None, after=wanted.after)
        return AccountState(
            at=at,
            facts=account_facts(book),
            positions=[position_facts(book, p) for p in book.positions.values()],
            orders=list(book.orders.values()),
            deals=newer if wanted.after else book.deals_since(wanted.since or at - DAY_MS),
        )

    def _follow(self, params: dict[str, Any]) -> TerminalState:
        book, wanted, market = self._book(params), msgspec.convert(params, Follow, strict=False), self.broker.market
        suffix = book.spec.suffix
        return TerminalState(
            at=self._now_ms(),
            turn=self._news.turn(book.spec.account),
            facts=account_facts(book),
            positions=[position_facts(book, p) for p in book.positions.values()],
            orders=[*book.orders.values(), *(o for account, o in self._waiting if account == book.spec.account)],
            deals=book.deals[wanted.deals :],
            done=book.done[wanted.done :],
            quotes=[QuoteFacts(symbol=n + suffix, bid=t.bid, ask=t.ask, at=t.at) for n, t in market.ticks.items()],
            so_call=book.spec.so_call,
            so_so=book.spec.so_so,
            limit_orders=book.spec.limit_orders,
        )

    def _evidence(self, params: dict[str, Any]) -> Evidence:
        book, wanted = self._book(params), msgspec.convert(params, Traces, strict=False)
        waiting = [order for account, order in self._waiting if account == book.spec.account]
        return Evidence(
            working=[o for o in (*book.orders.values(), *waiting) if wanted.of_order(o)],
            ended=[o for o in book.done_since(wanted.since) if wanted.of_order(o)],
            deals=[d for d in book.deals_since(wanted.since) if wanted.of_deal(d)],
        )

    def _order_send(self, params: dict[str, Any]) -> Any:
        request = msgspec.convert(params.get("request"), Request, strict=False)
        return self.broker.order_send(str(params.get("account")), request, self._now_ms())

    def _stop_out(self, params: dict[str, Any]) -> list[Deal]:
        closed = self.broker.force_stop_out(str(params.get("account")), self._now_ms())
        self._news.of_all()
        return closed

    def _set_price(self, params: dict[str, Any]) -> None:
        pin, at = msgspec.convert(params, Pin, strict=False), self._now_ms()
        if pin.bid is None:
            self.broker.market.release(pin.symbol)
        else:
            self.broker.market.pin(pin.symbol, pin.bid, pin.ask, at)
            self.broker.act(at)
        self._news.of_all()

    def _set_liquidity(self, params: dict[str, Any]) -> None:
        wanted = msgspec.convert(params, Liquidity, strict=False)
        if wanted.volume is None:
            self.broker.liquidity.pop(wanted.symbol, None)
        else:
            self.broker.liquidity[wanted.symbol] = wanted.volume

    def _stop(self, params: dict[str, Any]) -> None:
        self.stopping.set()


async def serve_broker(
    socket: str,
    ledger: Path,
    accounts_file: Path | None = None,
    seed: int = 1,
    *,
    strict: bool = False,
    ticks: Path | None = None,
    speed: float = 1.0,
) -> None:
    """Run the trade server until SIGTERM, SIGINT, or a ``stop`` request.

    Prints one line on stderr once terminals can connect: ``broker ready on SOCKET``.

    :param socket: a path (Unix socket), or ``HOST:PORT`` for TCP, the only choice on Windows
    :param ticks: a recording that takes the place of the seeded prices; the server's time is then that of its last tick
    :param speed: how many times faster than it was recorded
    :raises ValueError: a bad accounts file, or a bad line of the recording, now or when it is reached
    """
    world = read_world(accounts_file) if accounts_file else World()
    book_keeping = Ledger(ledger)
    recording = Recording(ticks, after=book_keeping.last_at) if ticks else None
    clock = _Clock(recording.begins) if recording else None
    now_ms = clock.now_ms if clock else _now_ms
    broker = Broker(seed=seed, at=now_ms(), symbols=world.symbols, strict=strict, faults=world.faults)
    book_keeping.restore(broker, now_ms())
    for spec in world.accounts:
        if broker.find(spec.account) is None:
            broker.open_account(spec)
    book_keeping.write(broker, now_ms())
    server = TradeServer(broker, book_keeping, now_ms)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, server.stopping.set)
    listener = await _listen(server, socket)
    try:
        print(f"broker ready on {socket}", file=sys.stderr, flush=True)
        if recording and clock:
            await _play_until_stopped(server, recording, clock, speed)
        else:
            await _tick_until_stopped(server)
    finally:
        listener.close()
        server.hang_up()
        book_keeping.close()
        if recording:
            recording.close()


class _Clock:
    """The time of the tick that was played last."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now_ms(self) -> int:
        return self.at


async def _tick_until_stopped(server: TradeServer) -> None:
    server.tick()
    while not await _stopped_within(server, TICK_S):
        server.tick()


async def _play_until_stopped(server: TradeServer, recording: Recording, clock: _Clock, speed: float) -> None:
    """Every tick when it is due; after the last one prices stand, and the server goes on answering."""

    pace = Pace(recording.begins, speed)
    for tick in recording:
        if await _stopped_within(server, pace.left_s(tick.at)):
            return
        clock.at = tick.at
        try:
            server.hear(tick.symbol, tick.bid, tick.ask, tick.at)
        except ValueError as e:
            raise recording.wrong(tick.line, str(e)) from None
    print("the recorded ticks have ended", file=sys.stderr, flush=True)
    await server.stopping.wait()


async def _stopped_within(server: TradeServer, seconds: float) -> bool:
    if seconds <= 0:
        await asyncio.sleep(0)  # the terminals' turn
    else:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await server.stopping.wait()
    return server.stopping.is_set()


async def _listen(server: TradeServer, socket: str) -> asyncio.Server:
    host, _, port = socket.rpartition(":")
    if port.isdigit() and "/" not in socket:
        return await asyncio.start_server(server.serve, host or "127.0.0.1", int(port), limit=MAX_LINE)
    path = Path(socket)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()  # left by a broker that was killed
    return await asyncio.start_unix_server(server.serve, socket, limit=MAX_LINE)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
