"""One turn of the trader: its wishes are processed one after the other, and what they change is gathered for one commit."""

import structlog

from kakehashi.domain import linkwords as w
from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.domain.messages import (
    AccountReport,
    Ask,
    ConfigChanged,
    DeliveriesLeased,
    Event,
    IncidentAcked,
    IncidentClosed,
    LinkAsked,
    MaintenanceSet,
    OrderReported,
    Renumbered,
    SignalReceived,
    TimePassed,
)
from kakehashi.domain.notices import NoticeTold
from kakehashi.engine.links import Routed
from kakehashi.engine.outcome import Outcome
from kakehashi.ports import AuditRow, Clock
from kakehashi.services.figures import Figures
from kakehashi.services.gateway import LinkInput
from kakehashi.services.loading import Loaded, new_prefix
from kakehashi.services.scribe import Batch
from kakehashi.services.watch import SignOfLife
from kakehashi.services.wishes import Beat, Left, Poll, Wish

log = structlog.get_logger("trader")


class Turn:
    """:ivar batch: what is to be written, and the frames that may leave once it is; ``figures`` what is to be counted"""

    def __init__(self, state: Loaded, clock: Clock, *, day_offset_ms: int) -> None:
        self._engine, self._links, self._scribe = state.engine, state.links, state.scribe
        self._versions, self._watch = state.versions, state.watch
        self._clock, self._day_offset_ms = clock, day_offset_ms
        self._touched: dict[str, None] = {}
        self.batch, self.figures = Batch(), Figures()

    def process(self, wish: Wish) -> Outcome:
        """Take one wish.

        :raises KakehashiError: it cannot be applied; nothing of it was
        """
        match wish:
            case LinkInput():
                return self._linked(wish.account, wish.event)
            case AccountReport():
                return self._mailed(wish)
            case Left():
                outcome = self.process(wish.event) if wish.event is not None else Outcome()
                self.batch.deletes.append(("inbox", str(wish.id)))
                return outcome
            case Poll():
                leased = self._leased(wish)
                return Outcome() if leased is None else self._event(leased)
            case LinkAsked():
                return self._asked(wish)
            case Beat():
                self.batch.state("beat|hub", wish)
            case IncidentAcked() | IncidentClosed() | MaintenanceSet():
                self.batch.watched(self._watch.wish(wish))
                self.batch.audits.append(_people(wish))
            case NoticeTold():
                self.batch.watched(self._watch.told(wish))
            case SignOfLife():
                self.batch.watched(self._watch.heard(wish.account, at=wish.at))
            case _:
                return self._event(wish)
        return Outcome()

    @property
    def silent(self) -> bool:
        """Whether nothing is to be written and no link to be told anything: what is to be sent may leave at once."""
        return not (self.batch or self._touched)

    def settle(self) -> None:
        """Tell the links what has changed for them: new orders leave in the same commit that made them."""
        while self._touched:
            account = next(iter(self._touched))
            del self._touched[account]
            now, at = self._times()
            for late in self._engine.overtaken(account, at):
                self._told(late)
            for event in self._links.wishes(account, now=now, at=at):
                self._linked(account, event)

    # -- events of the engine ------------------------------------------------------------------------------------

    def _event(self, event: Event) -> Outcome:
        outcome = self._engine.process(event)
        self._scribe.gather(outcome, self.batch, at=event.at)
        self.batch.watched(self._watch.outcome(outcome, at=event.at))
        for name in outcome.paused:
            version = self._versions.get(("route", name), 0)
            route = self._engine.routes[name]
            self._scribe.paused(route, version=version, at=self._clock.now_ms(), batch=self.batch)
        if isinstance(event, ConfigChanged):
            self._versions[(event.kind, event.name)] = event.version
            self._scribe.config(event, self.batch)
            if event.kind == "account":
                known = self._engine.accounts.get(event.name)
                told = (
                    self._watch.forget(event.name, at=event.at)
                    if known is None
                    else self._watch.know(known, at=event.at)
                )
                self.batch.watched(told)
        elif isinstance(event, Renumbered):
            self.batch.new_orders = True
        elif isinstance(event, TimePassed):
            self.batch.watched(self._watch.due(event.at))
        self._touch(event, outcome)
        self.figures.note(outcome)
        return outcome

    def _touch(self, event: Event, outcome: Outcome) -> None:
        if isinstance(event, ConfigChanged):
            for account, _ in self._links:
                self._touched[account] = None
                if event.kind != "kill":
                    self._links.see_routes(account)
        elif isinstance(event, SignalReceived) and outcome.heard is not None:
            for leg in outcome.heard.legs:
                if leg.account in self._links and (known := self._engine.accounts.get(leg.account)) is not None:
                    self._links.see(leg.account, known.broker_symbol(event.signal.alert.symbol))
                    self._touched[leg.account] = None
        for order in outcome.orders.values():
            if order.account in self._links:
                self._touched[order.account] = None

    def _leased(self, poll: Poll) -> DeliveriesLeased | None:
        """One lease: while an EA holds the account over its link, or may believe so, its mailbox is empty (R5)."""
        if self._links.held(poll.account, now=self._times()[0]):
            return None
        orders = self._engine.offerable(
            poll.account, symbol=poll.symbol, limit=poll.limit, at=poll.at, remembers=poll.remembers
        )
        if not orders:
            return None
        return DeliveriesLeased(
            at=poll.at,
            account=poll.account,
            orders=orders,
            instance=poll.instance,
            until=poll.at + poll.lease_ms,
            remembers=poll.remembers,
        )

    # -- reports and links ---------------------------------------------------------------------------------------

    def _mailed(self, report: AccountReport) -> Outcome:
        """:raises Rejected: LEASE_HELD: what an account is, is said by the EA that holds it"""
        if self._links.held(report.account, now=self._times()[0]):
            raise Rejected("LEASE_HELD", f"an EA holds {report.account} over its link", hint="stop one of the two")
        if (mirror := self._engine.mirrors.get(report.account)) is not None:
            mirror.proven = None  # from now on the age of its reports decides
        self.batch.watched(self._watch.heard(report.account, at=report.at))
        return self._report(report)

    def _report(self, report: AccountReport) -> Outcome:
        total = Outcome()
        for event in self._engine.report(report, day_offset_ms=self._day_offset_ms):
            outcome = self._told(event)
            total.orders.update(outcome.orders)
        self._scribe.mirror(report, self.batch)
        return total

    def _told(self, event: Event) -> Outcome:
        """What an account's own words lead to: where it cannot be, that one word is left out and the rest stands."""
        try:
            return self._event(event)
        except KakehashiError as e:
            log.warning("evidence_refused", kind=type(event).__name__, code=e.code, message=e.message)
            return Outcome()

    def _linked(self, account: str, event: w.Event) -> Outcome:
        if account not in self._engine.accounts:
            if isinstance(event, w.Arrived):
                self.batch.closes.append((event.conn, 1008, "no such account"))
            return Outcome()
        self._follow(account, self._links.step(account, event), event.at)
        return Outcome()

    def _follow(self, account: str, routed: Routed, at: int) -> None:
        self.batch.frames += routed.frames
        self.batch.closes += routed.closes
        self._keep_hello(account, routed)
        if not routed.facts and routed.report is None:
            return
        for event in routed.events:
            self._told(event)
        if routed.report is not None:
            self._report(routed.report)
        if routed.state is not None:
            self.batch.state(f"link|{account}", routed.state)
        for closed in routed.closed:
            self.batch.rows[("closures", closed.key)] = closed
        self.batch.watched(self._watch.link_facts(account, routed.facts, at=at))
        for fact in routed.facts:
            match fact:
                case w.EventBooked():
                    self._scribe.booked(account, fact, self.batch, at=at)
                case w.Balanced():
                    self._scribe.worth(account, fact, self.batch, at=at)
                case w.PositionMoved() | w.SymbolsTold():
                    self._touched[account] = None
                case w.SessionMoved():
                    self._touched[account] = None
                    log.info("link", account=account, before=fact.before, after=fact.after, why=fact.why)
                case w.Admitted():
                    self._links.see_routes(account)
                    self._touched[account] = None
                case w.Alarm():
                    log.warning("link_alarm", account=account, code=fact.code, subject=fact.subject, text=fact.text)

    def _keep_hello(self, account: str, routed: Routed) -> None:
        """What EAs say of themselves, for ``ea check``."""
        if routed.hello is not None:
            self.batch.state(f"hello|{account}", routed.hello)
        if routed.refused is not None:
            self.batch.state(f"refused|{account}", routed.refused)

    def _asked(self, asked: LinkAsked) -> Outcome:
        """:raises Rejected: NO_LINK: the account's EA has never been connected"""
        link, (now, at) = self._links.get(asked.account), self._times()
        if link is None:
            raise Rejected(
                "NO_LINK", f"no EA of {asked.account} has been connected yet", hint="docs: connect your EA by the link"
            )
        if asked.ask is Ask.RESYNC:
            return self._linked(asked.account, w.Resync(now=now, at=at))
        if link.record.suspended:  # magics and numbers beyond whatever the newer copy of this hub has given out (R20)
            used = frozenset(m >> 48 for magics in self._engine.magics.values() for m in magics)
            seen = frozenset(p.magic >> 48 for m in self._engine.mirrors.values() for p in m.positions.values())
            prefix = new_prefix(but=used | seen | {self._engine.settings.prefix})
            self._event(Renumbered(at=at, prefix=prefix, seq=max(self._engine.seq, link.record.cmd_hi)))
            for doubted in list(self._links.unsent(asked.account, now=now, at=at)):
                if isinstance(doubted, OrderReported):
                    self._told(doubted)
                else:
                    self._linked(asked.account, doubted)
            self._linked(asked.account, w.Confirm(now=now, at=at))
            self._touched[asked.account] = None
        return Outcome()

    def _times(self) -> tuple[int, int]:
        return int(self._clock.monotonic() * 1000), self._clock.now_ms()


def _people(wish: IncidentAcked | IncidentClosed | MaintenanceSet) -> AuditRow:
    """Who did what about an incident."""
    match wish:
        case IncidentAcked():
            return AuditRow(at=wish.at, actor=wish.by, action="incident ack", subject=wish.incident)
        case IncidentClosed():
            what = "incident false" if wish.false else "incident close"
            return AuditRow(at=wish.at, actor=wish.by, action=what, subject=wish.incident)
        case MaintenanceSet():
            what = f"maintenance {'on' if wish.on else 'off'}"
            return AuditRow(at=wish.at, actor=wish.by, action=what, subject=wish.account)
