"""The EA on the link: its terminal is the simulated broker, its line a WebSocket or polls, its journal a locked file."""

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import httpx
import msgspec

from kakehashi import __version__
from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Rejected, Unavailable
from kakehashi.domain.frames import DealRow, SymbolRow
from kakehashi.domain.values import Millis
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.link_words import Answered, Identity, Look, Quotes, Seen, Symbols, Trade, View
from kakehashi.terminal.core.rows import deal_row, order_row, position_row
from kakehashi.terminal.core.words import Result
from kakehashi.terminal.dying import DyingFile, Fate
from kakehashi.terminal.journal_file import LockedFile
from kakehashi.terminal.poll_line import MOST_WAIT_MS, PollLine
from kakehashi.terminal.shell import Connect, EaShell, Line, SystemClock
from kakehashi.terminal.websocket_line import open_websocket
from kakehashi.terminal.wire import AccountFacts, Filter, Login, Read, SymbolFacts, Traces

_READ_S: Final = 5.0
_TRADE_S: Final = 180.0
"""A dealer may hold an order for 120 s; the EA looks for what was not answered long before."""
_RETRY_S: Final = 0.5
_NO_CONNECTION: Final = 10031
"""TRADE_RETCODE_CONNECTION: what a terminal without its broker answers."""
_log = logging.getLogger(__name__)


class Transport(StrEnum):
    WEBSOCKET = "ws"
    POLL = "poll"


class LinkedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One EA on one account, over the link.

    :ivar base_url: of the hub, ``http(s)://``
    :ivar socket: of the broker
    :ivar account: the simulated broker's name of the account; ``login`` says how one that does not exist is opened
    :ivar journal: its file; None is ``<server>-<login>.journal`` in ``journals``
    :ivar fate: where it dies, for tests
    """

    base_url: str
    token: str
    socket: str
    login: Login
    journals: Path
    journal: Path | None = None
    transport: Transport = Transport.WEBSOCKET
    wait_ms: int = MOST_WAIT_MS
    fate: Fate | None = None

    @property
    def account(self) -> str:
        return self.login.account


class BrokerTerminal:
    """One account of the simulated broker, read over one connection; every trade under way has one of its own.

    :param left: called when a trade has left and is not answered yet
    """

    def __init__(self, socket: str, login: Login, *, left: Callable[[], None] = lambda: None) -> None:
        self._socket, self._login, self._left = socket, login, left
        self._reader = BrokerClient(socket, timeout_s=_READ_S)
        self._free: list[BrokerClient] = []
        self._all: list[BrokerClient] = []
        self._known = False
        self._last = View(connected=False, login="", server="", broker_time=0)

    async def login(self) -> AccountFacts:
        """:raises KakehashiError: not now"""
        facts = await self._reader.login(self._login)
        self._known = True
        return facts

    async def view(self, after_deal: int, since: Millis) -> View:
        """Without its broker a terminal goes on showing what it had last."""
        try:
            if not self._known:
                await self.login()
            state = await self._reader.account_state(Read(account=self._login.account, after=after_deal, since=since))
        except KakehashiError as e:
            if self._last.connected:
                _log.warning("the broker is gone: %s", e)
            self._known = False
            self._last = msgspec.structs.replace(self._last, connected=False, deals=())
            return self._last
        facts = state.facts
        self._last = View(
            connected=True,
            login=facts.login,
            server=facts.server,
            broker_time=state.at,
            positions=tuple(position_row(p, p.profit) for p in state.positions),
            orders=tuple(order_row(o) for o in state.orders),
            deals=tuple(deal_row(d) for d in state.deals),
            balance=facts.balance,
            equity=facts.equity,
            credit=facts.credit,
            margin=facts.margin,
        )
        return self._last

    async def symbols(self) -> Symbols:
        return Symbols(tuple(_symbol_row(s) for s in await self._reader.symbols(self._login.account)))

    async def quotes(self, symbols: tuple[str, ...]) -> Quotes:
        """Of those the account has."""
        rows = []
        for name in symbols:
            with contextlib.suppress(Rejected):
                q = await self._reader.quote(name, self._login.account)
                rows.append((q.symbol, q.bid, q.ask, q.at))
        return Quotes(tuple(rows))

    async def trade(self, trade: Trade) -> Answered:
        try:
            async with self._line_of_its_own() as client:
                result = await client.order_send(self._login.account, trade.request)
        except Unavailable:
            return Answered(id=trade.id, result=Result(retcode=_NO_CONNECTION, comment="no connection"))
        except (OutcomeUnknown, Rejected) as e:
            _log.warning("%s: %s", trade.id, e)
            return Answered(id=trade.id, result=None)
        return Answered(id=trade.id, result=result, deals=await self._deals_of(result) if result.order else ())

    async def _deals_of(self, result: Result) -> tuple[DealRow, ...]:
        wanted = Filter(account=self._login.account, order=result.order)
        try:
            return tuple(deal_row(d) for d in await self._reader.history_deals(wanted))
        except KakehashiError:
            return ()

    async def look(self, look: Look) -> Seen | None:
        wanted = Traces(
            account=self._login.account, magic=look.magic, order=look.order, position=look.position, since=look.since
        )
        try:
            found = await self._reader.evidence(wanted)
        except KakehashiError:
            return None
        return Seen(
            id=look.id,
            n=look.n,
            working=tuple(found.working),
            ended=tuple(found.ended),
            deals=tuple(deal_row(d) for d in found.deals),
        )

    async def close(self) -> None:
        for client in (self._reader, *self._all):
            await client.close()

    @contextlib.asynccontextmanager
    async def _line_of_its_own(self) -> AsyncIterator[BrokerClient]:
        if not self._free:
            self._all.append(BrokerClient(self._socket, timeout_s=_TRADE_S, left=self._left))
            self._free.append(self._all[-1])
        client = self._free.pop()
        try:
            yield client
        finally:
            self._free.append(client)


def _symbol_row(s: SymbolFacts) -> SymbolRow:
    return SymbolRow(
        symbol=s.symbol,
        digits=s.digits,
        point=s.point,
        tick_size=s.tick_size,
        tick_value=s.tick_value,
        contract_size=s.contract_size,
        vol_min=s.vol_min,
        vol_max=s.vol_max,
        vol_step=s.vol_step,
        stops_level=s.stops_level,
        filling=",".join(s.fillings),
        profit_currency=s.profit_currency,
        trade_mode="FULL",
    )


async def run_linked(config: LinkedConfig) -> None:
    """Run one EA until SIGTERM or SIGINT; both end it cleanly, a second one at once. A broker that is away is waited for.

    :raises Rejected: JOURNAL_HELD: another EA runs on this journal; NOT_A_JOURNAL; the broker refuses the login
    :raises Unavailable: JOURNAL_FAILED: it cannot be written
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    stop = _Stop(task.cancel if task else lambda: None)
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, stop)
    fate = config.fate
    terminal = BrokerTerminal(config.socket, config.login, left=fate.in_order_send if fate else lambda: None)
    async with httpx.AsyncClient() as http, contextlib.AsyncExitStack() as ending:
        ending.push_async_callback(terminal.close)
        with contextlib.suppress(asyncio.CancelledError):
            facts = await _logged_in(terminal)
            file = LockedFile(config.journal or config.journals / f"{facts.server}-{facts.login}.journal")
            ending.callback(file.close)
            shell = EaShell(
                _identity(facts, config),
                terminal=terminal,
                journal_file=DyingFile(file, fate) if fate else file,
                connect=_connector(config, http),
                clock=SystemClock(),
                rng=random.SystemRandom(),
            )
            stop.gently = shell.stop
            await _until_it_ends(shell)


async def _until_it_ends(shell: EaShell) -> None:
    try:
        await shell.run()
    except ExceptionGroup as e:
        disk, _ = e.split(OSError)
        if disk is None:
            raise
        raise Unavailable("JOURNAL_FAILED", str(disk.exceptions[0])) from e


class _Stop:
    """What a signal does: end at once, or once there is a shell gently; the second time at once in any case."""

    def __init__(self, at_once: Callable[[], object]) -> None:
        self._at_once = at_once
        self.gently: Callable[[], object] | None = None

    def __call__(self) -> None:
        how, self.gently = self.gently or self._at_once, None
        how()


async def _logged_in(terminal: BrokerTerminal) -> AccountFacts:
    while True:
        try:
            return await terminal.login()
        except (Unavailable, OutcomeUnknown) as e:
            _log.warning("waiting for the broker: %s", e)
            await asyncio.sleep(_RETRY_S)


def _identity(facts: AccountFacts, config: LinkedConfig) -> Identity:
    return Identity(
        account=facts.login,
        server=facts.server,
        ver=__version__,
        currency=facts.currency,
        leverage=facts.leverage,
        margin_mode=facts.margin_mode,
        trade_mode=facts.trade_mode,
        perms={"terminal": True, "expert": True, "account": True, "server": True},
    )


def _connector(config: LinkedConfig, http: httpx.AsyncClient) -> Connect:
    async def by_websocket() -> Line:
        return await open_websocket(config.base_url, config.token)

    async def by_polls() -> Line:
        session = f"{random.SystemRandom().getrandbits(128):032x}"
        return PollLine(http, config.base_url, config.token, session=session, wait_ms=config.wait_ms)

    return by_polls if config.transport is Transport.POLL else by_websocket
