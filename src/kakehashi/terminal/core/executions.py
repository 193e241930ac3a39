"""The commands' life in the EA: taken, started once, pursued until their end is known.

::

    CMD -> INTENT -> (held: no lease, not synced, target busy) -> SENT -> answer or evidence -> result
                  -> EXPIRED, REJECTED, NOT_EXECUTED(LEASE), DONE(ALREADY_FLAT): nothing was sent

There is one way to OrderSend, :meth:`Executions._send`: the line SENT is its first act, and no command has two of them.
An exit that opened something is followed by a correction (:mod:`~kakehashi.terminal.core.corrections`).
Source: PROTOCOL R2, R3, R7, R9, R10, R17, R19, R21, R22.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from kakehashi.domain.frames import Ack, Cmd, DealRow, Err, Evt, FromEa, OrderRow, Query, QueryResult, SymbolRow
from kakehashi.domain.values import Millis
from kakehashi.terminal.core import acts, corrections, doubt, journal
from kakehashi.terminal.core.corrections import Owed
from kakehashi.terminal.core.doubt import Absence, Verdict
from kakehashi.terminal.core.journal import Memory, Note, Work
from kakehashi.terminal.core.link_words import (
    DAY,
    Answered,
    Append,
    Identity,
    Look,
    Output,
    Seen,
    Send,
    Trade,
    View,
)
from kakehashi.terminal.core.rows import parts
from kakehashi.terminal.core.words import ZERO, MarginMode

OUTBOX_CAP: Final = 10_000
DEALS_OF_FRAME: Final = 100
"""Below 64 KiB, whatever the symbols are called."""
SETTLE_MS: Final = 5_000
"""SENT without an answer for this long is looked for."""
_SOON_MS, _LATER_MS, _WORKING_MS = 1_000, 5_000, 30_000
UNSEEN_MS: Final = 5_000
_QUERY: Final = "query:"
_FIX: Final = "fix:"
UNKNOWN_MS: Final = 30 * DAY
"""How far back is read for a command that the journal does not know: nobody here can say when it was sent."""


class Pen:
    """What comes out, in order; and the only hand that writes the journal."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.out: list[Output] = []
        self.up = False
        """Whether the hub has welcomed us: nothing is said before."""

    def note(self, note: Note) -> None:
        self.out.append(Append(journal.write(self.memory, note)))

    def say(self, frame: FromEa) -> None:
        if self.up:
            self.out.append(Send(frame))


class _Held(msgspec.Struct, kw_only=True):
    """A command not started yet. :ivar born: monotonic ms at which it was zero old (R9)"""

    cmd: Cmd
    born: Millis


class _Pursuit(msgspec.Struct, kw_only=True):
    """A command that was sent, and what is known on the way to its end.

    :ivar asked: when the look that is out began; ``n`` is its number
    :ivar row: the order as it stood at the last look
    """

    since: Millis
    next: Millis
    absence: Absence
    retcode: int | None = None
    order: str = ""
    asked: Millis | None = None
    n: int = 0
    row: OrderRow | None = None


class Executions:
    """All commands of one account."""

    def __init__(self, pen: Pen, identity: Identity) -> None:
        self._pen = pen
        self._netting = identity.margin_mode is not MarginMode.HEDGING
        self._held: dict[str, _Held] = {}
        self._pursuits: dict[str, _Pursuit] = {}
        self._queries: dict[str, tuple[Query, Millis]] = {}
        self._by_magic: dict[str, str] = {}
        self._unseen: dict[str, Millis] = {}
        self._owed: dict[str, Owed] = {}
        self._exited: Millis = -1
        """When the terminal was read last before the last exit ended, on a netting account."""
        self._looks = 0
        self._wall: Millis = 0
        self.view: View | None = None
        self.viewed: Millis = 0
        """When ``view`` was read."""
        self.synced_since: Millis | None = None
        self.lease_ms: Millis = 15_000
        self.specs: Mapping[str, SymbolRow] = {}

    @property
    def in_flight(self) -> int:
        return len(self._held) + len(self._owed) + sum(not self._works[i].told for i in self._pursuits)

    @property
    def _works(self) -> dict[str, Work]:
        return self._pen.memory.works

    def begin(self, now: Millis) -> None:
        """After a start: everything unfinished may have been sent, also an INTENT whose SENT was lost with the power."""
        for work in self._pen.memory.works.values():
            self._by_magic[work.cmd.magic] = work.cmd.id
            self._owe(work)
        for work in self._pen.memory.open_works.values():
            self._pursue(work, now, window_start=now)

    # -- taking --------------------------------------------------------------------------------------------------

    def take(self, cmd: Cmd, *, born: Millis) -> None:
        """A CMD of the right epoch: INTENT, then ACK. A known id is answered from memory, never executed again (R3)."""
        work = self._works.get(cmd.id)
        if work is not None and acts.content(work.cmd) != acts.content(cmd):
            self._pen.say(Err(code="SAME_ID", message=f"{cmd.id} is known with other content"))
            return
        if work is None and cmd.seq <= self._pen.memory.forgotten:
            self._pen.say(Err(code="SAME_ID", message=f"{cmd.id} is older than what the journal remembers"))
            return
        if work is None:
            self._intend(cmd)
            work = self._works[cmd.id]
            self._held[cmd.id] = _Held(cmd=cmd, born=born)
        elif cmd.id in self._held:  # stamped anew: the youngest stamp is the best measurement, the age only grows
            self._held[cmd.id] = _Held(cmd=cmd, born=min(born, self._held[cmd.id].born))
        self._pen.say(Ack(id=cmd.id, j=work.j))

    def _intend(self, cmd: Cmd) -> None:
        at = self.view.broker_time if self.view else 0
        self._pen.note(journal.Intent(cmd=cmd, at=at))
        self._by_magic[cmd.magic] = cmd.id

    def cancel_pending(self, gen: int, now: Millis) -> None:
        """HALT: our pending orders go; each by a command of our own (R21)."""
        if self.view is None:
            return
        for cmd in acts.halt_cancels(gen, self.view, self._pen.memory.prefixes):
            plan = acts.cancel(cmd, self.view)
            if cmd.id not in self._works and isinstance(plan, acts.Plan):
                self._intend(cmd)
                self._send(self._works[cmd.id], plan, now)

    def age(self, ms: Millis) -> None:
        """What waits to be started is older than the timer says."""
        for held in self._held.values():
            held.born -= ms

    def lease_lost(self) -> None:
        """What was acked and not started never will be (R5)."""
        for command in [*self._held]:
            self._tell(self._works[command], Verdict(st="NOT_EXECUTED", reason="LEASE"))

    # -- starting ------------------------------------------------------------------------------------------------

    def turn(self, *, may_start: bool, ep: int, now: Millis, wall: Millis) -> None:
        """Start what may start, look for what is due.

        :param may_start: the lease holds and the clocks can be trusted (R5, R9)
        """
        self._wall = wall
        for due in [*self._owed.values()]:
            if may_start and self._sees:
                self._correct(due, now)
        for command, held in sorted(self._held.items(), key=lambda item: item[1].cmd.seq):
            work = self._works[command]
            decision: acts.Decision | None = self._verdict_before(held, now)
            ready = may_start and self._sees and held.cmd.ep == ep
            if decision is None and ready and self._free(held.cmd) and not self._owes(held.cmd):
                decision = self._decide(held.cmd)
                if isinstance(decision, Verdict) and self._perhaps_new(held.cmd, now):
                    continue
            if isinstance(decision, acts.Plan):
                self._send(work, decision, now)
            elif decision is not None:
                self._tell(work, decision)
        for command in [*self._pursuits]:
            self._look(command, now)

    @property
    def _sees(self) -> bool:
        """A terminal that is not synced shows no positions: nothing can be judged on it (R13)."""
        return self.view is not None and self.synced_since is not None

    def _perhaps_new(self, cmd: Cmd, now: Millis) -> bool:
        """Whether what it means may only not be shown yet: a deal is often told before the terminal has its position.

        It has some seconds to appear; then it is gone.
        """
        if cmd.op in acts.ENTRIES or self.view is None:
            return False
        either = cmd.op not in acts.EXITS or not cmd.side  # a netting reversal keeps the name and changes the side
        names = {p.ident or p.ticket for p in self.view.positions if either or p.side == cmd.side[:1]}
        names |= {o.ticket for o in self.view.orders}
        return cmd.target not in names and now < self._unseen.setdefault(cmd.id, now) + UNSEEN_MS

    def _verdict_before(self, held: _Held, now: Millis) -> Verdict | None:
        cmd, memory = held.cmd, self._pen.memory
        if cmd.ttl_ms and now - held.born > cmd.ttl_ms:
            return Verdict(st="EXPIRED", reason="TTL")
        if cmd.seq < memory.started.get(cmd.target, 0):
            return Verdict(st="REJECTED", reason="SUPERSEDED")
        if cmd.op in acts.ENTRIES and memory.control.halted:
            return Verdict(st="REJECTED", reason="HALTED")
        if cmd.op in acts.ENTRIES and len(memory.outbox) >= OUTBOX_CAP:
            return Verdict(st="REJECTED", reason="OUTBOX_FULL")
        return None

    def _free(self, cmd: Cmd) -> bool:
        """At most one unfinished command per target, and one live exit per symbol on netting (R19, R10): none is judged by
        what the terminal showed before the last one ended.
        """
        if cmd.op in acts.EXITS and self.viewed <= self._exited:
            return False
        others = (self._works[i].cmd for i in self._pursuits)
        return not any(acts.conflict(cmd, other, netting=self._netting) for other in others)

    def _owes(self, cmd: Cmd) -> bool:
        """Whether an exit of the symbol has to be corrected first (R10)."""
        return any(acts.conflict(cmd, due.work.cmd, netting=True) for due in self._owed.values())

    def _decide(self, cmd: Cmd) -> acts.Decision:
        assert self.view is not None  # noqa: S101 (_sees)
        return acts.decide(cmd, self.view, halted=self._pen.memory.control.halted, specs=self.specs)

    def _send(self, work: Work, plan: acts.Plan, now: Millis) -> None:
        """SENT on disk, then the call (R2)."""
        self._held.pop(work.cmd.id, None)
        self._pen.note(journal.Sent(id=work.cmd.id, volume=plan.volume, target=plan.target))
        self._pen.out.append(Trade(id=work.cmd.id, request=plan.request, deviation=work.cmd.deviation))
        self._pursue(work, now + SETTLE_MS, window_start=now)

    # -- correcting (R10) ----------------------------------------------------------------------------------------

    def _owe(self, work: Work) -> None:
        if self._netting and (due := corrections.owed(self._works, work)) is not None:
            self._owed[work.cmd.id] = due

    def _correct(self, due: Owed, now: Millis) -> None:
        """Take back what an exit opened, as soon as it is known how much and the terminal shows it."""
        due.next = now + due.pause if due.next is None else due.next
        if now < due.next:
            return
        if due.cmd is None:
            self._ask_what_was_opened(due, now)
            return
        if not self._free(due.cmd):
            return
        due.since = now if due.since is None else due.since
        decision = self._decide(due.cmd)
        if isinstance(decision, Verdict) and now < due.since + corrections.SHOWN_MS:
            return
        del self._owed[due.work.cmd.id]
        self._intend(due.cmd)
        work = self._works[due.cmd.id]
        if due.work.instance != self._pen.memory.instance:  # begun once before, perhaps, and the lines were lost
            self._pursue(work, now, window_start=now + self.lease_ms)
        elif isinstance(decision, acts.Plan):
            self._send(work, decision, now)
        else:
            self._tell(work, decision)

    def _ask_what_was_opened(self, due: Owed, now: Millis) -> None:
        deal = corrections.opening(due.work)
        if deal is None or due.looks >= corrections.LOOKS:
            del self._owed[due.work.cmd.id]
            return
        due.looks, self._looks = due.looks + 1, self._looks + 1
        due.n, due.next = self._looks, now + (_SOON_MS if due.looks <= 3 else _LATER_MS)
        look = Look(id=_FIX + due.work.cmd.id, n=due.n, magic=0, order=0, position=int(deal.position), since=1)
        self._pen.out.append(look)

    def _hear_what_was_opened(self, seen: Seen, now: Millis) -> None:
        due = self._owed.get(seen.id.removeprefix(_FIX))
        deal = corrections.opening(due.work) if due is not None else None
        if due is None or deal is None or due.n != seen.n:
            return
        volume = corrections.opened(due.work, seen.deals)
        if volume:
            due.next = now
            due.cmd = corrections.correction(
                self._works, due.work, side=deal.side, volume=volume, position=deal.position
            )

    # -- pursuing ------------------------------------------------------------------------------------------------

    def _pursue(self, work: Work, first_look: Millis, *, window_start: Millis) -> None:
        other = work.instance != self._pen.memory.instance
        until = window_start + doubt.window_ms(None, other_instance=other, lease_ms=self.lease_ms)
        order = work.told.order if work.told else ""
        self._pursuits[work.cmd.id] = _Pursuit(
            since=window_start, next=first_look, absence=Absence(until=until), order=order
        )

    def answered(self, answer: Answered, now: Millis) -> None:
        """OrderSend returned; unless that settles it, evidence is looked for at once."""
        p, work = self._pursuits.get(answer.id), self._works.get(answer.id)
        if p is None or work is None or work.told is not None:
            return
        p.next = now
        if answer.result is None:
            return
        result = answer.result
        p.retcode, p.order = result.retcode, str(result.order) if result.order else ""
        p.absence.until = p.since + doubt.window_ms(result.retcode, other_instance=False, lease_ms=0)
        verdict = doubt.by_answer(work, result, answer.deals)
        if verdict is not None:
            self._tell(work, verdict)

    def _look(self, command: str, now: Millis) -> None:
        p, work = self._pursuits[command], self._works[command]
        if work.told is not None and self.view is not None:  # it works on: look when its row moves
            row = next((o for o in self.view.orders if o.ticket == p.order), None)
            if row != p.row:
                p.row, p.next = row, now
        if now < p.next or self.view is None or not self.view.connected:
            return
        young = now < p.since + doubt.IN_FLIGHT_MS
        pause = _WORKING_MS if work.told else _SOON_MS if young else _LATER_MS
        self._looks += 1
        p.asked, p.n, p.next = now, self._looks, now + pause
        ticket = work.cmd.target if work.cmd.op == "CANCEL" else p.order
        self._wish(command, p.n, work.cmd.magic, ticket, doubt.history_from(work))

    def _wish(self, command: str, n: int, magic: str, order: str, since: Millis) -> None:
        self._pen.out.append(Look(id=command, n=n, magic=int(magic or 0), order=int(order or 0), since=max(since, 0)))

    def seen(self, seen: Seen, now: Millis) -> None:
        """What a look brought: the end, a step on the way, or one of the two reads that prove absence (R7)."""
        if seen.id.startswith(_QUERY):
            self._found(seen)
            return
        if seen.id.startswith(_FIX):
            self._hear_what_was_opened(seen, now)
            return
        p, work = self._pursuits.get(seen.id), self._works.get(seen.id)
        if p is None or work is None or p.asked is None or p.n != seen.n or self.view is None:
            return
        asked, p.asked = min(p.asked, self.viewed), None  # both parts of the evidence have to be as young
        judgement = doubt.by_evidence(work, p.order, seen, self.view, p.retcode)
        if isinstance(judgement, Verdict):
            p.order = p.order or judgement.order
            p.absence.first = None
            self._tell(work, judgement)
        elif judgement is doubt.Finding.WAIT:
            p.absence.first = None
        elif p.absence.proves(asked=asked, now=now, synced_since=self.synced_since):
            self._tell(work, Verdict(st="NOT_EXECUTED", reason="ABSENT", retcode=p.retcode, order=p.order))

    # -- telling -------------------------------------------------------------------------------------------------

    def _tell(self, work: Work, verdict: Verdict) -> None:
        """Result and outbox row in one line; :class:`EaLink` sends the outbox."""
        told, memory, command = work.told, self._pen.memory, work.cmd.id
        if told is None or verdict.final or (told.st, told.vol) != (verdict.st, verdict.volume):
            own = self._tell_surplus(verdict.deals)
            evt = Evt(
                n=memory.evt_hi + 1 if work.cmd.seq else 0,
                id=command,
                j=memory.line + 1,
                st=verdict.st,
                retcode=verdict.retcode,
                order=verdict.order,
                deals=own,
                vol=verdict.volume,
                price=verdict.price,
                reason=verdict.reason,
            )
            self._pen.note(journal.Told(evt=evt, final=verdict.final, wall=self._wall))
        if verdict.final:
            self._held.pop(command, None)
            self._unseen.pop(command, None)
            if self._pursuits.pop(command, None) is not None and self._netting and work.cmd.op in acts.EXITS:
                self._exited = self.viewed
            self._owe(work)

    def _tell_surplus(self, deals: tuple[DealRow, ...]) -> tuple[DealRow, ...]:
        """What does not fit into the result's frame is told ahead of it, as deals; the rest is the result's own."""
        surplus = max(0, len(deals) - DEALS_OF_FRAME)
        memory = self._pen.memory
        new = tuple(d for d in deals[:surplus] if int(d.ticket) > memory.deal_hi and int(d.ticket) not in memory.deals)
        for part in parts(new, DEALS_OF_FRAME):
            if part:
                self._note_deals(part)
        return deals[surplus:]

    def _note_deals(self, deals: tuple[DealRow, ...]) -> None:
        memory, volume = self._pen.memory, sum((d.volume for d in deals), ZERO)
        evt = Evt(n=memory.evt_hi + 1, j=memory.line + 1, st="DEAL", order=deals[0].order, deals=deals, vol=volume)
        self._pen.note(journal.Told(evt=evt, wall=self._wall))

    def deals(self, deals: Iterable[DealRow], now: Millis) -> None:
        """Each deal once, by its ticket; those of an unfinished command come with its result (R22)."""
        memory, high, whole = self._pen.memory, self._pen.memory.deal_hi, True
        for deal in sorted(deals, key=lambda d: int(d.ticket)):
            ticket = int(deal.ticket)
            if ticket <= memory.deal_hi:
                continue
            if ticket not in memory.deals:
                owner = self._owner(deal)
                if owner is not None and not owner.final:
                    whole = False
                    p = self._pursuits.get(owner.cmd.id)
                    if p is not None and p.asked is None:
                        p.next = min(p.next, now)
                    continue
                self._tell_deal(deal, owner)
            high = ticket if whole else high
        if high > memory.deal_hi:
            self._pen.note(journal.DealsTold(ticket=high))

    def _owner(self, deal: DealRow) -> Work | None:
        for command, p in self._pursuits.items():
            if p.order and deal.order == p.order:
                return self._works[command]
        work = self._works.get(self._by_magic.get(deal.magic, ""))
        return work if work is not None and doubt.ours(work, "", (deal,)) else None

    def _tell_deal(self, deal: DealRow, owner: Work | None) -> None:
        """By itself; only what was called NOT_EXECUTED is corrected by it, the one change of an ended command."""
        told = owner.told if owner else None
        if owner is not None and told is not None and told.n and told.st == "NOT_EXECUTED":
            self._tell(owner, Verdict(st="FILLED", reason="LATE", order=deal.order, deals=(*told.deals, deal)))
            return
        self._note_deals((deal,))

    # -- answering the hub's questions ---------------------------------------------------------------------------

    def query(self, query: Query, now: Millis) -> None:
        """From the journal; what it does not know is looked for at the venue, as is why a position is gone (R8, R14)."""
        work = None if query.position else self._works.get(query.id)
        if work is not None:
            self._result(query, jst=work.state, found=work.told.deals if work.told else ())
            return
        position, magic = query.position or "0", "0" if query.position else query.magic
        if self.view is None or not self.view.connected or not magic.isdecimal() or not position.isdecimal():
            self._result(query, jst="", found=())
            return
        since = max(self.view.broker_time - UNKNOWN_MS, 1)
        self._looks += 1
        look = f"{_QUERY}{query.position}:{query.id}"
        self._queries[look] = (query, since)
        self._pen.out.append(
            Look(id=look, n=self._looks, magic=int(magic), order=0, position=int(position), since=since)
        )

    def _found(self, seen: Seen) -> None:
        query, since = self._queries.pop(seen.id, (None, 0))
        if query is None:
            return
        found = seen.deals
        if not query.position:
            found = tuple(d for d in found if d.magic == query.magic and d.reason not in doubt.SERVER)
        working = any(str(o.magic) == query.magic for o in seen.working)
        self._result(query, jst="", found=found, since=since, working=working)

    def _result(
        self, query: Query, *, jst: str, found: tuple[DealRow, ...], since: Millis = 0, working: bool = False
    ) -> None:
        """In frames that fit; only the last one counts as a read of history."""
        *more, last = parts(found, DEALS_OF_FRAME)
        base = QueryResult(id=query.id, position=query.position, magic=query.magic)
        for part in more:
            self._pen.say(msgspec.structs.replace(base, found=part))
        synced = self.synced_since is not None
        done = msgspec.structs.replace(base, jst=jst, found=last, synced=synced, hist_from=since, working=working)
        self._pen.say(done)
