"""All sessions of a bridge: created, found, brought back after a restart, swept, closed."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

import structlog

from kakehashi.domain.errors import KakehashiError, Rejected, Unavailable
from kakehashi.domain.terminalcalls import Open
from kakehashi.ports import Clock
from kakehashi.services.ids import new_id
from kakehashi.services.sessions.child import Child, ChildGone
from kakehashi.services.sessions.ledger import Definition, Ledger
from kakehashi.services.sessions.line import cancelled
from kakehashi.services.sessions.orders import Claims, Drained
from kakehashi.services.sessions.sealing import Seal
from kakehashi.services.sessions.session import Session
from kakehashi.services.sessions.terms import State, Terms
from kakehashi.services.sessions.trees import Job
from kakehashi.telemetry import gauge

log = structlog.get_logger("sessions")

BY_STATE: Final = gauge("bridge_sessions", "Sessions, by state", ("state",))
UNWELL: Final = gauge("bridge_sessions_unhealthy", "Sessions that are up, and whose terminal is not well")
RSS: Final = gauge("bridge_rss_bytes", "Memory of all terminal processes")
CPU: Final = gauge("bridge_cpu_seconds", "Processor time of all terminal processes that run")
WAITING: Final = gauge("bridge_queue_depth", "Commands that wait, of all sessions")
IN_DOUBT: Final = gauge("bridge_orders_in_doubt", "Order requests whose outcome is not known")
PRUNE_S: Final = 3600.0


class Homes(Protocol):
    """Where real terminals live; :class:`kakehashi.services.sessions.folders.Folders`."""

    def take(self, session: str) -> Path: ...
    def let_go(self, session: str, *, remove: bool) -> None: ...
    def sweep(self, known: frozenset[str]) -> list[str]: ...


class Keeper:
    """
    :param starts: how many terminals may be starting at once: that is when they need the processor
    :param spares: processes that stand ready for the next starts, at most; one for two sessions, and never less than two
    :param homes: None: terminals need no directory of their own
    """

    def __init__(
        self, terms: Terms, ledger: Ledger, clock: Clock, seal: Seal, *, drained: Drained, most: int = 50,
        starts: int = 2, spares: int = 4, homes: Homes | None = None,
    ) -> None:  # fmt: skip
        self.terms = terms
        self.sessions: dict[str, Session] = {}
        self._ledger, self._clock, self._seal, self._drained = ledger, clock, seal, drained
        self._most, self._most_spares, self._homes = most, spares, homes
        self._starting = asyncio.Semaphore(starts)
        self._claims: dict[tuple[int, str], Claims] = {}
        self._spares: deque[Child] = deque()
        self._spare_wanted = asyncio.Event()
        self._job = Job()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Bring back what there was, and close everything at the end."""
        await self._restore()
        tasks = [asyncio.create_task(work()) for work in (self._sweep, self._forget_old, self._keep_spares)]
        try:
            yield
        finally:
            for task in tasks:
                await cancelled(task)
            await asyncio.gather(*(s.end() for s in self.sessions.values()), return_exceptions=True)
            await asyncio.gather(*(child.kill() for child in self._spares), return_exceptions=True)
            for session in self.sessions.values():
                self._leave_home(session.definition, remove=False)

    async def create(
        self, *, owner: str, by: str, login: int, password: str, server: str = "", name: str = "", terminal: str = ""
    ) -> Session:
        """Start a session and wait until its terminal is logged in; nothing is kept where that fails.

        :raises Rejected: TOO_MANY_SESSIONS, LOGIN_FAILED
        :raises Unavailable: SESSION_FAILED: the terminal could not be started
        """
        if len(self.sessions) >= self._most:
            raise Rejected("TOO_MANY_SESSIONS", f"there are {self._most} sessions already", hint="bridge.max_sessions")
        self._check_server(server)
        at = self._clock.now_ms()
        definition = Definition(
            id=new_id("m", at), owner=owner, login=login, password=self._seal.seal(password), server=server, name=name,
            terminal=terminal, created_at=at,
        )  # fmt: skip
        session = self._enter(definition)
        try:
            async with asyncio.timeout(self.terms.start_timeout_s):
                while session.line.state is not State.READY:
                    if session.line.problem is not None:
                        raise session.line.problem
                    await asyncio.sleep(0.005)
            await self._ledger.keep(definition, by)
        except BaseException as e:
            await self._drop(session, remove=True)
            if isinstance(e, TimeoutError):
                text = f"the terminal did not start in {self.terms.start_timeout_s:g} s"
                raise Unavailable("SESSION_FAILED", text) from None
            raise
        return session

    def _check_server(self, server: str) -> None:
        """A label, or our own trade server: a session's owner must not choose what this machine connects to."""
        address = "/" in server or server.rpartition(":")[2].isdigit()
        if self.terms.terminal == "simulated" and address and server != self.terms.broker:
            raise Rejected("BAD_SERVER", "server is a broker's name here", hint="leave it out", value=server[:80])

    def find(self, ident: str, *, owner: str | None) -> Session:
        """:param owner: None may see all. :raises Rejected: NOT_FOUND: also where it is somebody else's"""
        session = self.sessions.get(ident)
        if session is None or owner not in (None, session.definition.owner):
            raise Rejected("NOT_FOUND", f"no session {ident}", hint="GET /v5/session/list", value=ident)
        return session

    def listed(self, *, owner: str | None) -> list[Session]:
        return [s for s in self.sessions.values() if owner in (None, s.definition.owner)]

    async def delete(self, session: Session, by: str) -> None:
        """Close it for good."""
        await self._ledger.forget(session.definition, by)
        await self._drop(session, remove=True)

    # -- starting ------------------------------------------------------------------------------------------------

    async def _restore(self) -> None:
        for definition in await self._ledger.sessions():
            self._enter(definition, begin=False)
        for record in await self._ledger.pending():
            if record.session in self.sessions:
                self.sessions[record.session].orders.restore(record)
        for session in self.sessions.values():
            session.begin()
        if self._homes is not None:
            swept = await asyncio.to_thread(self._homes.sweep, frozenset(self.sessions))
            if swept:
                log.info("session_folders_removed", folders=swept)

    def _enter(self, definition: Definition, *, begin: bool = True) -> Session:
        claims = self._claims.setdefault(_account(definition), Claims())
        session = Session(
            definition, self.terms, self._ledger, self._clock, started=self._start, drained=self._drained, claims=claims
        )
        self.sessions[definition.id] = session
        if begin:
            session.begin()
        return session

    async def _drop(self, session: Session, *, remove: bool) -> None:
        self.sessions.pop(session.definition.id, None)
        await session.end()
        if all(_account(other.definition) != _account(session.definition) for other in self.sessions.values()):
            self._claims.pop(_account(session.definition), None)
        self._leave_home(session.definition, remove=remove)

    def _leave_home(self, definition: Definition, *, remove: bool) -> None:
        """:param remove: its directory goes too, unless it was given a name to be used again"""
        if self._homes is not None:
            self._homes.let_go(definition.home, remove=remove and not definition.terminal)

    async def _start(self, session: Session) -> tuple[Child, str]:
        """A process that is logged in.

        :raises Rejected: LOGIN_FAILED, KEY_MISMATCH
        :raises Unavailable: SESSION_FAILED
        """
        definition, terms = session.definition, self.terms
        password = self._seal.unseal(definition.password)
        async with self._starting:
            program = terms.terminal_path
            if self._homes is not None:
                program = str(await asyncio.to_thread(self._homes.take, definition.home))
            child = await self._fresh(Path(program).parent if self._homes is not None else None)
            connection = f"bridge-{secrets.token_hex(8)}"
            opening = Open(
                login=definition.login, password=password, server=definition.server,
                path=program, portable=self._homes is not None, timeout_ms=int(terms.start_timeout_s * 1000),
                broker=terms.broker, connection=connection if terms.broker else "",
            )  # fmt: skip
            await self._opened(child, opening)
        return child, opening.connection

    async def _opened(self, child: Child, opening: Open) -> None:
        try:
            async with asyncio.timeout(self.terms.start_timeout_s):
                answer = await child.open(opening)
        except BaseException as e:
            await asyncio.shield(child.kill())
            if isinstance(e, ChildGone):
                raise Unavailable("SESSION_FAILED", "the terminal process died while it started") from None
            if isinstance(e, TimeoutError):
                text = f"the terminal did not start in {self.terms.start_timeout_s:g} s"
                raise Unavailable("SESSION_FAILED", text) from None
            raise
        if not answer.ok:
            await child.kill()
            code, text = answer.error
            raise Rejected("LOGIN_FAILED", f"the terminal refused: ({code}) {text}", value=code)

    async def _fresh(self, folder: Path | None) -> Child:
        if folder is None and self._spares:
            child = self._spares.popleft()  # the one that has had the longest to import
            self._spare_wanted.set()
            if not child.gone.is_set():
                return child
            await child.kill()
        return await Child.start(self._job, self.terms.terminal, folder=folder)

    async def _keep_spares(self) -> None:
        """Have processes ready whose imports are done: replacing a terminal then takes its log-in only."""
        if self._homes is not None:
            return
        while True:
            while len(self._spares) < min(self._most_spares, max(2, len(self.sessions) // 2)):
                try:
                    self._spares.append(await Child.start(self._job, self.terms.terminal))
                except OSError as e:
                    log.warning("session_spare_failed", error=str(e))
                    await asyncio.sleep(5)
            self._spare_wanted.clear()
            await self._spare_wanted.wait()

    # -- sweeping ------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.terms.health_s)
            sessions = list(self.sessions.values())
            await asyncio.gather(*(s.check() for s in sessions), return_exceptions=True)
            self.measure()

    def measure(self) -> None:
        """Bring the metrics up to date."""
        sessions = self.sessions.values()
        for state in State:
            BY_STATE.labels(state=state.value).set(sum(s.line.state is state for s in sessions))
        UNWELL.set(sum(s.line.state is State.READY and not s.healthy() for s in sessions))
        RSS.set(sum(s.rss_bytes for s in sessions))
        CPU.set(sum(s.cpu_s for s in sessions))
        WAITING.set(sum(len(s.line.queue) for s in sessions))
        IN_DOUBT.set(sum(s.orders.in_doubt for s in sessions))

    async def _forget_old(self) -> None:
        while True:
            with contextlib.suppress(KakehashiError):
                await self._ledger.prune()
            await asyncio.sleep(PRUNE_S)


def _account(definition: Definition) -> tuple[int, str]:
    return definition.login, definition.server
