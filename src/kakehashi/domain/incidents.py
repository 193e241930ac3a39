"""What a person should know of: raised, held down, counted, escalated, acknowledged, cleared.

One :class:`Incidents` for all accounts of a process. Its methods take what happened, with wall ``at`` in ms UTC, and
return the rows to write in the same transaction. No I/O, no clock. Source: S1.5, S0.9.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.incidentkinds import Ends, Kind, Severity, kind_of
from kakehashi.domain.markethours import MarketHours
from kakehashi.domain.values import Millis


class Standing(StrEnum):
    """How far an incident is: raised, seen by a person, over."""

    OPEN = "OPEN"
    ACKED = "ACKED"
    CLEARED = "CLEARED"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, however often it is reported.

    :ivar code: a kind of :mod:`kakehashi.domain.incidentkinds`, also the name of its runbook page
    :ivar account: empty where no account is concerned
    :ivar subject: what it is about: an order, a position, an instance; one incident each
    :ivar last_at: when it was reported last; ``count`` how often
    :ivar false: closed by a person as a false alert
    :ivar text: what happened, as reported
    :ivar values: the occasion's own values; ``items`` are the orders it gathers
    :ivar reopened_at: when it came back within a few minutes of being over
    :ivar told: how many messages it led to; ``told_at`` when the last one was
    """

    id: str
    code: str
    severity: Severity
    account: str
    opened_at: Millis
    last_at: Millis
    subject: str = ""
    state: Standing = Standing.OPEN
    count: int = 1
    acked_at: Millis | None = None
    acked_by: str = ""
    cleared_at: Millis | None = None
    cleared_by: str = ""
    false: bool = False
    text: str = ""
    values: dict[str, Any] = {}
    told: int = 0
    told_at: Millis | None = None
    reopened_at: Millis | None = None

    @property
    def key(self) -> "Key":
        return (self.code, self.account, self.subject)


class Post(StrEnum):
    """How far a notice is."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Given up: an incident of its own says so."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one target, to be delivered at least once.

    :ivar incident: the incident's id, or empty for a test
    :ivar target: the name of an entry in ``notify.targets``
    :ivar due_at: not to be tried before
    :ivar error: why the last try failed, without the target's address
    """

    id: str
    incident: str
    target: str
    severity: Severity
    title: str
    body: str
    at: Millis
    due_at: Millis
    state: Post = Post.WAITING
    attempts: int = 0
    error: str = ""
    sent_at: Millis | None = None


Key: TypeAlias = tuple[str, str, str]
"""Code, account, subject: of each there is one incident at a time."""
Rows: TypeAlias = list[msgspec.Struct]
Look: TypeAlias = Callable[[str], Mapping[str, Any]]

ITEMS: Final = 50
"""How many orders one incident names; it counts them all."""


class Telling(StrEnum):
    """On what occasion a message is written."""

    RAISED = "RAISED"
    STILL = "STILL"
    OVER = "OVER"


Tell: TypeAlias = Callable[[Incident, Telling, Millis], Iterable[Notice]]


class IncidentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar holds: by code, how long a condition must last, where it is not the kind's own ``hold_ms``
    :ivar renotify_ms: after so long without an acknowledgement it is told again, then after twice as long, ...
    :ivar reopen_ms: what comes back within this is the same incident
    :ivar quiet_ms: what is over by quiet, or was acknowledged, is cleared after so long without a repetition
    """

    holds: Mapping[str, int] = {}
    renotify_ms: int = 1_800_000
    reopen_ms: int = 300_000
    quiet_ms: int = 600_000
    hours: MarketHours = MarketHours()


class Condition(msgspec.Struct):
    """Something that is wrong now. ``seen``: an incident was made of it; not again before it has gone."""

    since: Millis
    text: str
    seen: bool = False


class Incidents:
    """What is wrong, and who was told. Mutable; if the commit of its rows fails, make it anew from the store.

    :ivar open: the incidents that are not over, by id
    :ivar hours: the market hours of accounts that have their own
    :ivar maintenance: accounts on which nothing counts as an outage, and until when; None: until a person ends it
    """

    def __init__(
        self,
        settings: IncidentSettings,
        *,
        tell: Tell = lambda _incident, _why, _at: (),
        look: Look = lambda _account: {},
        standing: Iterable[Incident] = (),
    ) -> None:
        """:param tell: writes the messages; ``look``: what is open and in flight on an account, for an outage's page"""
        self._settings, self._tell, self._look = settings, tell, look
        self.open: dict[str, Incident] = {}
        self.hours: dict[str, MarketHours] = {}
        self.maintenance: dict[str, Millis | None] = {}
        self._by_key: dict[Key, str] = {}
        self._conditions: dict[Key, Condition] = {}
        self._over: dict[Key, Incident] = {}
        self._queue: list[tuple[Millis, Key]] = []
        self._queued: dict[Key, Millis] = {}
        for incident in standing:
            self._put(incident)
            self._schedule(incident.key)

    # -- what happens ----------------------------------------------------------------------------------------------

    def began(self, code: str, *, account: str, at: Millis, subject: str = "", text: str = "") -> Rows:
        """A condition holds from now on. Said again, it only lasts."""
        key = (code, account, subject)
        if key not in self._conditions:
            self._conditions[key] = Condition(since=at, text=text, seen=key in self._by_key)
            self._schedule(key)
        return self.due(at)

    def lasted(self, code: str, *, account: str, at: Millis) -> Rows:
        """The same, counted from ``at``: a sign of life came, and from now on it is awaited again."""
        key = (code, account, "")
        rows = self._clear(key, at) if key in self._by_key else []
        self._conditions[key] = Condition(since=at, text="")
        if key not in self._queued:  # else the old deadline comes first, finds nothing, and makes way for the new one
            self._schedule(key)
        return rows

    def ended(self, code: str, *, account: str, at: Millis, subject: str = "") -> Rows:
        """The condition is gone."""
        key = (code, account, subject)
        self._conditions.pop(key, None)
        return self._clear(key, at) if key in self._by_key else []

    def happened(
        self, code: str, *, account: str, at: Millis, subject: str = "", text: str = "", item: str = ""
    ) -> Rows:
        """Something came to pass: an incident at once, or one more of the same.

        :param item: an order that the incident gathers
        """
        key = (code, account, subject)
        incident = self.open.get(self._by_key.get(key, ""))
        if incident is None:
            return self._raise(key, at, text, {"items": [item]} if item else {})
        items = list(incident.values.get("items", ()))
        if item and item not in items:
            items = [*items, item][-ITEMS:]
        values = {**incident.values, "items": items} if items else incident.values
        changed = msgspec.structs.replace(
            incident, count=incident.count + 1, last_at=at, text=text or incident.text, values=values
        )
        self._put(changed)
        return [changed]

    def stands(self, code: str, account: str) -> bool:
        """Whether there is such an incident now."""
        return (code, account, "") in self._by_key

    def gathers(self, code: str, account: str, item: str) -> bool:
        """Whether an open incident names this order already."""
        incident = self.open.get(self._by_key.get((code, account, ""), ""))
        return incident is not None and item in incident.values.get("items", ())

    def settled(self, code: str, *, account: str, item: str, at: Millis) -> Rows:
        """One of the orders that an incident gathers needs nobody any more; with the last one it is over."""
        incident = self.open.get(self._by_key.get((code, account, ""), ""))
        if incident is None or item not in incident.values.get("items", ()):
            return []
        left = [known for known in incident.values["items"] if known != item]
        if not left:
            return self._clear(incident.key, at)
        changed = msgspec.structs.replace(incident, values={**incident.values, "items": left})
        self._put(changed)
        return [changed]

    # -- what people say -------------------------------------------------------------------------------------------

    def acked(self, incident_id: str, *, by: str, at: Millis) -> Rows:
        """Somebody has seen it: it is not told again.

        :raises Rejected: INCIDENT_OVER
        """
        incident = self._standing(incident_id)
        if incident.state is Standing.ACKED:
            return []
        changed = msgspec.structs.replace(incident, state=Standing.ACKED, acked_at=at, acked_by=by)
        self._put(changed)
        self._schedule(changed.key)
        return [changed]

    def closed(self, incident_id: str, *, by: str, false: bool, at: Millis) -> Rows:
        """Somebody says that it is over, or that it never was (``false``). Not raised again before its condition has gone.

        :raises Rejected: INCIDENT_OVER
        """
        return self._clear(self._standing(incident_id).key, at, by=by, false=false)

    def maintained(self, account: str, *, on: bool, at: Millis, until: Millis | None = None) -> Rows:
        """A planned stop begins or ends: during it the account has no outage, afterwards it has to be back."""
        rows: Rows = []
        if on:
            self.maintenance[account] = until
        else:
            self.maintenance.pop(account, None)
        for key, condition in self._conditions.items():
            if key[1] == account and kind_of(key[0]).outage:
                if on and key in self._by_key:
                    rows += self._clear(key, at, by="maintenance")
                condition.seen = False
                condition.since = at
                self._schedule(key)
        return rows

    def _standing(self, incident_id: str) -> Incident:
        incident = self.open.get(incident_id)
        if incident is None:
            raise Rejected("INCIDENT_OVER", f"{incident_id!r} is not open", hint="kakehashi incidents list")
        return incident

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> Millis | None:
        """When :meth:`due` has something to do, or may have; ms UTC."""
        return self._queue[0][0] if self._queue else None

    def due(self, at: Millis) -> Rows:
        """Raise what has lasted, tell again what nobody has seen, clear what is quiet."""
        rows: Rows = []
        while self._queue and self._queue[0][0] <= at:
            when, key = heapq.heappop(self._queue)
            if self._queued.get(key) != when:
                continue  # another, earlier deadline was set since
            del self._queued[key]
            deadline = self._deadline(key)
            if deadline is not None and deadline <= at:
                rows += self._act(key, at)
            self._schedule(key)
        return rows

    def _act(self, key: Key, at: Millis) -> Rows:
        incident = self.open.get(self._by_key.get(key, ""))
        if incident is None:
            condition = self._conditions[key]
            condition.seen = True
            return self._raise(key, at, condition.text, {})
        if (over := self._quiet_at(incident)) is not None and over <= at:
            return self._clear(key, at)
        worse = msgspec.structs.replace(
            incident, severity=Severity.CRITICAL, told=incident.told + 1, told_at=at, last_at=at
        )
        self._put(worse)
        return [worse, *self._tell(worse, Telling.STILL, at)]

    def _schedule(self, key: Key) -> None:
        when = self._deadline(key)
        if when is not None and when < self._queued.get(key, when + 1):
            self._queued[key] = when
            heapq.heappush(self._queue, (when, key))

    def _deadline(self, key: Key) -> Millis | None:
        incident = self.open.get(self._by_key.get(key, ""))
        kind = kind_of(key[0])
        if incident is None:
            condition = self._conditions.get(key)
            return None if condition is None or condition.seen else self._ripe(kind, key, condition.since)
        return min(
            (t for t in (self._quiet_at(incident), self._again_at(incident, kind)) if t is not None), default=None
        )

    def _ripe(self, kind: Kind, key: Key, since: Millis) -> Millis | None:
        """When a condition will have lasted long enough; None: not while maintenance goes on."""
        hold = self._settings.holds.get(kind.code, kind.hold_ms)
        if not kind.outage:
            return since + hold
        if key[1] in self.maintenance:
            until = self.maintenance[key[1]]
            if until is None:
                return None
            since = max(since, until)
        return self._hours(key[1]).after(since, hold)

    def _quiet_at(self, incident: Incident) -> Millis | None:
        ends = kind_of(incident.code).ends
        if ends is Ends.GONE or (ends is Ends.SEEN and incident.state is not Standing.ACKED):
            return None
        return max(incident.last_at, incident.acked_at or 0) + self._settings.quiet_ms

    def _again_at(self, incident: Incident, kind: Kind) -> Millis | None:
        if incident.state is not Standing.OPEN or not kind.escalates or incident.told_at is None:
            return None
        again = incident.told_at + self._settings.renotify_ms * 2 ** min(incident.told - 1, 5)
        return self._hours(incident.account).opens(again) if kind.outage else again

    def _hours(self, account: str) -> MarketHours:
        return self.hours.get(account, self._settings.hours)

    # -- one incident ----------------------------------------------------------------------------------------------

    def _raise(self, key: Key, at: Millis, text: str, values: dict[str, Any]) -> Rows:
        code, account, subject = key
        kind = kind_of(code)
        if kind.outage:
            values = {**values, **self._look(account)}
        before = self._over.pop(key, None)
        if before is not None and not before.false and at - (before.cleared_at or 0) <= self._settings.reopen_ms:
            incident = msgspec.structs.replace(
                before, state=Standing.OPEN, count=before.count + 1, last_at=at, cleared_at=None, cleared_by="",
                reopened_at=at, text=text or before.text, values=values, acked_at=None, acked_by="",
            )  # fmt: skip
            quietly = incident.severity is not Severity.CRITICAL
        else:
            incident = Incident(
                id=_id(key, at), code=code, severity=kind.severity, account=account, subject=subject,
                opened_at=at, last_at=at, text=text, values=values,
            )  # fmt: skip
            quietly = False
        if not quietly:
            incident = msgspec.structs.replace(incident, told=incident.told + 1, told_at=at)
        self._put(incident)
        self._schedule(key)
        return [incident, *(() if quietly else self._tell(incident, Telling.RAISED, at))]

    def _clear(self, key: Key, at: Millis, *, by: str = "", false: bool = False) -> Rows:
        incident = self.open.pop(self._by_key.pop(key))
        over = msgspec.structs.replace(
            incident, state=Standing.CLEARED, cleared_at=at, cleared_by=by, false=false,
        )  # fmt: skip
        self._over[key] = over
        self._forget(at)
        known = incident.told_at is not None and incident.told_at >= (incident.reopened_at or 0)
        return [over, *(self._tell(over, Telling.OVER, at) if known else ())]

    def _put(self, incident: Incident) -> None:
        self.open[incident.id] = incident
        self._by_key[incident.key] = incident.id

    def _forget(self, at: Millis) -> None:
        """What is over for longer than it could come back; the oldest are first."""
        while self._over:
            key = next(iter(self._over))
            if at - (self._over[key].cleared_at or 0) <= self._settings.reopen_ms:
                return
            del self._over[key]


def _id(key: Key, at: Millis) -> str:
    """The same for the same occasion, so that a repeated transaction writes one row."""
    return "i-" + hashlib.sha256("|".join((*key, str(at))).encode()).hexdigest()[:12]
