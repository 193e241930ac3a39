"""The trade server as a process: the books of all simulated accounts behind a local socket.

Killing a terminal or the hub at any instant changes nothing that was accepted here. A restart with the same ledger
continues from its books (:mod:`kakehashi.terminal.ledger`); pinned prices are let go.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from kakehashi.terminal.accounts import World, read_world
from kakehashi.terminal.clock import PlayedClock
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.fills import new_order
from kakehashi.terminal.core.words import OrderState, Request
from kakehashi.terminal.desk import Desk, UnknownMethod
from kakehashi.terminal.ledger import Ledger
from kakehashi.terminal.news import News
from kakehashi.terminal.ticks import Pace, Recording
from kakehashi.terminal.wire import MAX_LINE, Call, Fault, Follow, Hello, Outage, Reply

STEP_MS: Final = 200
MOST_STEPS: Final = 500
"""Of the walk at once, where the server's time has run far ahead of it."""


class TradeServer:
    """Answers requests one after the other; the event loop is the lock.

    :param ledger: None remembers nothing beyond the process
    :param now_ms: the server's clock, given so that tests can stand still
    """

    def __init__(self, broker: Broker, ledger: Ledger | None, now_ms: Callable[[], int]) -> None:
        self.broker = broker
        self.ledger = ledger
        self.stopping = asyncio.Event()
        self._now_ms = now_ms
        self._connections: set[asyncio.StreamWriter] = set()
        self._clients: dict[asyncio.StreamWriter, str] = {}
        self._out_until = 0.0
        self._walked = broker.at
        self._news = News()
        self.desk = Desk(broker, now_ms, self._news)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Call).decode
        self._methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "outage": self._outage,
            "drained": lambda p: msgspec.convert(p, Hello).client not in self._clients.values(),
            "stop": self._stop,
        }

    def tick(self) -> None:
        """One step, now."""
        at = self._walked = self._now_ms()
        self.broker.tick(at)
        self._write(at)
        self._news.of_all()

    def catch_up(self) -> None:
        """Walk on to the present: a step for each fifth of a second that is over, longer ones where there would be too
        many. How often it is called changes nothing.
        """
        last, over = self._walked, (self._now_ms() - self._walked) // STEP_MS
        if over <= 0:
            return
        steps = min(over, MOST_STEPS)
        for n in range(1, steps + 1):
            self._walked = last + over * n // steps * STEP_MS
            self.broker.tick(self._walked)
        self._write(self._walked)
        self._news.of_all()

    def hear(self, symbol: str, bid: Decimal, ask: Decimal, at: int) -> None:
        """A recorded tick, instead of :meth:`tick`.

        :raises ValueError: no such symbol, or prices it cannot have
        """
        self.broker.hear(symbol, bid, ask, at)
        self._write(at)
        self._news.of_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One terminal's connection, until it hangs up."""
        self._connections.add(writer)
        try:
            while (line := await reader.readline()) and not self._is_out():
                if not await self._converse(line, writer):
                    break
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # a terminal that dies or talks nonsense is its own affair; the server's end is no fault either
        finally:
            self._connections.discard(writer)
            self._clients.pop(writer, None)
            writer.close()

    async def _converse(self, line: bytes, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; false where the connection is lost instead."""
        call = self._read(line)
        account = self._trading(call)
        if account:
            if self.broker.dice.drops_request(account):
                return False
            await self._think(account, call)
        else:
            self._greet(call, writer)
            await self._await_news(call)
        answer = self._answer(call)
        if account:
            self._news.of(account)
            if self.broker.dice.loses_answer(account):
                return False
        writer.write(answer)
        await writer.drain()
        return True

    def hang_up(self) -> None:
        for writer in list(self._connections):
            writer.close()

    def answer(self, line: bytes) -> bytes:
        """One request line to one answer line; what it changed is written down by then."""
        return self._answer(self._read(line))

    def perform(self, method: str, params: Any) -> Any:
        """The same for a terminal in this process: structs in and out; what it changed is written down.

        :raises UnknownMethod: there is none of this name
        :raises ValueError: the parameters are of no use, and why
        """
        found = self._methods.get(method)
        result = found(params) if found else self.desk.answer(method, params)
        self._write(self._now_ms())
        return result

    def _write(self, at: int) -> None:
        if self.ledger is not None:
            self.ledger.write(self.broker, at)

    def _read(self, line: bytes) -> Call | Fault:
        try:
            return self._decode(line)
        except msgspec.DecodeError as e:
            return Fault(code="BAD_REQUEST", message=str(e))

    def _answer(self, call: Call | Fault) -> bytes:
        if isinstance(call, Fault):
            return self._encode(Reply(id=0, error=call)) + b"\n"
        try:
            result = None if call.method == "hello" else self.perform(call.method, call.params)
            reply = Reply(id=call.id, result=msgspec.Raw(self._encode(result)))
        except UnknownMethod as e:
            there = ", ".join([*self.desk.methods, *self._methods])
            reply = Reply(id=call.id, error=Fault(code="UNKNOWN_METHOD", message=f"{e}; there are {there}"))
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
            self.desk.waiting.append(waiting)
            self._news.of(account)
            try:
                await asyncio.sleep(pause_s)
            finally:
                self.desk.waiting.remove(waiting)

    def _greet(self, call: Call | Fault, writer: asyncio.StreamWriter) -> None:
        """A connection that has a name: once it is gone, ``drained`` says that nothing it sent is still to come."""
        if isinstance(call, Call) and call.method == "hello":
            with contextlib.suppress(msgspec.ValidationError):
                self._clients[writer] = msgspec.convert(call.params, Hello).client

    def _is_out(self) -> bool:
        return asyncio.get_running_loop().time() < self._out_until

    def _outage(self, params: Any) -> None:
        wanted = msgspec.convert(params, Outage, strict=False)
        loop = asyncio.get_running_loop()
        self._out_until = loop.time() + wanted.seconds
        loop.call_soon(self.hang_up)  # whoever asked for it has its answer first

    async def _await_news(self, call: Call | Fault) -> None:
        if isinstance(call, Fault) or call.method != "follow":
            return
        with contextlib.suppress(msgspec.ValidationError):  # its answer will say what is wrong with it
            wanted = msgspec.convert(call.params, Follow, strict=False)
            await self._news.beyond(wanted.account, wanted.turn, wanted.wait_ms / 1000)

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
    clock = PlayedClock(recording.begins) if recording else world.clock.started(after=book_keeping.last_at)
    now_ms = clock.now_ms
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
        if recording and isinstance(clock, PlayedClock):
            await _play_until_stopped(server, recording, clock, speed)
        else:
            await _tick_until_stopped(server)
    finally:
        listener.close()
        server.hang_up()
        book_keeping.close()
        if recording:
            recording.close()


async def _tick_until_stopped(server: TradeServer) -> None:
    server.tick()
    while not await _stopped_within(server, STEP_MS / 1000):
        server.catch_up()


async def _play_until_stopped(server: TradeServer, recording: Recording, clock: PlayedClock, speed: float) -> None:
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
