"""The watch: turns what the trader's accounts say into incidents, messages and reliability figures.

It lives in the trader's process and is asked in its turns: the rows it returns go into the same transaction as what
caused them, so that an incident is durable together with its cause. If that commit fails, make a new watch and load it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from kakehashi.domain import linkwords as w
from kakehashi.domain import reliability as r
from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import (
    Incident,
    Incidents,
    IncidentSettings,
    Look,
    Notice,
    Post,
    Rows,
    Standing,
    Telling,
)
from kakehashi.domain.linkwords import Change, Fact, Session
from kakehashi.domain.markethours import MarketHours, market_hours
from kakehashi.domain.messages import IncidentAcked, IncidentClosed, MaintenanceSet
from kakehashi.domain.notices import NoticeSettings, NoticeTold, after, notices
from kakehashi.domain.orders import IN_FLIGHT, Order, State
from kakehashi.domain.reliability import Reliability
from kakehashi.domain.values import Account, Millis
from kakehashi.domain.views import BrokerPosition
from kakehashi.engine.outcome import Outcome
from kakehashi.ports import StateRow, Store
from kakehashi.services.watchfigures import Survey, count_open

if TYPE_CHECKING:
    from kakehashi.config.oncall import IncidentsSettings, NotifySettings

Wish: TypeAlias = IncidentAcked | IncidentClosed | MaintenanceSet

BEAT_MS: Final = 30_000
"""How often it is written that the hub lives: after a crash nobody knows the accounts' state better than this."""
ALIVE: Final = "watch|alive"
HEARD_MS: Final = 86_400_000
"""An EA without a link that was last heard longer ago is not missed after a restart."""
OUTAGES: Final = ("EA_STALE", "EA_STOPPED", "SYNC_OVERDUE")

_encode = msgspec.json.encode


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    incidents: IncidentSettings = IncidentSettings()
    notices: NoticeSettings = NoticeSettings()


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """A planned stop as it is kept (StateRow ``maintenance|ACCOUNT``)."""

    on: bool
    by: str = ""
    at: Millis = 0
    until: Millis | None = None


class SignOfLife(msgspec.Struct, frozen=True, kw_only=True):
    """An EA that is missed has polled; see :meth:`Watch.heard`."""

    at: Millis
    account: str


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """When the hub last said that it lives (StateRow ``watch|alive``)."""

    at: Millis


class Watch:
    """Owns the incidents of one trader. Not thread-safe: asked in its turns only.

    :ivar incidents: the machine
    :ivar reliability: the figures of each account that ever had a link
    """

    def __init__(self, settings: WatchSettings, *, look: Look = lambda _account: {}) -> None:
        """:param look: what is open and in flight on an account now, see :func:`picture`"""
        self._settings, self._look = settings, look
        self.incidents = self._machine(())
        self.reliability: dict[str, Reliability] = {}
        self._maintenance: dict[str, Maintenance] = {}
        self._disabled: set[str] = set()
        self._counted: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._beat_at: Millis | None = None
        self._survey: Survey | None = None

    def _machine(self, standing: Iterable[Incident]) -> Incidents:
        def tell(incident: Incident, why: Telling, at: Millis) -> list[Notice]:
            return notices(incident, why, at, self._settings.notices)

        return Incidents(self._settings.incidents, tell=tell, look=self._look, standing=standing)

    # -- start -----------------------------------------------------------------------------------------------------

    def load(
        self,
        *,
        at: Millis,
        incidents: Iterable[Incident] = (),
        states: Mapping[str, str | bytes] = {},
        accounts: Iterable[Account] = (),
        orders: Iterable[Order] = (),
        heard: Mapping[str, Millis] = {},
    ) -> None:
        """Take up what was kept. What changed by it is among the rows of the next :meth:`due`, which is at once.

        :param incidents: those that are not over, see :func:`standing`
        :param states: all state rows; the watch knows its own
        :param orders: the live ones
        :param heard: when accounts without a link last sent anything
        """
        self.incidents = self._machine(incidents)
        self._counted = set(self.incidents.open)
        alive = msgspec.json.decode(states[ALIVE], type=Alive).at if ALIVE in states else at
        for key, body in states.items():
            kind, _, name = key.partition("|")
            if kind == "maintenance":
                self._maintenance[name] = msgspec.json.decode(body, type=Maintenance)
            elif kind == "reliability":
                self.reliability[name] = msgspec.json.decode(body, type=Reliability)
        for account in accounts:
            self._take_up(account)
        for name, kept in self._maintenance.items():
            if kept.on:
                self.incidents.maintained(name, on=True, until=kept.until, at=at)
        for figures in list(self.reliability.values()):
            if figures.account:
                self._resume(figures, alive=max(alive, figures.at), at=at)
        for name, last in heard.items():
            if name not in self.reliability and at - last < HEARD_MS:
                self.incidents.began("EA_STOPPED", account=name, at=at)
        for order in orders:
            if order.state is State.UNKNOWN:
                self.incidents.began("IN_DOUBT", account=order.account, subject=order.id, at=order.updated_at)
        self._beat_at = at if self.reliability else None

    def _resume(self, figures: Reliability, *, alive: Millis, at: Millis) -> None:
        """After a restart no account is connected; since when it is not is when the hub last lived."""
        name, hours = figures.account, self._hours(figures.account)
        if figures.planned is not self._planned(name):
            figures = r.planned(figures, not figures.planned, at=alive, hours=hours)
            self._keep(figures)
        if figures.session is not Session.LEFT:
            self._keep(r.moved(figures, Session.AWAY, at=alive, hours=hours))
            self.incidents.began("EA_STALE", account=name, at=at)
            self.incidents.began("EA_STOPPED", account=name, at=at)

    # -- what happens ----------------------------------------------------------------------------------------------

    def link_facts(self, account: str, facts: Sequence[Fact], *, at: Millis) -> Rows:
        """What one step of an account's link said."""
        rows: Rows = []
        for fact in facts:
            match fact:
                case w.SessionMoved():
                    rows += self._session(account, fact.after, at)
                case w.Alarm():
                    rows += self._alarm(account, fact, at)
                case w.CommandMoved():
                    rows += self._command(account, fact.id, fact.after, at)
                case w.PositionMoved():
                    rows += self._position(account, fact, at)
                case w.RecordKept() if not fact.record.suspended:
                    rows += self.incidents.ended("HUB_RESTORED", account=account, at=at)
                case _:
                    pass
        return self._noted(rows, at)

    def _session(self, account: str, session: Session, at: Millis) -> Rows:
        incidents, rows = self.incidents, Rows()
        kept = self.reliability.get(account) or Reliability(account=account, at=at, planned=self._planned(account))
        self._keep(r.moved(kept, session, at=at, hours=self._hours(account)))
        if self._beat_at is None:
            self._beat_at = at
        if session in (Session.FRESH, Session.LEFT):
            for code in (*OUTAGES, *(["MIRROR_MISMATCH"] if session is Session.FRESH else [])):
                rows += incidents.ended(code, account=account, at=at)
            return rows
        rows += incidents.began("EA_STALE", account=account, at=at)
        if session is Session.AWAY:
            rows += incidents.ended("SYNC_OVERDUE", account=account, at=at)
            rows += incidents.began("EA_STOPPED", account=account, at=at)
        elif session is Session.SYNCING:
            rows += incidents.ended("EA_STOPPED", account=account, at=at)
            rows += incidents.began("SYNC_OVERDUE", account=account, at=at)
        return rows

    def _alarm(self, account: str, alarm: w.Alarm, at: Millis) -> Rows:
        if alarm.code == "MIRROR_MISMATCH" and account in self.reliability:
            self._keep(r.mismatched(self.reliability[account], at=at))
        subject = "" if alarm.subject == account else alarm.subject
        return self.incidents.happened(alarm.code, account=account, subject=subject, text=alarm.text, at=at)

    def _position(self, account: str, fact: w.PositionMoved, at: Millis) -> Rows:
        row = fact.row
        ident = row.ident or row.ticket
        if fact.change is Change.MISSING:
            text = f"{row.symbol} {'BUY' if row.side == 'B' else 'SELL'} {row.volume}, ticket {row.ticket}"
            return self.incidents.began("POSITION_MISSING", account=account, subject=ident, text=text, at=at)
        return self.incidents.ended("POSITION_MISSING", account=account, subject=ident, at=at)

    def _command(self, account: str, order: str, state: State, at: Millis, text: str = "") -> Rows:
        if state is State.UNKNOWN:
            return self.incidents.began("IN_DOUBT", account=account, subject=order, text=text, at=at)
        return self.incidents.ended("IN_DOUBT", account=account, subject=order, at=at)

    def outcome(self, outcome: Outcome, *, at: Millis) -> Rows:
        """What the engine changed, and what it says a person should know."""
        if not outcome.orders and not outcome.alerts:
            return []
        rows: Rows = []
        for order in outcome.orders.values():
            rows += self._order(order, at)
        for code, subject, text in outcome.alerts:
            of = outcome.orders.get(subject)
            if of is None:
                rows += self.incidents.happened(code, account="", subject=subject, text=text, at=at)
            elif of.state is not State.DEAD:  # those are counted by their state
                rows += self.incidents.happened(code, account=of.account, item=subject, text=text, at=at)
        return self._noted(rows, at)

    def _order(self, order: Order, at: Millis) -> Rows:
        incidents, name = self.incidents, order.account
        rows = self._command(name, order.id, order.state, at, text=f"{_what(order)}, magic {order.magic}")
        if order.state is State.DEAD:
            if not incidents.gathers("DEAD_LETTER", name, order.id):
                text = f"{_what(order)}: {order.code} {order.reason}".rstrip()
                rows += incidents.happened("DEAD_LETTER", account=name, item=order.id, text=text, at=at)
        else:
            rows += incidents.settled("DEAD_LETTER", account=name, item=order.id, at=at)
        if order.state is State.EXPIRED and order.is_entry:
            rows += incidents.happened("EXPIRED_ENTRY", account=name, item=order.id, text=_what(order), at=at)
        if order.state is not State.UNCONFIRMED:
            rows += incidents.settled("UNCONFIRMED", account=name, item=order.id, at=at)
        return rows

    def heard(self, account: str, *, at: Millis) -> Rows:
        """An EA without a link polled or reported. From then on its silence counts as stopping.

        While :meth:`misses` says no, nothing is to be written, and it need not be said in a turn.
        """
        kept = self.reliability.get(account)
        if kept is not None and kept.session is not Session.LEFT:
            return []
        return self._noted(self.incidents.lasted("EA_STOPPED", account=account, at=at), at)

    def misses(self, account: str) -> bool:
        """Whether an EA without a link is missed now: its next sign of life must be written down."""
        return self.incidents.stands("EA_STOPPED", account)

    def told(self, event: NoticeTold) -> Rows:
        """A try to deliver a notice succeeded or failed. That it was given up is an incident of its own."""
        notice, rows = after(event, self._settings.notices), Rows()
        rows.append(notice)
        if notice.state is Post.SENT:
            rows += self.incidents.ended("NOTICE_UNDELIVERED", account="", subject=notice.target, at=event.at)
        elif notice.target not in self._settings.notices.targets:
            rows = [msgspec.structs.replace(notice, state=Post.FAILED)]  # a target that was taken out of the settings
        elif notice.state is Post.FAILED:
            text = f"{notice.title}: {notice.error}"
            rows += self.incidents.happened(
                "NOTICE_UNDELIVERED", account="", subject=notice.target, text=text, at=event.at
            )
        return self._noted(rows, event.at)

    # -- people and configuration ----------------------------------------------------------------------------------

    def wish(self, event: Wish) -> Rows:
        """What a person asked for.

        :raises Rejected: INCIDENT_OVER
        """
        match event:
            case IncidentAcked():
                return self._noted(self.incidents.acked(event.incident, by=event.by, at=event.at), event.at)
            case IncidentClosed():
                rows = self.incidents.closed(event.incident, by=event.by, false=event.false, at=event.at)
                return self._noted(rows, event.at)
            case MaintenanceSet():
                kept = Maintenance(on=event.on, by=event.by, at=event.at, until=event.until if event.on else None)
                return self._maintain(event.account, kept, at=event.at)

    def _maintain(self, name: str, kept: Maintenance, *, at: Millis) -> Rows:
        self._maintenance[name] = kept
        rows: Rows = [StateRow(key=f"maintenance|{name}", body=_encode(kept))]
        if name not in self._disabled:
            rows += self.incidents.maintained(name, on=kept.on, until=kept.until, at=at)
            self._plan(name, on=kept.on, at=at)
        return self._noted(rows, at)

    def know(self, account: Account, *, at: Millis) -> Rows:
        """An account is new, or its configuration changed. One that is switched off has no outages."""
        was_off = account.name in self._disabled
        self._take_up(account)
        off = account.name in self._disabled
        if off == was_off:
            return []
        kept = self._maintenance.get(account.name, Maintenance(on=False))
        rows = self.incidents.maintained(
            account.name, on=off or kept.on, until=None if off else kept.until, at=at
        )  # fmt: skip
        self._plan(account.name, on=off or kept.on, at=at)
        return self._noted(rows, at)

    def forget(self, name: str, *, at: Millis) -> Rows:
        """An account was removed: nothing is wrong with it any more. Its figures stay."""
        rows: Rows = []
        for incident in [i for i in self.incidents.open.values() if i.account == name]:
            rows += self.incidents.closed(incident.id, by="account removed", false=False, at=at)
        for code in OUTAGES:
            self.incidents.ended(code, account=name, at=at)
        if name in self.reliability:
            self._keep(r.moved(self.reliability[name], Session.LEFT, at=at, hours=self._hours(name)))
        return self._noted(rows, at)

    def _take_up(self, account: Account) -> None:
        if account.market_hours:
            self.incidents.hours[account.name] = market_hours(account.market_hours)
        else:
            self.incidents.hours.pop(account.name, None)
        if account.enabled:
            self._disabled.discard(account.name)
        else:
            self._disabled.add(account.name)
            self.incidents.maintenance[account.name] = None

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> Millis | None:
        """When :meth:`due` has something to do, ms UTC; None: not before something happens."""
        ends = (kept.until for kept in self._maintenance.values() if kept.on)
        survey_at = self._beat_at - BEAT_MS if self._beat_at and self._survey else None  # the next slice: at once
        times = (self.incidents.next_deadline, self._beat_at, survey_at, *ends)
        return min((at for at in times if at is not None), default=None)

    def due(self, at: Millis) -> Rows:
        """What is due by ``at``."""
        rows: Rows = []
        for name, kept in list(self._maintenance.items()):
            if kept.on and kept.until is not None and kept.until <= at:
                rows += self._maintain(name, Maintenance(on=False, by="its end", at=kept.until), at=kept.until)
        rows += self.incidents.due(at)
        if self._beat_at is not None and self._beat_at <= at:
            self._beat_at = at + BEAT_MS
            rows.append(StateRow(key=ALIVE, body=_encode(Alive(at=at))))
            count_open(self.incidents.open.values())
            self._survey = Survey(self.reliability)
        if self._survey is not None and self._survey.step(self.reliability, at=at, hours=self._hours):
            self._survey = None
        return self._noted(rows, at)

    # -- figures ---------------------------------------------------------------------------------------------------

    def _noted(self, rows: Rows, at: Millis) -> Rows:
        """Count alerts and false alerts; add the figures that changed."""
        for row in [row for row in rows if isinstance(row, Incident)]:
            kept = self.reliability.get(row.account) or Reliability(account=row.account, at=at)
            if row.state is not Standing.CLEARED and row.id not in self._counted:
                self._counted.add(row.id)
                if row.reopened_at is None:
                    self._keep(r.alerted(kept, at=at))
            elif row.state is Standing.CLEARED:
                self._counted.discard(row.id)
                if row.false:
                    self._keep(r.alerted(kept, at=at, false=True))
        changed, self._dirty = self._dirty, {}
        return [
            *rows,
            *(StateRow(key=f"reliability|{name}", body=_encode(self.reliability[name])) for name in changed),
        ]

    def _keep(self, figures: Reliability) -> None:
        self.reliability[figures.account] = figures
        self._dirty[figures.account] = None

    def _plan(self, name: str, *, on: bool, at: Millis) -> None:
        if name in self.reliability:
            self._keep(r.planned(self.reliability[name], on, at=at, hours=self._hours(name)))

    def _planned(self, name: str) -> bool:
        return name in self._disabled or name in self.incidents.maintenance

    def _hours(self, name: str) -> MarketHours:
        return self.incidents.hours.get(name, self._settings.incidents.hours)


async def standing(store: Store) -> list[Incident]:
    """The incidents that are not over, for :meth:`Watch.load`."""
    states = (Standing.OPEN.value, Standing.ACKED.value)
    rows = await store.rows("incidents", where={"state": states}, limit=1_000_000, newest_first=False)
    return [msgspec.json.decode(row["body"], type=Incident) for row in rows]


def row_key(row: msgspec.Struct) -> tuple[str, str]:
    """What a batch keeps a row of the watch by: the newest version of each only."""
    match row:
        case Incident():
            return ("incidents", row.id)
        case Notice():
            return ("notices", row.id)
        case StateRow():
            return ("state", row.key)
    raise TypeError(f"{type(row).__name__} is no row of the watch")


def picture(positions: Iterable[BrokerPosition], orders: Iterable[Order]) -> dict[str, Any]:
    """What the page of a stopped EA names: what is open, what was in flight, what waits. Plain texts, ready to read."""
    flight, waiting = [], []
    for order in sorted(orders, key=lambda o: o.seq):
        if order.state in IN_FLIGHT:
            flight.append(f"{_what(order)} ({order.state}), {order.id}, magic {order.magic}")
        elif order.state is State.QUEUED:
            waiting.append(f"{_what(order)}, {order.id}")
    held = [
        f"{p.symbol} {p.side} {p.volume} at {p.open_price}, SL {p.sl or '-'}, TP {p.tp or '-'}, ticket {p.ticket}"
        for p in sorted(positions, key=lambda p: p.ident)
    ]
    return {"open": held, "flight": flight, "waiting": waiting}


def look_at(find: Callable[[], Any]) -> Look:
    """How the watch sees an account through whatever engine ``find`` says is the present one."""

    def look(account: str) -> dict[str, Any]:
        engine = find()
        mirror = engine.mirrors.get(account)
        return picture(mirror.positions.values() if mirror else (), engine.book.of(account).standing(*State))

    return look


def _what(order: Order) -> str:
    return " ".join(str(part) for part in (order.op, order.side, order.volume, order.symbol) if part is not None)


def watch_settings(
    incidents: "IncidentsSettings", notify: "NotifySettings", *, targets: Iterable[str], recovery_alert_s: float = 30.0
) -> WatchSettings:
    """The watch's settings from the hub's.

    :param targets: the names of ``notify.targets``, in the order they are told
    :param recovery_alert_s: how long a snapshot may stay out after a reconnect (S1.4)
    """
    holds = {
        "EA_STALE": incidents.stale_s,
        "EA_STOPPED": incidents.stopped_s,
        "IN_DOUBT": incidents.in_doubt_s,
        "POSITION_MISSING": incidents.missing_s,
        "SYNC_OVERDUE": recovery_alert_s,
    }
    return WatchSettings(
        incidents=IncidentSettings(
            holds={code: int(seconds * 1000) for code, seconds in holds.items()},
            renotify_ms=int(incidents.renotify_s * 1000),
            hours=market_hours(incidents.market_hours),
        ),
        notices=NoticeSettings(
            targets=tuple(targets),
            lang=notify.language,
            least=Severity(notify.min_severity),
            runbook=notify.runbook_url,
            retry_ms=int(notify.retry_s * 1000),
            attempts=notify.attempts,
        ),
    )
