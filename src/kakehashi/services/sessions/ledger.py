"""What a bridge must not forget: its sessions, and the commands that it was about to send (law 1)."""

import asyncio
import contextlib
from typing import Any, Final

import msgspec

from kakehashi.domain.terminalcalls import Result
from kakehashi.domain.terminaldoubt import Mark
from kakehashi.ports import AuditRow, Clock, CommandRow, Commit, Ownership, SessionRow, Store

KEPT_MS: Final = 25 * 3_600_000
PENDING: Final = "PENDING"
RESOLVED: Final = "RESOLVED"
_PAGE: Final = 1_000
SOON_S: Final = 0.05


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it was asked for.

    :ivar owner: the slot of the token that created it; it survives the token's rotation
    :ivar password: sealed
    :ivar terminal: the name of its terminal directory, to be used again by another session later; empty: its own id
    """

    id: str
    owner: str
    login: int
    password: str
    server: str = ""
    name: str = ""
    terminal: str = ""
    created_at: int = 0

    @property
    def home(self) -> str:
        return self.terminal or self.id


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. :ivar code: why it has no result of the package, e.g. NOT_EXECUTED"""

    ok: bool
    result: bytes
    error: tuple[int, str]
    took_us: int
    code: str = ""

    @classmethod
    def of(cls, result: Result, took_us: int) -> "Outcome":
        return cls(ok=result.ok, result=result.json, error=result.error, took_us=took_us)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One command that changes something, kept before it is sent.

    :ivar fingerprint: of command and parameters: the same id with others is refused
    :ivar connection: what its terminal's connection to the simulated trade server is called
    """

    session: str
    id: str
    at: int
    fingerprint: str
    command: str
    params: dict[str, Any]
    mark: Mark
    connection: str
    state: str = PENDING
    outcome: Outcome | None = None

    @property
    def key(self) -> str:
        return f"{self.session}|{self.id}"

    @property
    def request(self) -> dict[str, Any]:
        request: dict[str, Any] = self.params.get("request", {})
        return request


def _row(record: Record) -> CommandRow:
    return CommandRow(key=record.key, session=record.session, state=record.state, at=record.at, body=_encode(record))


def _settled(kept: "asyncio.Future[None]", error: Exception | None) -> None:
    if kept.done():
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)


_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(Record).decode
_definition: Final = msgspec.json.Decoder(Definition).decode


class Ledger:
    """The bridge's part of the store. Every method that returns has happened."""

    def __init__(self, store: Store, ownership: Ownership, clock: Clock) -> None:
        self._store, self._ownership, self._clock = store, ownership, clock
        self._soon: list[tuple[CommandRow, asyncio.Future[None]]] = []

    async def sessions(self) -> list[Definition]:
        rows = await self._store.rows("bridge_sessions", limit=_PAGE, newest_first=False)
        return [_definition(row["body"]) for row in rows]

    async def keep(self, definition: Definition, by: str) -> None:
        row = SessionRow(id=definition.id, owner=definition.owner, body=_encode(definition))
        await self._commit(row, audit=self._audit(by, "session create", definition))

    async def forget(self, definition: Definition, by: str) -> None:
        commit = Commit(
            ownership=self._ownership,
            deletes=[("bridge_sessions", definition.id)],
            audits=[self._audit(by, "session delete", definition)],
        )
        await self._store.commit(commit)

    async def write(self, record: Record) -> None:
        """Now; what :meth:`write_soon` was given goes along."""
        await self._write([_row(record)])

    async def write_soon(self, record: Record) -> None:
        """With the next command that is written, or by itself a little later: one flush of the disk then serves both.

        For answers, which nobody waits for: a bridge that dies meanwhile finds the command in doubt, and what came of it.
        """
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._soon.append((_row(record), kept))
        while not kept.done():
            await asyncio.wait((kept,), timeout=SOON_S)
            if any(other is kept for _, other in self._soon):
                with contextlib.suppress(Exception):  # ``kept`` has it
                    await self._write([])
        kept.result()

    async def _write(self, rows: list[CommandRow]) -> None:
        soon, self._soon = self._soon, []
        changes: list[msgspec.Struct] = [*(row for row, _ in soon), *rows]
        try:
            await self._store.commit(Commit(ownership=self._ownership, changes=changes))
        except asyncio.CancelledError:
            self._soon = soon + self._soon  # it may have been written; once more changes nothing
            raise
        except Exception as e:
            for _, kept in soon:
                _settled(kept, e)
            raise
        for _, kept in soon:
            _settled(kept, None)

    async def find(self, session: str, command_id: str) -> Record | None:
        rows = await self._store.rows("bridge_commands", where={"key": f"{session}|{command_id}"}, limit=1)
        return _decode(rows[0]["body"]) if rows else None

    async def pending(self) -> list[Record]:
        rows = await self._store.rows("bridge_commands", where={"state": PENDING}, limit=100 * _PAGE)
        return [_decode(row["body"]) for row in rows]

    async def prune(self) -> int:
        """Forget commands older than 25 hours; how many."""
        before, count = self._clock.now_ms() - KEPT_MS, 0
        while True:
            rows = await self._store.rows("bridge_commands", limit=_PAGE, newest_first=False)
            old = [str(row["key"]) for row in rows if row["at"] < before]
            if old:
                deletes = [("bridge_commands", key) for key in old]
                await self._store.commit(Commit(ownership=self._ownership, deletes=deletes))
                count += len(old)
            if len(old) < _PAGE:
                return count

    async def _commit(self, row: msgspec.Struct, *, audit: AuditRow | None = None) -> None:
        commit = Commit(ownership=self._ownership, changes=[row], audits=[audit] if audit else [])
        await self._store.commit(commit)

    def _audit(self, by: str, action: str, definition: Definition) -> AuditRow:
        detail = f"login {definition.login} {definition.server}".strip()
        return AuditRow(at=self._clock.now_ms(), actor=by, action=action, subject=definition.id, detail=detail)
