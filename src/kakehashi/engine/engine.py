"""The engine: one event in, the rows it changed out. Routing only; every rule lives in the domain.

The same events in the same order, with the mirror views that were recorded beside them, give the same rows (law 8).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from kakehashi.domain.again import again, overtaken
from kakehashi.domain.alerts import OrderKind
from kakehashi.domain.corrections import EXIT_OPENED
from kakehashi.domain.decide import Decision, Intent, decide, redecide
from kakehashi.domain.deliveries import (
    check_whole,
    ended,
    fill_of,
    lease_ended,
    leased,
    may_repeat,
    released,
    retried,
    told,
)
from kakehashi.domain.errors import Rejected
from kakehashi.domain.messages import (
    AccountReport,
    ConfigChanged,
    DeadLetterDiscarded,
    DeadLetterRetried,
    DeliveriesLeased,
    Event,
    ExitAgain,
    ForeignClose,
    MirrorView,
    OrderReported,
    Recorded,
    Renumbered,
    SignalReceived,
    TimePassed,
)
from kakehashi.domain.orders import Happening, Op, Order, State
from kakehashi.domain.reconcile import OPEN_TO_EVIDENCE, evidence
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Account, MarginMode, Redelivery
from kakehashi.domain.views import Leg, RouteMemory, Signal
from kakehashi.engine.memory import after_entry, after_target, memory_key
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.outcome import Heard, Outcome
from kakehashi.engine.state import EngineSettings, EngineState

T = TypeVar("T")


class Engine(EngineState):
    """Owns the live orders of its accounts. Not thread-safe: one caller, one event after the other."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self._overtaken: dict[str, dict[str, Order]] = {}

    # -- the front door ------------------------------------------------------------------------------------------

    def process(self, event: Event, *, views: Mapping[str, MirrorView] | None = None) -> Outcome:
        """Apply one event.

        :param views: when replaying, the mirror views recorded with the event; None takes them from the mirrors
        :raises IllegalTransition: nothing of this event was applied to that order
        """
        self._out, self._views, self._given_views = Outcome(), {}, views
        match event:
            case SignalReceived():
                self._signal(event)
            case DeliveriesLeased():
                self._leased(event)
            case OrderReported():
                self._reported(event)
            case TimePassed():
                self._time(event)
            case ConfigChanged():
                self._config(event)
            case DeadLetterRetried() | DeadLetterDiscarded():
                self._dead_letter(event)
            case ForeignClose():
                self._foreign_close(event)
            case ExitAgain():
                self._exit_again(event)
            case Renumbered():
                self.seq = max(self.seq, event.seq)
                self.settings = msgspec.structs.replace(self.settings, prefix=event.prefix)
        touched = self._out.orders or self._out.memories or self._out.heard
        if touched or not isinstance(event, TimePassed):
            self._out.recorded.append(Recorded(event=event, views=self._views))
        return self._out

    def offerable(self, account: str, *, symbol: str, limit: int, at: int, remembers: bool) -> tuple[str, ...]:
        """Which orders an executor may be handed now, oldest first; one at a time for each position.

        Entries stay in the mailbox while a kill switch covers the account or its mirror is stale.
        :param symbol: the broker's name or the alert's, or empty for all
        """
        if account in self.accounts and not self.accounts[account].may_trade:
            return ()
        ready: list[str] = []
        working = self.book.of(account)
        busy: set[str] = {o.target for o in working.standing(State.SENT, State.ACKED) if o.target}
        closing_only = self.killed(account) or self._stale(account, at)
        for order in working.standing(State.QUEUED, State.UNKNOWN):
            if len(ready) == limit:
                break
            if order.linked or (symbol and symbol not in (order.symbol, order.signal_symbol)):
                continue
            if (closing_only and order.is_entry) or order.target in busy or not self._ready(order, at, remembers):
                continue
            if order.target:
                busy.add(order.target)
            ready.append(order.id)
        return tuple(ready)

    def for_link(self, account: str, at: int) -> Iterator[Order]:
        """The orders that the EA link may take now, oldest first; when and in what order they leave is its own matter."""
        if account not in self.accounts or self.accounts[account].may_trade:
            for order in self.book.of(account).standing(State.QUEUED):
                if not order.held and at < order.expires_at and not self.book.blocked(order):
                    yield order

    def report(self, report: AccountReport, *, day_offset_ms: int = 0) -> tuple[Event, ...]:
        """Fold a report into the mirror; the events it proves are to be processed (and journalled) next."""
        mirror = self.mirrors.setdefault(report.account, Mirror(account=report.account))
        before = dict(mirror.positions)
        deals = mirror.apply(report, day_offset_ms=day_offset_ms)
        ours: Mapping[int, str] = self.magics.get(report.account, {})
        unsettled = self.book.of(report.account).standing(*OPEN_TO_EVIDENCE)
        found: list[Event] = list(evidence(unsettled, report, before, deals, ours))
        for deal in deals:
            opened = before.get(deal.position)
            route = ours.get(opened.magic) if opened is not None else None
            if route and deal.entry != "IN" and deal.reason not in ("EXPERT", "") and opened is not None:
                found.append(ForeignClose(at=report.at, account=report.account, route=route, symbol=opened.symbol))
        return tuple(found)

    @property
    def next_deadline(self) -> int | None:
        """When :class:`TimePassed` has something to do next, ms UTC."""
        return self.book.next_deadline

    # -- signals -------------------------------------------------------------------------------------------------

    def _signal(self, event: SignalReceived) -> None:
        signal = event.signal
        if event.duplicate_of:
            self._out.heard = Heard(
                signal=signal, status="duplicate", code="DUPLICATE", duplicate_of=event.duplicate_of
            )
            return
        legs = [
            self._leg(signal, route, account, event.at)
            for route in self._matching(signal)
            for account in route.accounts
        ]
        status = next(
            (s for s in ("queued", "dry_run", "satisfied") if any(leg.status == s for leg in legs)), "refused"
        )
        code = "" if status != "refused" else next((leg.code for leg in legs if leg.code), "NO_ROUTE")
        self._out.heard = Heard(signal=signal, status=status, code=code, legs=tuple(legs), idem_until=event.idem_until)

    def _matching(self, signal: Signal) -> Iterable[Route]:
        """A strategy named like a route is that route's own; any other goes wherever it is taken."""
        own = self.routes.get(signal.strategy)
        for route in (own,) if own is not None else self.routes.values():
            if route.takes(signal.strategy, signal.alert.symbol):
                yield route

    def _leg(self, signal: Signal, route: Route, name: str, at: int) -> Leg:
        account = self.accounts.get(name)
        if account is None:
            return Leg(route=route.name, account=name, status="refused", code="UNKNOWN_ACCOUNT")
        symbol = account.broker_symbol(signal.alert.symbol)
        view = self._view(account, symbol, at)
        memory = self.memories.get(memory_key(route.name, name, symbol), RouteMemory())
        decision = decide(signal, route, view, memory, at=at, symbol=symbol)
        if decision.target is not None:
            # Also of a refused increase: the next target's prev_* is compared with it.
            self._remember(route.name, name, symbol, after_target(memory, decision.target, signal, at))
        if decision.refused:
            return Leg(
                route=route.name, account=name, status="refused", code=decision.code,
                notes=decision.notes, detail=dict(decision.values),
            )  # fmt: skip
        if route.dry_run:
            for entry in (i for i in decision.intents if i.is_entry):
                memory = after_entry(memory, entry, at, route.rules_for(name))
                self._remember(route.name, name, symbol, memory)
            wanted = tuple(f"{i.op} {i.side or ''} {i.volume} {i.symbol}" for i in decision.intents)
            return Leg(route=route.name, account=name, status="dry_run", notes=(*decision.notes, *wanted))
        orders = self._carry_out(decision, signal, route, account, at)
        if decision.pause is not None:
            self.routes[route.name] = msgspec.structs.replace(route, enabled=not decision.pause)
            self._out.paused[route.name] = decision.pause
        return Leg(
            route=route.name,
            account=name,
            status="queued" if orders or decision.cancels else "satisfied",
            code=decision.code,
            orders=tuple(o.id for o in orders),
            notes=decision.notes,
        )

    def _carry_out(
        self, decision: Decision, signal: Signal, route: Route, account: Account, at: int
    ) -> Sequence[Order]:
        for cancelled in decision.cancels:
            self._cancel_if_queued(cancelled, at, code="SUPERSEDED")
        orders: list[Order] = []
        for intent in decision.intents:
            earlier = tuple(o.id for o in orders) if intent.waits else ()
            order = self._new_order(intent, signal, route, account, waits_for=(*intent.after, *earlier), at=at)
            orders.append(order)
            self._keep(order)
            self.know_magic(order)
            if order.held:
                self.signals[order.id] = signal
            if order.is_entry:
                key = memory_key(route.name, account.name, order.symbol)
                self._remember(
                    route.name,
                    account.name,
                    order.symbol,
                    after_entry(self.memories.get(key), order, at, route.rules_for(account.name)),
                )
        return orders

    def _new_order(
        self, intent: Intent, signal: Signal, route: Route, account: Account, *, waits_for: tuple[str, ...], at: int
    ) -> Order:
        self.seq += 1
        alert, names = signal.alert, self._names(self.seq)
        return Order(
            id=names.id,
            seq=names.seq,
            account=account.name,
            route=route.name,
            signal_id=signal.id,
            trace_id=signal.trace_id,
            op=intent.op,
            kind=intent.kind,
            symbol=intent.symbol,
            side=intent.side,
            magic=names.magic,
            created_at=at,
            updated_at=at,
            expires_at=at + intent.ttl_ms,
            signal=alert.action.value,
            timeframe=alert.timeframe or "",
            bar_time=alert.bar_time,
            alert_price=alert.price,
            signal_symbol=alert.symbol,
            volume=intent.volume,
            volume_ratio=intent.volume_ratio,
            price=intent.price,
            sl=intent.sl,
            tp=intent.tp,
            target=intent.target,
            expect_vol=intent.expect_vol,
            opened_before=intent.opened_before,
            comment=intent.comment,
            waits_for=waits_for,
            held=intent.held,
        )

    # -- deliveries and what becomes of them ---------------------------------------------------------------------

    def _ready(self, order: Order, at: int, remembers: bool) -> bool:
        if order.held or self.book.blocked(order):
            return False
        if order.state is State.QUEUED:
            return at < order.expires_at
        return may_repeat(order, self._policy(order), remembers=remembers)

    def _policy(self, order: Order) -> Redelivery:
        return self.accounts[order.account].redelivery if order.account in self.accounts else Redelivery.AUTO

    def _leased(self, event: DeliveriesLeased) -> None:
        offered = []
        for order_id in event.orders:
            order = leased(
                self._known(order_id),
                instance=event.instance,
                until=event.until,
                remembers=event.remembers,
                linked=event.linked,
                at=event.at,
            )
            self._keep(order)
            offered.append(order)
        self._out.offered = tuple(offered)

    def _reported(self, event: OrderReported) -> None:
        order = self._known(event.order)
        check_whole(order, event.account)
        mirror = self.mirrors.get(order.account)
        mirrored = event.happening is Happening.TAKEN and self._reports(mirror, event)
        after = told(
            order,
            event,
            mirrored=mirrored,
            max_attempts=self.settings.max_attempts,
            page_ms=self.settings.unconfirmed_ms,
        )
        if after is None:
            return
        fill = fill_of(order, after, event)
        if fill is not None:
            self._out.fills[fill.id] = fill
            if mirror is not None and not event.evidence and after.code != EXIT_OPENED:
                account = self.accounts.get(order.account)
                netting = account is not None and account.margin_mode is MarginMode.NETTING
                mirror.fill(after, fill.volume, netting=netting)
        self._end_or_keep(after, event.at)
        if after.op is Op.CANCEL and after.state is State.DONE and not after.linked:
            self._cancelled_at_venue(after, event.at)
        account = self.accounts.get(after.account)
        if account is not None and overtaken(after, account):
            self._overtaken.setdefault(after.account, {})[after.id] = after

    def _cancelled_at_venue(self, cancel: Order, at: int) -> None:
        """An executor that polls the mailbox tells of the cancellation only, not of the order that it ended."""
        for order in tuple(self.book.of(cancel.account).standing(State.PLACED)):
            if order.ticket == cancel.target:
                self._end_or_keep(ended(order, Happening.CANCELLED, code="", at=at), at)

    def overtaken(self, account: str, at: int) -> Iterator[Event]:
        """Exits that are to be decided again now; where the mirror does not show yet what overtook them, it is waited for."""
        mirror = self.mirrors.get(account)
        for order in tuple(self._overtaken.get(account, {}).values()):
            held = mirror.positions.get(order.target) if mirror is not None else None
            moved = held is None or held.volume != order.expect_vol
            if order.op is Op.CLOSE or moved or at >= order.expires_at:
                instrument = mirror.instruments.get(order.symbol) if mirror is not None else None
                yield ExitAgain(at=at, account=account, order=order.id, held=held, instrument=instrument)

    def _exit_again(self, event: ExitAgain) -> None:
        order = self._overtaken.get(event.account, {}).pop(event.order, None)
        if order is None:
            return
        names = self._names(self.seq + 1)
        new = again(order, event.held, event.instrument, names=names, at=event.at)
        if new is not None:
            self.seq += 1
            self._keep(new)
            self.know_magic(new)

    def _reports(self, mirror: Mirror | None, event: OrderReported) -> bool:
        """Whether the account has a mirror, by the recorded view when replaying."""
        key = f"{event.account}|"
        if self._given_views is not None:
            return self._given_views.get(key, MirrorView()).reported
        known = mirror is not None and mirror.reported_at is not None
        if known:
            self._views[key] = MirrorView(reported=True)
        return known

    def _end_or_keep(self, order: Order, at: int) -> None:
        self._keep(order)
        if not order.settled:
            return
        if order.state is State.DEAD or (order.code == "PARTIAL_FILL" and not order.is_entry):
            self._out.alerts.append((order.code, order.id, order.reason))
        for waiter in self.book.waiters(order.id):
            if waiter.held and not self.book.blocked(waiter):
                self._release_held(waiter, at)

    def _release_held(self, order: Order, at: int) -> None:
        """What a held order waited for has ended: it is decided again, every check made anew."""
        waited = [o for awaited in order.waits_for if (o := self.book.get(awaited)) is not None]
        failed = [o for o in waited if not o.is_entry and o.state not in (State.FILLED, State.DONE, State.TAKEN)]
        signal, route = self.signals.pop(order.id, None), self.routes.get(order.route)
        account = self.accounts.get(order.account)
        if (failed and order.is_entry) or signal is None or route is None or account is None:
            self._refuse(order, at, "REVERSAL_INCOMPLETE", f"{len(failed)} of {len(waited)} exits did not fill")
            return
        self.book.take_out(order)  # it is decided again as if it were not there
        view = self._view(account, order.symbol, at)
        memory = self.memories.get(memory_key(route.name, account.name, order.symbol), RouteMemory())
        decision = redecide(order, signal, route, view, memory, at=at)
        if not decision.intents:
            self._refuse(order, at, decision.code or "NOTHING_TO_CLOSE", "; ".join(decision.notes))
            return
        first, *more = decision.intents
        self._keep(released(order, first, at=at))
        self._carry_out(msgspec.structs.replace(decision, intents=tuple(more)), signal, route, account, at)

    def _refuse(self, order: Order, at: int, code: str, reason: str) -> None:
        self._end_or_keep(ended(order, Happening.REJECTED, code=code, reason=reason, at=at), at)

    # -- time ----------------------------------------------------------------------------------------------------

    def _time(self, event: TimePassed) -> None:
        for due in self.book.due(event.at):
            order = due
            over = order.lease_until is not None and order.lease_until <= event.at
            if over and order.state is State.SENT:
                order = lease_ended(order, self._policy(order), max_attempts=self.settings.max_attempts, at=event.at)
                self._end_or_keep(order, event.at)
            elif over and order.state is State.UNCONFIRMED:
                order = msgspec.structs.replace(order, lease_until=None)
                self._keep(order)
                self._out.alerts.append(("UNCONFIRMED", order.id, f"{order.account}: taken, and no result since"))
            over = order.expires_at <= event.at and not order.linked
            if order.state is State.PARTIAL and order.kind is OrderKind.MARKET and over:
                # whoever said "partial" of an order at market has had its whole life to say more
                self._end_or_keep(ended(order, Happening.DONE, code="PARTIAL_FILL", at=event.at), event.at)
            if order.state is State.QUEUED and order.expires_at <= event.at:
                code = "EXPIRED_ENTRY" if order.is_entry else "EXPIRED_EXIT"
                self._end_or_keep(ended(order, Happening.EXPIRED, code=code, at=event.at), event.at)

    # -- people --------------------------------------------------------------------------------------------------

    def _config(self, event: ConfigChanged) -> None:
        match event.kind:
            case "account":
                self._set(self.accounts, event, Account)
            case "route":
                self._set(self.routes, event, Route)
            case "kill":
                self.kills = self.kills | {event.name} if event.body else self.kills - {event.name}
                if event.body:
                    self._cancel_entries(event)
            case other:
                raise Rejected("BAD_CONFIG", f"unknown kind of configuration: {other}")

    @staticmethod
    def _set(table: dict[str, T], event: ConfigChanged, kind: type[T]) -> None:
        if event.body is None:
            table.pop(event.name, None)
        else:
            table[event.name] = msgspec.convert(event.body, kind, strict=False)

    def _cancel_entries(self, event: ConfigChanged) -> None:
        for account in self.book.accounts:
            if self.killed(account):
                for order in tuple(self.book.of(account).standing(State.QUEUED)):
                    if order.is_entry:
                        self._cancel_if_queued(order.id, event.at, code="KILLED")

    def _dead_letter(self, event: DeadLetterRetried | DeadLetterDiscarded) -> None:
        order = self._known(event.order)
        if isinstance(event, DeadLetterRetried):
            after = retried(order, by=event.by, expires_at=event.expires_at, at=event.at)
        else:
            by = f"discarded by {event.by}"
            after = ended(order, Happening.DISCARDED, code="DISCARDED", reason=by, at=event.at)
        self._end_or_keep(after, event.at)

    def _foreign_close(self, event: ForeignClose) -> None:
        key = memory_key(event.route, event.account, event.symbol)
        memory = self.memories.get(key, RouteMemory())
        if memory.target is not None and not memory.closed_by_other:
            self._remember(
                event.route, event.account, event.symbol, msgspec.structs.replace(memory, closed_by_other=True)
            )

    def _cancel_if_queued(self, order_id: str, at: int, *, code: str) -> None:
        order = self.book.get(order_id)
        if order is not None and order.state is State.QUEUED:
            self._end_or_keep(ended(order, Happening.CANCELLED, code=code, at=at), at)
