"""A session's order requests: kept before they are sent, carried out once, and looked for where the answer is missing."""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from kakehashi.domain.errors import KakehashiError
from kakehashi.domain.terminalcalls import Result
from kakehashi.domain.terminaldoubt import FAR_FUTURE_S, LOOK_BACK_S, Evidence, Mark, Verdict, judge, same_wish
from kakehashi.ports import Clock
from kakehashi.services.sessions.child import Child
from kakehashi.services.sessions.jobs import Calls, Job
from kakehashi.services.sessions.ledger import RESOLVED, Ledger, Outcome, Record

log = structlog.get_logger("sessions")

PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Between two looks for an order in doubt; the last for as long as it takes."""
IN_FLIGHT_S: Final = 180.0
"""How long a server may still carry out what it was sent and did not answer (PROTOCOL, R7)."""
SYNCED_S: Final = 10.0
TWICE_S: Final = 5.0
MOST_CLAIMED: Final = 10_000
SEND_FAILED: Final = -10001
"""RES_E_INTERNAL_FAIL_SEND: the package's own word for "it was not sent"."""

Ask = Callable[[Calls], Awaitable[tuple[Result, ...]]]
Drained = Callable[[str], Awaitable[bool]]


class Claims:
    """Tickets of orders whose command is known: no other command's answer. One for all sessions of an account."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[int, None] = OrderedDict()

    def add(self, ticket: int) -> None:
        self._tickets[ticket] = None
        if len(self._tickets) > MOST_CLAIMED:
            self._tickets.popitem(last=False)

    @property
    def tickets(self) -> frozenset[int]:
        return frozenset(self._tickets)


class _Doubt:
    """:ivar twins: jobs whose traces would be taken for this one's: they wait. :ivar due: when it is looked for next"""

    __slots__ = ("absent_since", "due", "job", "looks", "opened", "record", "twins")

    def __init__(self, record: Record, job: Job | None) -> None:
        self.record, self.job = record, job
        self.opened = asyncio.get_running_loop().time()
        self.absent_since: float | None = None
        self.twins: list[Job] = []
        self.due, self.looks = 0.0, 0


class Orders:
    """
    :param ask: puts calls to the terminal, whichever process it is by now
    :param drained: whether the trade server has done everything that a connection sent, and will do nothing more of it
    :param again: puts a job back into the queue
    """

    def __init__(
        self, session: str, ledger: Ledger, clock: Clock, claims: Claims, *, ask: Ask, drained: Drained,
        again: Callable[[Job], None],
    ) -> None:  # fmt: skip
        self._session, self._ledger, self._clock, self._claims = session, ledger, clock, claims
        self._ask, self._drained, self._again = ask, drained, again
        self._records: dict[str, Record] = {}
        self._doubts: dict[str, _Doubt] = {}
        self._synced_since = 0.0
        self._wake, self._ready = asyncio.Event(), asyncio.Event()
        self.connection = ""
        self.server_s = 0
        """The newest time that the trade server is known to have had, seconds."""

    @property
    def in_doubt(self) -> int:
        return len(self._doubts)

    def record(self, command_id: str) -> Record | None:
        return self._records.get(command_id)

    def is_settled(self, command_id: str) -> bool:
        """Whether its outcome is on disk already: it was looked for, not answered."""
        return command_id not in self._records

    def restore(self, record: Record) -> None:
        """A command that an earlier bridge sent, whose answer it did not keep."""
        self._records[record.id] = record
        self._doubts[record.id] = _Doubt(record, None)
        self._wake.set()

    def synced(self) -> None:
        """A terminal answers (again)."""
        self._synced_since = asyncio.get_running_loop().time()
        for doubt in self._doubts.values():
            doubt.due = 0.0
        self._ready.set()
        self._wake.set()

    def postponed(self, job: Job) -> bool:
        """Twins of an order in doubt wait until it is known what became of that."""
        request = job.calls[0][1].get("request", {})
        for doubt in self._doubts.values():
            if same_wish(doubt.record.request, request):
                doubt.twins.append(job)
                return True
        return False

    async def prepare(self, child: Child, job: Job) -> None:
        """Note what there is, and put the command on disk.

        :raises ChildGone: the terminal died; nothing was sent
        :raises KakehashiError: it could not be kept, so it must not be sent
        """
        name, params, _ = job.calls[0]
        mark = await self._mark(child, str(params.get("request", {}).get("symbol") or ""))
        if job.future.done():  # nobody waits for it any more, and that is on record
            return
        record = Record(
            session=self._session, id=job.record_id, at=self._clock.now_ms(), fingerprint=job.fingerprint,
            command=name,
            params=params,
            mark=mark, connection=self.connection,
        )  # fmt: skip
        await self._ledger.write(record)
        self._records[record.id] = record

    async def _mark(self, child: Child, symbol: str) -> Mark:
        if symbol and not self.server_s:
            self._note(await child.run((("symbol_info_tick", {"symbol": symbol}, "objects"),)))
        since_s = max(0, self.server_s - LOOK_BACK_S)
        period = {"date_from": since_s, "date_to": FAR_FUTURE_S}
        calls: list[Any] = [("orders_get", {}, "tickets"), ("history_orders_get", period, "tickets")]
        if symbol:
            calls.append(("symbol_info_tick", {"symbol": symbol}, "objects"))
        working, ended, *tick = await child.run(tuple(calls))
        self._note(tuple(tick))
        if not (working.ok and ended.ok):
            text = f"the terminal does not show its orders: {(working if not working.ok else ended).error}"
            raise KakehashiError("TERMINAL_FAILED", text)
        known = (*msgspec.json.decode(working.json), *msgspec.json.decode(ended.json))
        return Mark(since_s=since_s, orders=frozenset(known))

    def _note(self, ticks: tuple[Result, ...]) -> None:
        for tick in ticks:
            if tick.ok:
                self.server_s = max(self.server_s, int(msgspec.json.decode(tick.json)["time"]))

    async def finished(self, job: Job, results: tuple[Result, ...]) -> None:
        """Keep the answer beside the command."""
        result = results[0]
        if result.ok and (ticket := int(msgspec.json.decode(result.json).get("order") or 0)):
            self._claims.add(ticket)
        if (record := self._records.get(job.record_id)) is not None:
            await self._keep(record, Outcome.of(result, result.took_us), write=self._ledger.write_soon)

    async def unsent(self, job: Job) -> None:
        if (record := self._records.get(job.record_id)) is not None:
            await self._keep(record, _not_executed("nobody waited for it any more: it was not sent"))

    def abandon(self, job: Job) -> Coroutine[Any, Any, None]:
        """Its deadline passed before it was sent: from this instant on it never will be; what writes that down."""
        outcome = _not_executed("its deadline passed before it was sent")
        job.settle((Result(ok=False, json=b"null", error=outcome.error, took_us=0),))
        name, params, _ = job.calls[0]
        record = Record(
            session=self._session, id=job.record_id, at=self._clock.now_ms(), fingerprint=job.fingerprint,
            command=name,
            params=params,
            mark=Mark(), connection="",
        )  # fmt: skip
        return self._keep(record, outcome)

    def doubtful(self, job: Job, why: str) -> None:
        """It was sent, and there is no answer."""
        record = self._records.get(job.record_id)
        if record is None:  # what became of it is known
            return
        log.warning("order_in_doubt", session=self._session, command=record.id, why=why)
        self._doubts[record.id] = _Doubt(record, job)
        self._wake.set()

    async def resolve(self) -> None:
        """Look for orders in doubt, each more and more seldom; until cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            await self._ready.wait()
            for doubt in [d for d in self._doubts.values() if d.due <= now()]:
                try:
                    await self._look(doubt)
                except KakehashiError as e:
                    log.warning("order_doubt_unresolved", session=self._session, command=doubt.record.id, code=e.code)
                except Exception:
                    log.exception("order_doubt_fault", session=self._session, command=doubt.record.id)
                doubt.due = now() + PAUSES_S[min(doubt.looks, len(PAUSES_S) - 1)]
                doubt.looks += 1
            self._wake.clear()
            next_at = min((d.due for d in self._doubts.values()), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_at):
                    await self._wake.wait()

    async def _look(self, doubt: _Doubt) -> None:
        record = doubt.record
        drained = bool(record.connection) and await self._drained(record.connection)  # before anything is read
        finding = judge(record.request, record.mark, await self._evidence(record.mark), claimed=self._claims.tickets)
        if finding.verdict is Verdict.FOUND:
            if finding.ticket:
                self._claims.add(finding.ticket)
            found = Outcome(ok=True, result=msgspec.json.encode(finding.result), error=(1, "Success"), took_us=0)
            await self._settle(doubt, found)
        elif finding.verdict is Verdict.NONE and (drained or self._absent(doubt)):
            text = "the terminal died, and the broker shows that the request was not carried out"
            await self._settle(doubt, _not_executed(text))
        elif finding.verdict is not Verdict.NONE:
            doubt.absent_since = None

    def _absent(self, doubt: _Doubt) -> bool:
        """No trace of it, twice, long after anything could still come of it, in a terminal that has been synced (R7)."""
        now = asyncio.get_running_loop().time()
        if now - doubt.opened < IN_FLIGHT_S or now - self._synced_since < SYNCED_S:
            return False
        if doubt.absent_since is None or doubt.absent_since < self._synced_since:
            doubt.absent_since = now
        return now - doubt.absent_since >= TWICE_S

    async def _evidence(self, mark: Mark) -> Evidence:
        period = {"date_from": mark.since_s, "date_to": FAR_FUTURE_S}
        answers = await self._ask(
            (
                ("positions_get", {}, "objects"),
                ("orders_get", {}, "objects"),
                ("history_orders_get", period, "objects"),
                ("history_deals_get", period, "objects"),
            )
        )
        if failed := next((a for a in answers if not a.ok), None):
            raise KakehashiError("TERMINAL_FAILED", f"the terminal does not show its history: {failed.error}")
        positions, orders, ended, deals = (msgspec.json.decode(a.json) for a in answers)
        return Evidence(positions=positions, orders=orders, ended=ended, deals=deals)

    async def _settle(self, doubt: _Doubt, outcome: Outcome) -> None:
        log.info("order_doubt_resolved", session=self._session, command=doubt.record.id, code=outcome.code or "FOUND")
        await self._keep(doubt.record, outcome)
        self._doubts.pop(doubt.record.id, None)
        if doubt.job is not None:
            doubt.job.settle((Result(ok=outcome.ok, json=outcome.result, error=outcome.error, took_us=0),))
        for twin in doubt.twins:
            if not twin.future.done():
                self._again(twin)

    async def _keep(
        self, record: Record, outcome: Outcome, *, write: Callable[[Record], Awaitable[None]] | None = None
    ) -> None:
        # what there was before is of no use any more, and most of what would be kept
        done = msgspec.structs.replace(record, state=RESOLVED, outcome=outcome, mark=Mark())
        await (write or self._ledger.write)(done)
        self._records.pop(record.id, None)  # from now on it is read from the store


def _not_executed(why: str) -> Outcome:
    text = f"NOT_EXECUTED: {why}"
    return Outcome(ok=False, result=b"null", error=(SEND_FAILED, text), took_us=0, code="NOT_EXECUTED")


def fingerprint_of(name: str, params: dict[str, Any]) -> str:
    """What a command id stands for: the same id with anything else is another command's."""
    return hashlib.sha256(msgspec.json.encode([name, params], order="deterministic")).hexdigest()
