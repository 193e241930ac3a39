"""Commands on their way to one account: sent until acknowledged, asked after in doubt, ended by results or by evidence.

Nothing is sent to another instance than the one it was first sent to; what cannot be known stays UNKNOWN until history
proves it. Source: PROTOCOL R4, R6-R9, R14, R17, R19; ``UNKNOWN`` is the protocol's IN_DOUBT.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from kakehashi.domain.corrections import EXIT_OPENED, corrected, opened, opens
from kakehashi.domain.frames import Cmd, DealRow, Evt, Query, QueryResult
from kakehashi.domain.linkstate import Mirror
from kakehashi.domain.linkwords import Alarm, CommandMoved, Deliver, Fact, LinkSettings
from kakehashi.domain.orders import TERMINAL, Happening, State
from kakehashi.domain.shown import EXITS, LOWERING, lowers_risk, resting_ticket, shown
from kakehashi.domain.values import ZERO, Lots, Millis, Price

DAY_MS: Final = 86_400_000
ENDED_REMEMBERED: Final = 1_000
ENTRIES: Final = frozenset({"OPEN", "PENDING"})
UNFINISHED: Final = frozenset({State.SENT, State.ACKED, State.UNKNOWN, State.PARTIAL})
FORGOTTEN: Final = "?"
"""The instance of a command that may have been sent to one that this copy of the hub does not remember."""
DEALLESS: Final = frozenset({State.DONE, State.REJECTED, State.EXPIRED, State.NOT_EXECUTED, State.CANCELLED})
"""How a command may end without a deal. Which of them it was may be seen in two ways, and none of them moved a position."""
RESTING: Final = frozenset({State.PLACED, State.PARTIAL})
REFUSALS: Final = frozenset({"BAD_FRAME"})
"""ERR codes that say of a command what its next copy will meet as well; the others come again rightly stamped."""
UNANSWERED: Final = frozenset({0, 10012, 10031})
"""Retcodes after which the broker may still act for a long time; so does no answer at all (R7)."""
BY_SERVER: Final = frozenset({"SL", "TP", "SO"})
"""Reasons of deals that the broker made by itself: at some brokers they carry the magic of the position they close (R15)."""

S = State
_RESULTS: Final = frozenset(
    {S.PLACED, S.PARTIAL, S.FILLED, S.DONE, S.REJECTED, S.EXPIRED, S.NOT_EXECUTED, S.CANCELLED}
)  # fmt: skip

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    S.QUEUED: frozenset({S.SENT, S.EXPIRED, S.CANCELLED, S.REJECTED}),
    S.SENT: _RESULTS | {S.ACKED, S.UNKNOWN},
    S.ACKED: _RESULTS | {S.UNKNOWN},
    S.UNKNOWN: _RESULTS,
    S.PLACED: _RESULTS - {S.PLACED},
    S.PARTIAL: frozenset({S.PARTIAL, S.FILLED, S.DONE, S.REJECTED, S.EXPIRED, S.CANCELLED}),
    S.NOT_EXECUTED: frozenset({S.FILLED}),
    S.CANCELLED: frozenset({S.FILLED}),
}
"""What may follow; an ended command changes only from NOT_EXECUTED or CANCELLED to FILLED, on the venue's word."""

_REVIVED: Final = frozenset({S.NOT_EXECUTED, S.CANCELLED})
"""Ends that were concluded, or told too early: the venue may know better."""

HAPPENINGS: Final[Mapping[State, Happening]] = {
    S.SENT: Happening.LEASED,
    S.ACKED: Happening.ACKED,
    S.UNKNOWN: Happening.LEASE_ENDED,
    S.PLACED: Happening.PLACED,
    S.PARTIAL: Happening.FILLED_PART,
    S.FILLED: Happening.FILLED,
    S.DONE: Happening.DONE,
    S.REJECTED: Happening.REJECTED,
    S.EXPIRED: Happening.EXPIRED,
    S.NOT_EXECUTED: Happening.ABSENT,
    S.CANCELLED: Happening.CANCELLED,
}
"""How the book of orders calls a move into a state."""


class Delivery(msgspec.Struct, kw_only=True):
    """One command and how far it is. Times are monotonic ms but for ``taken_at`` and ``first_sent_at``.

    :ivar instance: to whom it was first sent; nobody else ever gets it
    :ivar doubt_from: since when nobody can begin it any more
    :ivar refused: what its EA said of a frame that it could not take; :meth:`Commands.refused` says what follows
    :ivar absent_since: the first read of history that did not find it, and the sync it was read in
    """

    cmd: Cmd
    age_ms: int
    taken_now: Millis
    taken_at: Millis
    state: State = State.QUEUED
    instance: str = ""
    first_sent_at: Millis = 0
    sent_now: Millis | None = None
    acked_now: Millis | None = None
    asked_now: Millis | None = None
    doubt_from: Millis = 0
    refused: str = ""
    absent_since: tuple[Millis, Millis | None] | None = None
    deals: dict[str, DealRow] = {}
    filled: Lots = ZERO
    price: Price | None = None
    ticket: str = ""
    retcode: int | None = None

    def age(self, now: Millis, at: Millis) -> int:
        """How old its alert is, ms, by the clock that says more (R9)."""
        return self.age_ms + max(now - self.taken_now, at - self.taken_at, 0)


class Outlet(msgspec.Struct, frozen=True, kw_only=True):
    """To whom, and under what circumstances, commands may go now.

    :ivar hn: the last heartbeat received in this boot of the instance, at ``hn_now``
    :ivar beating: a heartbeat proves the mirror; ``fresh``: and the EA answers
    """

    instance: str
    epoch: int
    hn: int
    hn_now: Millis
    fresh: bool
    halted: bool
    beating: bool = False
    netting: bool = False


class Commands:
    """The unfinished commands of one account, in order of their numbers."""

    def __init__(self, settings: LinkSettings, deliveries: Iterable[Delivery] = (), *, now: Millis = 0) -> None:
        """Take up what was kept; the monotonic clock of before a restart means nothing any more."""
        self._settings = settings
        self._live: dict[str, Delivery] = {}
        self._ended: dict[str, Delivery] = {}
        for d in sorted(deliveries, key=lambda d: d.cmd.seq):
            d.taken_now, d.acked_now = now, now if d.state is State.ACKED else None
            d.sent_now = d.asked_now = d.absent_since = None
            d.doubt_from = now + settings.lease_ms if d.doubt_from or d.state is State.UNKNOWN else 0
            (self._ended if d.state in TERMINAL else self._live)[d.cmd.id] = d

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._live.values())

    def __len__(self) -> int:
        return len(self._live)

    def find(self, command: str) -> Delivery | None:
        return self._live.get(command) or self._ended.get(command)

    # -- taken, sent, acknowledged -------------------------------------------------------------------------------

    def take(self, event: Deliver) -> list[Fact]:
        """A new command; the same id again is the same command. Too many unacknowledged: entries are refused (R17)."""
        cmd = event.cmd
        if self.find(cmd.id) is not None:
            return []
        unacked = sum(d.state in (State.QUEUED, State.SENT) for d in self._live.values())
        new = Delivery(cmd=cmd, age_ms=event.age_ms, taken_now=event.now, taken_at=event.at)
        self._live[cmd.id] = new
        if cmd.op in ENTRIES and unacked >= self._settings.max_unacked:
            return self._move(new, State.REJECTED, code="BACKLOG")
        return []

    def withdraw(self, command: str, code: str) -> list[Fact]:
        """Cancel a command that nobody was told of; of another it is too late."""
        found = self._live.get(command)
        return self._move(found, State.CANCELLED, code=code) if found and found.state is State.QUEUED else []

    def expire(self, now: Millis, at: Millis) -> list[Fact]:
        """End what was never sent and is too old; what was sent only the EA can call expired."""
        facts: list[Fact] = []
        for d in list(self._live.values()):
            if d.state is State.QUEUED and 0 < d.cmd.ttl_ms < d.age(now, at):
                facts += self._move(d, State.EXPIRED, code="EXPIRED_ENTRY" if d.cmd.op in ENTRIES else "EXPIRED_EXIT")
        return facts

    def send(self, out: Outlet, mirror: Mirror, now: Millis, at: Millis) -> tuple[list[Cmd], list[Fact]]:
        """What goes out now: exits before entries, new ones and those unacknowledged for ``resend_ms``."""
        frames: list[Cmd] = []
        facts: list[Fact] = []
        for d in sorted(self._live.values(), key=lambda d: (d.cmd.op not in LOWERING, d.cmd.seq)):
            due = d.state is State.QUEUED or (
                d.state is State.SENT
                and not d.refused
                and d.instance == out.instance
                and (d.sent_now is None or now - d.sent_now >= self._settings.resend_ms)
            )
            if not due or not self._may_go(d, out, mirror):
                continue
            if d.state is State.QUEUED:
                d.instance, d.first_sent_at = out.instance, at
                facts += self._move(d, State.SENT)
            d.sent_now = now
            frames.append(
                msgspec.structs.replace(
                    d.cmd, ep=out.epoch, age_ms=d.age(now, at), hn=out.hn, hn_ago_ms=now - out.hn_now
                )
            )
        return frames, facts

    def _may_go(self, d: Delivery, out: Outlet, mirror: Mirror) -> bool:
        if d.cmd.op in ENTRIES and mirror.blocks_entries(d.cmd.sym):
            return False
        # What was said already is said again as long as heartbeats prove the mirror, also to an EA that does not answer now.
        fresh = out.fresh or (out.beating and d.state is State.SENT)
        if not (lowers_risk(d.cmd, mirror) or (fresh and not out.halted)):
            return False
        return d.state is not State.QUEUED or not self._busy(d, netting=out.netting)

    def _busy(self, d: Delivery, *, netting: bool) -> bool:
        """Whether another command works on the same target (R19).

        A whole CLOSE overtakes a MODIFY, which the EA then drops, and on a hedging account one that is in doubt: the
        position's identifier makes it harmless (R7).
        """
        for other in self._live.values():
            if other is d or other.state not in UNFINISHED:
                continue
            same_target = bool(d.cmd.target) and other.cmd.target == d.cmd.target
            same_exit = netting and d.cmd.op in EXITS and other.cmd.op in EXITS and other.cmd.sym == d.cmd.sym
            doubtful = other.state is State.UNKNOWN and not netting
            overtakes = d.cmd.op == "CLOSE" and (other.cmd.op == "MODIFY" or doubtful)
            if (same_target and not overtakes) or same_exit:
                return True
        return False

    def resend_at_once(self) -> None:
        """At WELCOME nothing waits for its next turn (R4)."""
        for d in self._live.values():
            d.sent_now = d.asked_now = None

    @property
    def under_way(self) -> bool:
        """Whether an EA is at work: then its account may change at any moment."""
        return any(d.state in (State.SENT, State.ACKED) for d in self._live.values())

    def acked(self, command: str, instance: str, now: Millis) -> list[Fact]:
        d = self._live.get(command)
        if d is None or d.state is not State.SENT or d.instance != instance:
            return []
        d.acked_now = now
        return self._move(d, State.ACKED)

    def refused(self, code: str, message: str, instance: str) -> None:
        """The EA could not take a frame (ERR), and says which: it will not take it the next time either.

        It is asked once more whether its journal has the command: an earlier copy of the frame may have been taken, and its
        ACK lost. If not, nothing was done and nothing will be (R2): :meth:`answered` ends it.
        """
        d = self._live.get(message.replace(":", " ").split(" ", 1)[0])
        if d is not None and code in REFUSALS and d.state is State.SENT and d.instance == instance:
            d.refused, d.asked_now = f"{code} {message}"[:200], None

    def _not_taken(self, d: Delivery, frame: QueryResult, now: Millis) -> list[Fact]:
        """What the journal of the EA that refused a frame says of its command."""
        if frame.jst:
            d.refused, d.acked_now = "", now
            return self._move(d, State.ACKED)
        return self._move(d, State.REJECTED, code="BAD_FRAME", reason=d.refused)

    # -- doubt ---------------------------------------------------------------------------------------------------

    def doubt(self, instance: str, free_from: Millis) -> list[Fact]:
        """Another instance has the lease: what was sent to anybody else is in doubt, acknowledged or not (R6).

        :param free_from: when the lease of the one before it has surely ended
        """
        facts: list[Fact] = []
        for d in self._live.values():
            if not d.instance or d.instance == instance:
                continue
            d.doubt_from = d.doubt_from or free_from
            if d.state in (State.SENT, State.ACKED):
                facts += self._move(d, State.UNKNOWN, code="OUTCOME_UNKNOWN")
        return facts

    def doubt_unsent(self, free_from: Millis) -> list[Fact]:
        """The hub was put back from an old copy: what it has not sent yet, its newer self may have sent (R20)."""
        facts: list[Fact] = []
        for d in [d for d in self._live.values() if d.state is State.QUEUED]:
            d.doubt_from = free_from
            facts += self._known_elsewhere(d)
            facts += self._move(d, State.UNKNOWN, code="HUB_RESTORED")
        return facts

    def _known_elsewhere(self, d: Delivery) -> list[Fact]:
        """Somebody speaks of a command that this copy of the hub has not sent: its newer self had."""
        if d.state is not State.QUEUED:
            return []
        d.instance, d.first_sent_at = FORGOTTEN, d.taken_at - d.age_ms
        return self._move(d, State.SENT)

    def queries(self, now: Millis, mirror: Mirror) -> list[Query]:
        """Ask after commands in doubt, and acknowledged ones without a result for ``status_ms`` (R7, R8)."""
        asked: list[Query] = []
        for d in self._live.values():
            at = self._query_at(d, mirror)
            if at is not None and at <= now:
                d.asked_now = now
                asked.append(Query(id=d.cmd.id, magic=d.cmd.magic))
        return asked

    def _query_at(self, d: Delivery, mirror: Mirror) -> Millis | None:
        again = None if d.asked_now is None else d.asked_now + self._settings.resend_ms
        if d.state is State.UNKNOWN or (d.refused and d.state is State.SENT):
            return again or 0
        if d.state in RESTING and d.doubt_from:  # an order that is still shown works on; its end has to be asked for
            return None if resting_ticket(d.cmd, mirror) else again or 0
        if d.state is State.ACKED and d.acked_now is not None:
            return max(d.acked_now + self._settings.status_ms, again or 0)
        return None

    def deadline(self, out: Outlet | None, mirror: Mirror) -> Millis | None:
        """When something here is due although nothing happens; what must wait for an event is not."""
        times = [at for d in self._live.values() if (at := self._query_at(d, mirror)) is not None]
        times += [
            d.sent_now + self._settings.resend_ms
            for d in self._live.values()
            if out is not None and d.state is State.SENT and not d.refused and d.sent_now is not None
            if self._may_go(d, out, mirror)
        ]
        return min(times, default=None)

    def expires_next(self) -> Millis | None:
        """When the first unsent command is too old."""
        queued = (d for d in self._live.values() if d.state is State.QUEUED and d.cmd.ttl_ms > 0)
        return min((d.taken_now + d.cmd.ttl_ms - d.age_ms + 1 for d in queued), default=None)

    # -- results and evidence ------------------------------------------------------------------------------------

    def result(self, evt: Evt) -> list[Fact]:
        """What the executor says became of a command (an EVT with an id)."""
        d = self.find(evt.id)
        if d is None:
            told = corrected(evt)
            return [told] if told is not None else []
        _gather(d, evt.deals)
        if evt.st not in _RESULTS:
            return [Alarm(code="BAD_RESULT", subject=evt.id, text=evt.st[:40])]
        d.retcode = evt.retcode if evt.retcode is not None else d.retcode
        d.ticket = evt.order or d.ticket
        d.price = evt.price if evt.price is not None else d.price
        before, d.filled = d.filled, max(d.filled, evt.vol, _filled(d))
        after = State(evt.st)
        if after is State.PARTIAL and d.state is State.PARTIAL and d.filled == before:
            return []
        return self._result(d, after, reason=evt.reason)

    def _result(self, d: Delivery, after: State, *, reason: str = "", evidence: str = "") -> list[Fact]:
        if after is d.state and after is not State.PARTIAL:
            return []
        known = self._known_elsewhere(d)
        if after not in TRANSITIONS.get(d.state, frozenset()):
            if after in (State.PLACED, State.PARTIAL) and d.state in TERMINAL - _REVIVED:
                return []  # an older word than the one it ended with
            if after in DEALLESS and d.state in DEALLESS and not d.filled:
                return []  # e.g. a journal that lost its last lines and had to find out anew
            return [Alarm(code="RESULT_CONFLICT", subject=d.cmd.id, text=f"{d.state} and then {after}")]
        revived = d.state in _REVIVED
        facts = known + self._move(d, after, reason=reason, evidence=evidence, code=_code(d, after))
        if revived:
            facts.append(Alarm(code="EXECUTED_AFTER_ALL", subject=d.cmd.id))
        if after in TERMINAL and _opened(d):
            facts.append(opened(d.cmd.id, d.deals.values()))
        return facts

    def deals(self, rows: Iterable[DealRow]) -> list[Fact]:
        """Deals that no result told of may still carry a command's magic."""
        by_magic: dict[str, list[DealRow]] = {}
        for row in rows:
            if row.magic not in ("", "0") and row.reason not in BY_SERVER:
                by_magic.setdefault(row.magic, []).append(row)
        if not by_magic:
            return []
        facts: list[Fact] = []
        for d in (*self._live.values(), *self._ended.values()):
            if found := by_magic.get(d.cmd.magic):
                facts += self._evident(d, found)
        return facts

    def answered(
        self, frame: QueryResult, mirror: Mirror, now: Millis, *, broker_offset: int, instance: str
    ) -> list[Fact]:
        """Judge what journal and venue say of a command: found deals always count, absence only as R7 allows."""
        d = self.find(frame.id)
        if d is None:
            return []
        part = (
            bool(frame.found) and not frame.jst
        )  # of an answer in several frames: the last one says what the journal has
        if d.refused and d.state is State.SENT and d.instance == instance and not part:
            return self._not_taken(d, frame, now)
        facts = self._evident(d, [row for row in frame.found if _made_by(row, d)])
        if facts or d.state not in (State.UNKNOWN, *RESTING):
            return facts
        if frame.jst in DEALLESS and d.state is not State.PARTIAL:
            return self._result(d, State(frame.jst), evidence="the journal says so")
        if d.state is State.UNKNOWN and mirror.fresh(now) and (seen := shown(d.cmd, mirror)) is not None:
            d.ticket = d.ticket or resting_ticket(d.cmd, mirror)
            return self._result(d, seen, evidence="the account shows it")
        if not self._absent(d, frame, mirror, now, broker_offset):
            return []
        ended = State.CANCELLED if d.filled or d.state is State.PLACED else State.NOT_EXECUTED
        return self._result(d, ended, evidence="history was read twice and does not know it")

    def _evident(self, d: Delivery, found: Iterable[DealRow]) -> list[Fact]:
        _gather(d, found)
        filled = _filled(d)
        if d.state not in _REVIVED | {State.QUEUED, State.ACKED, State.UNKNOWN, State.PLACED, State.PARTIAL}:
            return []
        if filled <= d.filled:
            return []
        d.filled, d.price = filled, _mean(d)
        d.ticket = d.ticket or next((row.order for row in d.deals.values() if row.order), "")
        wanted = d.cmd.expect_vol if d.cmd.op == "CLOSE" and d.cmd.expect_vol else d.cmd.vol
        whole = d.state in _REVIVED or (0 < wanted <= filled)
        return self._result(d, State.FILLED if whole else State.PARTIAL, evidence="deals carry its magic")

    def _absent(self, d: Delivery, frame: QueryResult, mirror: Mirror, now: Millis, broker_offset: int) -> bool:
        """Two whole reads of history, ``settle_ms`` apart in one unbroken sync, after nothing can be in flight (R7)."""
        s = self._settings
        window = s.no_answer_ms if d.retcode is None or d.retcode in UNANSWERED else s.in_flight_ms
        known = (
            frame.synced
            and not frame.working
            and mirror.fresh(now)
            and mirror.synced_for(now) >= s.synced_ms
            and 0 < frame.hist_from <= d.first_sent_at + broker_offset - DAY_MS
            and now >= d.doubt_from + window
            and not resting_ticket(d.cmd, mirror)
            and (d.filled > 0 or not any(row.magic == d.cmd.magic for row in mirror.positions.values()))
        )
        if not known:
            d.absent_since = None
            return False
        if d.absent_since is None or d.absent_since[1] != mirror.synced_since:
            d.absent_since = (now, mirror.synced_since)
        return now - d.absent_since[0] >= s.settle_ms

    # -- one move ------------------------------------------------------------------------------------------------

    def _move(self, d: Delivery, after: State, *, code: str = "", reason: str = "", evidence: str = "") -> list[Fact]:
        before, d.state = d.state, after
        if after in TERMINAL and self._live.pop(d.cmd.id, None) is not None:
            self._ended[d.cmd.id] = d
            while len(self._ended) > ENDED_REMEMBERED:
                del self._ended[next(iter(self._ended))]
        moved = CommandMoved(
            id=d.cmd.id,
            before=before,
            after=after,
            happening=HAPPENINGS.get(after),
            instance=d.instance,
            filled=d.filled,
            price=d.price,
            ticket=d.ticket,
            retcode=d.retcode,
            code=code,
            reason=reason[:200],
            evidence=evidence,
        )
        return [moved]


def _made_by(row: DealRow, d: Delivery) -> bool:
    """Whether a deal is this command's: by its order, or by its magic unless the broker closed by itself."""
    return row.order == d.ticket != "" or (row.magic == d.cmd.magic and row.reason not in BY_SERVER)


def _opened(d: Delivery) -> bool:
    """Whether an exit did more than close (R10)."""
    return d.cmd.op in EXITS and opens(d.deals.values())


def _code(d: Delivery, after: State) -> str:
    if _opened(d):
        return EXIT_OPENED
    return "VENUE_REJECTED" if after is State.REJECTED else ""


def _gather(d: Delivery, rows: Iterable[DealRow]) -> None:
    for row in rows:
        d.deals[row.ticket] = row


def _filled(d: Delivery) -> Lots:
    return sum((row.volume for row in d.deals.values()), ZERO)


def _mean(d: Delivery) -> Price | None:
    volume = _filled(d)
    worth: Decimal = sum((row.volume * row.price for row in d.deals.values()), ZERO)
    return worth / volume if volume else None
