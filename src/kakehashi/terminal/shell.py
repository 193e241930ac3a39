"""What carries out the EA's side of the link: one :class:`~kakehashi.terminal.core.link.EaLink` and the world around it.

The machine decides; the shell reads the terminal, keeps the connection, and does what comes out, strictly in order. One
event is taken and carried out without a pause in between, so nothing can come in the middle: the journal's lines keep
their order, and what is sent never overtakes the line it stands on (R2). Trades and looks may take long; they run beside
it, as OrderSendAsync does, and heartbeats go on.

Everything outside comes through the protocols below. A running EA has a terminal, a socket and a file behind them, the
deterministic simulation virtual time and parts in memory; the class is the same.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from kakehashi.domain.errors import KakehashiError, Malformed
from kakehashi.domain.framecodec import encode, from_hub
from kakehashi.domain.values import Millis
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.journal import Memory
from kakehashi.terminal.core.link import EaLink
from kakehashi.terminal.core.link_words import (
    Answered,
    Append,
    Congested,
    Connected,
    Disconnected,
    Drop,
    Garbled,
    Identity,
    Input,
    Look,
    Output,
    Passed,
    Quotes,
    Seen,
    Send,
    Started,
    Stopping,
    Symbols,
    Trade,
    View,
    Watch,
)

BACKLOG: Final = 256 * 1024
"""Bytes not sent yet, above which no more state is told (R17)."""
_PULSE_S: Final = 0.2
_SYMBOLS_S: Final = 60.0
_CONNECT_S: Final = 10.0
_CLOSE_S: Final = 1.0
_LAST_TRADES_S: Final = 1.0
"""A real EA that is stopped is killed after 2.5 s; an answer that comes within this is still told."""
_log = logging.getLogger(__name__)


class Terminal(Protocol):
    """The account as its terminal shows it. Each call ends by itself, within a time that is its own affair."""

    async def view(self, after_deal: int, since: Millis) -> View:
        """One read. Never raises: a terminal that has no broker shows itself as not connected.

        :param after_deal: deals with a higher ticket; 0: those made since ``since``, broker time; 0 too: those of the last day
        """
        ...

    async def symbols(self) -> Symbols:
        """:raises KakehashiError: not now"""
        ...

    async def quotes(self, symbols: tuple[str, ...]) -> Quotes:
        """:raises KakehashiError: not now"""
        ...

    async def trade(self, trade: Trade) -> Answered:
        """Call OrderSend once. Never raises; a call that ends without an answer has no result."""
        ...

    async def look(self, look: Look) -> Seen | None:
        """None: it could not be read."""
        ...


class Line(Protocol):
    """One connection to the hub, on either transport."""

    async def receive(self) -> bytes | None:
        """The next frame; None: the connection is gone."""
        ...

    def send(self, frame: bytes) -> None:
        """Put a frame on its way, or drop it if the connection is gone. Never waits, never raises."""
        ...

    @property
    def backlog(self) -> int:
        """Bytes not sent yet."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Send what is still to be sent, if that goes quickly, and hang up. A second call does nothing."""
        ...


class JournalFile(Protocol):
    """Where the journal's lines are kept. Owned by one EA for its whole life (R2)."""

    def read(self) -> bytes: ...

    def append(self, raw: bytes) -> None:
        """Written and flushed when it returns. :raises OSError: it may be there in part"""
        ...

    def cut(self, size: int) -> None:
        """Take off what lies beyond ``size`` bytes, and keep a copy of it."""
        ...

    def replace(self, raw: bytes) -> None:
        """Let the file be this, all of it or none. :raises OSError: it is as it was"""
        ...


class Clock(Protocol):
    def now(self) -> Millis:
        """Monotonic ms."""
        ...

    def wall(self) -> Millis:
        """The computer's clock, ms UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Millis:
        return time.monotonic_ns() // 1_000_000

    def wall(self) -> Millis:
        return time.time_ns() // 1_000_000


Connect = Callable[[], Awaitable[Line]]
"""Opens one connection. :raises KakehashiError: there is none to be had now"""


class EaShell:
    """One EA from its start to its end; :meth:`run` is its life, :meth:`stop` its planned end.

    :param journal_file: what lies beyond its last good line is cut off here, before anything is written
    :param rng: draws the jitter of reconnecting and the fresh instance ids
    :ivar link: the machine, for looking
    """

    def __init__(
        self,
        identity: Identity,
        *,
        terminal: Terminal,
        journal_file: JournalFile,
        connect: Connect,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._terminal, self._journal, self._connect = terminal, journal_file, connect
        self._clock, self._rng = clock, rng
        self.link = EaLink(_remember(journal_file, clock.wall()), identity)
        self._stop_asked = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._trades: dict[asyncio.Task[None], None] = {}
        self._looks: dict[asyncio.Task[None], None] = {}
        self._reading = asyncio.Lock()
        self._over = False
        self._line: Line | None = None
        self._patience: asyncio.Timeout | None = None
        self._retry_ms = 0
        self._congested = False
        self._watched: tuple[str, ...] = ()
        self._quoted: Quotes | None = None

    async def run(self) -> None:
        """Until :meth:`stop`, cancellation, or a journal that cannot be written.

        :raises ExceptionGroup: an OSError of the journal: what is not written down must not be done
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._take(Started(fresh=self._fresh()))
                await self._read()
                loops = [tasks.create_task(loop()) for loop in (self._pulse, self._follow, self._specify, self._link)]
                await self._stop_asked.wait()
                await self._finish()
                for task in (*loops, *self._trades, *self._looks):
                    task.cancel()
        finally:
            self._over = True

    def stop(self) -> None:
        """Ask for a clean end: BYE is said, CLEAN is written, and :meth:`run` returns."""
        self._stop_asked.set()

    # -- one event ---------------------------------------------------------------------------------------------------

    def _take(self, event: Input) -> None:
        """Bring one event in and carry out all that comes of it; nothing here waits."""
        if self._over:
            return
        try:
            for output in self.link.take(event, now=self._clock.now(), wall=self._clock.wall()):
                self._carry_out(output)
        except BaseException:  # the machine may know what the journal does not: nothing more is done
            self._over = True
            raise
        congested = self._line is not None and self._line.backlog > BACKLOG
        if congested is not self._congested:
            self._congested = congested
            self._take(Congested(congested))

    def _carry_out(self, output: Output) -> None:
        match output:
            case Append():
                self._journal.append(output.raw)
            case Send():
                if self._line is not None:
                    self._line.send(encode(output.frame))
            case Trade():
                self._beside(self._trade(output), self._trades)
            case Look():
                self._beside(self._look(output), self._looks)
            case Watch():
                self._watched, self._quoted = output.symbols, None
            case Drop():
                _log.info("the EA leaves the hub: %s", output.reason)
                self._retry_ms = output.retry_ms
                self._hang_up()

    def _beside(self, work: Coroutine[Any, Any, None], among: dict[asyncio.Task[None], None]) -> None:
        assert self._tasks is not None  # noqa: S101 (nothing is taken before run)
        task = self._tasks.create_task(work)
        among[task] = None
        task.add_done_callback(among.pop)

    def _fresh(self) -> str:
        return f"{self._rng.getrandbits(128):032x}"

    # -- the terminal ------------------------------------------------------------------------------------------------

    async def _read(self, *then: Input) -> None:
        """One view, and what it belongs to. One at a time: an older read must not follow a newer one."""
        async with self._reading:
            memory = self.link.memory
            view = await self._terminal.view(memory.deal_hi, memory.deals_since)
            for event in (view, *then):
                self._take(event)

    async def _trade(self, trade: Trade) -> None:
        await self._read(await self._terminal.trade(trade))

    async def _look(self, look: Look) -> None:
        seen = await self._terminal.look(look)
        if seen is not None:
            await self._read(seen)

    async def _pulse(self) -> None:
        """Time passes, whatever the terminal is doing."""
        while True:
            self._take(Passed())
            await asyncio.sleep(_PULSE_S)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_PULSE_S)
            await self._read()
            if self._watched and self._line is not None:
                await self._quote()

    async def _quote(self) -> None:
        try:
            quotes = await self._terminal.quotes(self._watched)
        except KakehashiError:
            return
        if quotes != self._quoted:
            self._quoted = quotes
            self._take(quotes)

    async def _specify(self) -> None:
        """The specifications at start, and now and then: tick values follow the rates."""
        while True:
            try:
                symbols = await self._terminal.symbols()
            except KakehashiError:
                await asyncio.sleep(_PULSE_S)
            else:
                self._take(symbols)
                await asyncio.sleep(_SYMBOLS_S)

    # -- the connection ----------------------------------------------------------------------------------------------

    async def _link(self) -> None:
        while True:
            await self._talk()
            await asyncio.sleep(self._retry_ms / 1000 * (0.5 + self._rng.random()))

    async def _talk(self) -> None:
        """One connection, from its opening to its end."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                line = await self._connect()
        except (KakehashiError, TimeoutError) as e:
            _log.warning("no connection to the hub: %s", e)
            self._lost()
            return
        self._line = line
        try:
            async with asyncio.timeout(None) as self._patience:
                self._take(Connected(fresh=self._fresh()))
                while self._line is line and (raw := await line.receive()) is not None:
                    self._take(_frame(raw))
            if self._line is line:
                self._line = None
                self._lost()
        except TimeoutError:
            if self._line is line:  # not hung up: it comes from within
                raise
        finally:
            await _closed(line, "")

    def _lost(self) -> None:
        self._take(Disconnected())
        self._retry_ms = self.link.retry_ms

    def _hang_up(self) -> None:
        """Make :meth:`_talk` close the line: it may be waiting for a frame that never comes."""
        if self._line is not None and self._patience is not None:
            self._line = None
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _finish(self) -> None:
        """What was sent to the broker is given a moment to be answered; then the last words."""
        if self._trades:
            await asyncio.wait(self._trades, timeout=_LAST_TRADES_S)
        self._take(Stopping())
        self._over = True
        if self._line is not None:
            await _closed(self._line, "STOP")


def _remember(file: JournalFile, wall: Millis) -> Memory:
    """What the journal says; what lies beyond its last good line is cut off, one that is large is rewritten."""
    raw = file.read()
    memory = journal.read(raw)
    if memory.kept < len(raw):
        file.cut(memory.kept)
    if memory.kept > journal.REWRITE_BYTES:
        clean, raw = memory.clean, journal.rewritten(memory, wall)
        file.replace(raw)
        memory = journal.read(raw)
        memory.clean = clean
    return memory


async def _closed(line: Line, reason: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await line.close(1000, reason)


def _frame(raw: bytes) -> Input:
    try:
        return from_hub(raw)
    except Malformed as e:
        return Garbled(e.code)
