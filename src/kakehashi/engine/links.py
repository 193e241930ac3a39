"""The EA links of this process's accounts beside the engine: what a link says becomes events, what is ordered goes to it.

Synchronous and without I/O, like both of them. The trader steps a link, processes the events, writes everything in one
commit, and sends the frames after it (R1).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kakehashi.domain import linkwords as w
from kakehashi.domain.closures import Closed
from kakehashi.domain.eacheck import SelfReport, self_report
from kakehashi.domain.frames import FromHub, Hello, PositionRow, Refuse
from kakehashi.domain.link import LEASE_HELD, Link
from kakehashi.domain.linkrows import SMALLEST, closed_by, command, deal, delivery, instrument, mismatch, position, row
from kakehashi.domain.linkwords import CommandMoved, LinkRecord, LinkSettings, LinkState, Session
from kakehashi.domain.messages import AccountReport, DeliveriesLeased, Event, OrderReported
from kakehashi.domain.orders import IN_FLIGHT, Happening, Order, State
from kakehashi.domain.values import ZERO, Millis, Money, Quote
from kakehashi.domain.views import BrokerPosition
from kakehashi.engine.engine import Engine
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.state import SEQ_BITS

WITHDRAWN = "WITHDRAWN"
"""The code of a command that the order book has ended already: nobody needs to hear of it again."""

MAX_WATCHED = 200
WATCHED_UNASKED = 50
"""Of so many symbols of the terminal the prices are wanted before anybody trades them: an alert may name any."""
ON_ITS_WAY = IN_FLIGHT - {State.UNCONFIRMED} | {State.NOT_EXECUTED, State.CANCELLED}
"""Of these there may still be news."""
ELSEWHERE = frozenset({"UNKNOWN_ACCOUNT", "SERVER_MISMATCH"})
"""Why an EA is sent away whose terminal is on another account than the one it has the token of."""
RETOLD_MS = 60_000


class Routed(msgspec.Struct, kw_only=True):
    """What one step of a link leads to. ``facts`` are all of them, for whoever watches.

    :ivar hello: what the EA that was let in said of itself; ``refused`` what one said that is on another account
    """

    frames: list[tuple[str, FromHub]] = []
    closes: list[tuple[str, int, str]] = []
    events: list[Event] = []
    report: AccountReport | None = None
    state: LinkState | None = None
    closed: list[Closed] = []
    facts: list[w.Fact] = []
    hello: SelfReport | None = None
    refused: SelfReport | None = None


class Links:
    """Every link, by the account's name. An account without one is served by its mailbox alone."""

    def __init__(self, engine: Engine, settings: LinkSettings) -> None:
        self._engine, self._settings = engine, settings
        self._links: dict[str, Link] = {}
        self._since: dict[str, Millis] = {}
        self._watched: dict[str, set[str]] = {}
        self._guessed: set[str] = set()
        self._refused: dict[str, SelfReport] = {}
        self._noted: dict[str, dict[str, tuple[Millis, Millis]]] = {}
        self._due: list[tuple[Millis, str]] = []
        self._due_at: dict[str, Millis] = {}

    def __contains__(self, account: str) -> bool:
        return account in self._links

    def __iter__(self) -> Iterator[tuple[str, Link]]:
        return iter(self._links.items())

    def get(self, account: str) -> Link | None:
        return self._links.get(account)

    # -- made and loaded -----------------------------------------------------------------------------------------

    def load(
        self,
        account: str,
        state: LinkState,
        orders: Iterable[Order],
        *,
        now: Millis,
        at: Millis,
        set_back: Callable[[Order], Millis],
    ) -> None:
        """A link as it was when the process before this one ended; nothing of it is proven until its EA comes back.

        :param orders: the account's orders that went out over the link and may still have news
        :param set_back: how far the wall clock was set back since an order was made, ms: it is older by that
        """
        mirror = self._engine.mirrors.get(account)
        offset = state.record.broker_offset
        self._links[account] = Link(
            state.record,
            self._settings,
            now=now,
            positions=[row(p, offset=offset) for p in mirror.positions.values()] if mirror is not None else (),
            deliveries=[
                delivery(o, offset=offset, at=at, set_back=set_back(o))
                for o in orders
                if o.linked and o.state in ON_ITS_WAY
            ],
        )
        self._since[account] = state.since
        if mirror is not None:
            mirror.proven = False
        self._watched[account] = set(state.record.symbols)
        queued = self._engine.book.of(account).standing(State.QUEUED)
        self._noted[account] = {o.id: (now, _age(o, at + set_back(o))) for o in queued}
        self._schedule(account)

    def _link(self, account: str, now: Millis) -> Link:
        known, link = self._engine.accounts[account], self._links.get(account)
        if link is None or link.record.account != known.number:
            link = Link(LinkRecord(account=known.number, server=known.server), self._settings, now=now)
            self._links[account] = link
        return link

    def held(self, account: str, *, now: Millis) -> bool:
        """Whether an EA holds this account over its link, or may still believe so (R5)."""
        link = self._links.get(account)
        return link is not None and link.leased(now)

    # -- one step ------------------------------------------------------------------------------------------------

    def step(self, account: str, event: w.Event) -> Routed:
        """Take one event of a link: what must be processed and written, then sent."""
        if isinstance(event, w.Arrived) and isinstance(event.frame, Hello):
            text = mismatch(self._engine.accounts[account], event.frame)
            if text:
                return _refused(event.conn, account, text, self._sent_away(account, event.frame, event.at))
        link = self._link(account, event.now)
        steps = link.step(event)
        routed = Routed(frames=steps.frames, closes=steps.closes, facts=steps.facts)
        if isinstance(event, w.Arrived) and isinstance(event.frame, Hello) and any(map(_elsewhere, steps.frames)):
            routed.refused = self._sent_away(account, event.frame, event.at)
        proven = account in self._guessed and link.mirror.proven_at(event.now) and link.fresh(event.now)
        if steps.facts or proven:
            self._route(account, link, steps, event.at, routed, proven=proven)
        self._schedule(account)
        return routed

    def _sent_away(self, account: str, hello: Hello, at: Millis) -> SelfReport | None:
        """What is worth keeping of an EA that is on another account: each word once a minute, for it comes back and back."""
        said, before = self_report(hello, at=at), self._refused.get(account)
        if before is not None and 0 <= at - before.at < RETOLD_MS:
            clockless = {"at": before.at, "broker_time": before.broker_time}
            if msgspec.structs.replace(said, **clockless) == before:
                return None
        self._refused[account] = said
        return said

    def _route(self, account: str, link: Link, steps: w.Steps, at: Millis, routed: Routed, *, proven: bool) -> None:
        """:param proven: a heartbeat has just shown the mirror to be right, and executions were added to what it said"""
        told = [fact for fact in steps.facts if isinstance(fact, w.DealsTold)]
        profits = _profits(told)
        for fact in steps.facts:
            match fact:
                case CommandMoved():
                    routed.events += self._moved(account, fact, profits, at)
                case w.PositionMoved():
                    if fact.change in (w.Change.CLOSED, w.Change.UNEXPLAINED):
                        routed.closed.append(self._closed(account, link, fact, at))
                    self.see(account, fact.row.symbol)
                case w.SymbolsTold():
                    for spec in fact.rows[:WATCHED_UNASKED]:
                        self.see(account, spec.symbol)
                case w.SessionMoved():
                    self._since[account] = at
                case w.Admitted():
                    routed.hello = self_report(fact.hello, at=at)
                    self._refused.pop(account, None)
        if any(isinstance(fact, w.RecordKept | w.SessionMoved) for fact in steps.facts):
            self._mirror(account).proven = link.session is Session.FRESH and not link.record.suspended
            routed.state = LinkState(record=link.record, session=link.session, since=self._since.get(account, at))
        if proven:
            self._guessed.discard(account)
        if any(isinstance(fact, CommandMoved) and fact.filled for fact in steps.facts):
            self._guessed.add(account)
        routed.report = self._report(account, link, steps.facts, at, positions=proven)

    def _mirror(self, account: str) -> Mirror:
        return self._engine.mirrors.setdefault(account, Mirror(account=account))

    def _moved(self, account: str, moved: CommandMoved, profits: Mapping[str, Money], at: Millis) -> list[Event]:
        if moved.happening is None or moved.code == WITHDRAWN:
            return []
        if moved.after is State.SENT:
            return [
                DeliveriesLeased(
                    at=at,
                    account=account,
                    orders=(moved.id,),
                    instance=moved.instance,
                    until=0,
                    remembers=True,
                    linked=True,
                )
            ]
        order = self._engine.book.get(moved.id)
        code = moved.code
        if moved.happening is Happening.EXPIRED and order is not None:
            code = "EXPIRED_ENTRY" if order.is_entry else "EXPIRED_EXIT"
        return [
            OrderReported(
                at=at,
                account=account,
                order=moved.id,
                happening=moved.happening,
                volume=moved.filled,
                price=moved.price,
                ticket=moved.ticket,
                retcode=moved.retcode,
                code=code,
                message=moved.reason,
                profit=profits.get(str(order.magic), ZERO) if order is not None else ZERO,
                evidence=moved.evidence,
            )
        ]

    def _closed(self, account: str, link: Link, moved: w.PositionMoved, at: Millis) -> Closed:
        held = position(account, moved.row, offset=link.record.broker_offset)
        outs = [d for d in moved.deals if d.entry != "IN"]
        volume = sum((d.volume for d in outs), ZERO)
        worth = sum((d.volume * d.price for d in outs), ZERO)
        return Closed(
            account=account,
            ident=held.ident,
            ticket=held.ticket,
            symbol=held.symbol,
            side=held.side,
            volume=held.volume,
            open_price=held.open_price,
            price=worth / volume if volume else None,
            opened_at=held.opened_at,
            closed_at=max((d.time - link.record.broker_offset for d in outs if d.time), default=at),
            reason=closed_by(outs),
            deal=outs[-1].ticket if outs else "",
            magic=held.magic,
            origin=self.origin(account, held.magic),
            profit=sum((d.profit + d.swap + d.commission + d.fee for d in outs), ZERO),
        )

    def origin(self, account: str, magic: int) -> str:
        """OWN where one of our orders opened it, else EXTERNAL (R15)."""
        ours = magic in self._engine.magics.get(account, {}) or magic >> SEQ_BITS == self._engine.settings.prefix
        return "OWN" if ours else "EXTERNAL"

    def _report(
        self, account: str, link: Link, facts: Iterable[w.Fact], at: Millis, *, positions: bool
    ) -> AccountReport | None:
        """What the facts change of the account, as any executor's report says it; None: nothing."""
        offset = link.record.broker_offset
        said: dict[str, Any] = {"positions": self._positions(account, link)} if positions else {}
        report = AccountReport(at=at, account=account, instance=link.record.instance, server=link.record.server)
        mirror = self._mirror(account)
        credit = mirror.credit
        for fact in facts:
            match fact:
                case w.PositionMoved() | w.SessionMoved(after=Session.FRESH):
                    said["positions"] = self._positions(account, link)
                case w.DealsTold():
                    said["deals"] = (*said.get("deals", ()), *(deal(d, offset=offset) for d in fact.rows))
                case w.Quoted():
                    said["quotes"] = {
                        s: Quote(bid=bid, ask=ask, at=at) for s, bid, ask, _ in fact.rows if bid >= SMALLEST <= ask
                    }
                case w.SymbolsTold():
                    told = (
                        i for r in fact.rows if (i := instrument(r)) is not None
                    )  # many symbols come in many frames
                    said["instruments"] = (*said.get("instruments", ()), *told)
                case w.Balanced():
                    credit = fact.credit
                    said |= {"balance": fact.balance, "equity": fact.equity}
        if not said:
            return None
        return msgspec.structs.replace(report, credit=credit, **said)

    def _positions(self, account: str, link: Link) -> tuple[BrokerPosition, ...]:
        """What the terminal holds, and what went without a deal: that still counts in risk (R14)."""
        rows: dict[str, PositionRow] = {key: lost.row for key, lost in link.mirror.missing.items()}
        rows |= {r.ident or r.ticket: r for r in link.mirror.positions.values()}
        return tuple(position(account, r, offset=link.record.broker_offset) for r in rows.values())

    # -- what the account wants of its link ----------------------------------------------------------------------

    def wishes(self, account: str, *, now: Millis, at: Millis) -> Iterator[w.Event]:
        """What the link has to be told since orders, kill switches or symbols changed; step each before taking the next."""
        link = self._links.get(account)
        if link is None:
            return
        ages = self._note_ages(account, now=now, at=at)
        for gone in [d.cmd.id for d in link.commands if d.state is State.QUEUED and not self._queued(d.cmd.id)]:
            yield w.Withdraw(now=now, at=at, id=gone, code=WITHDRAWN)
        if (on := self._engine.killed(account)) != link.record.halted:
            yield w.SetHalt(now=now, at=at, on=on)
        if link.live is not None:
            for order in list(self._engine.for_link(account, at)):
                self.see(account, order.symbol)
                if link.commands.find(order.id) is None:
                    cmd = command(order, offset=link.record.broker_offset)
                    yield w.Deliver(now=now, at=at, cmd=cmd, age_ms=max(ages.get(order.id, 0), at - order.created_at))
        if self._watched.get(account, set()) - set(link.record.symbols):
            yield w.Watch(now=now, at=at, symbols=tuple(sorted(self._watched[account])[:MAX_WATCHED]))

    def unsent(self, account: str, *, now: Millis, at: Millis) -> Iterator[w.Deliver | OrderReported]:
        """What a copy of the hub that was put back believes unsent, the newer one may have sent: the link has to know of it
        before it is confirmed, and asks after it (R20).

        What was to be decided again is not: nobody knows any more what it waited for.
        """
        link = self._links[account]
        for order in tuple(self._engine.book.of(account).standing(State.QUEUED)):
            if order.held:
                yield OrderReported(
                    at=at, account=account, order=order.id, happening=Happening.CANCELLED, code="HUB_RESTORED"
                )
            elif link.commands.find(order.id) is None:
                cmd = command(order, offset=link.record.broker_offset)
                yield w.Deliver(now=now, at=at, cmd=cmd, age_ms=max(0, at - order.created_at))

    def _note_ages(self, account: str, *, now: Millis, at: Millis) -> Mapping[str, Millis]:
        """How old the waiting orders are by the clock that is never set, ms: the wall clock may have gone back (R9)."""
        before, queued = self._noted.get(account, {}), self._engine.book.of(account).standing(State.QUEUED)
        noted = {o.id: before.get(o.id) or (now, _age(o, at)) for o in queued}
        self._noted[account] = noted
        return {name: age + now - then for name, (then, age) in noted.items()}

    def _queued(self, order_id: str) -> bool:
        order = self._engine.book.get(order_id)
        return order is not None and order.state is State.QUEUED

    def see(self, account: str, symbol: str) -> None:
        """A symbol of this account is traded or asked after: its prices are wanted from now on."""
        if account in self._links and symbol:
            watched = self._watched.setdefault(account, set())
            if len(watched) < MAX_WATCHED:
                watched.add(symbol)

    def see_routes(self, account: str) -> None:
        """The symbols that the account's routes name, and those it has names of its own for."""
        known = self._engine.accounts.get(account)
        if known is not None:
            for theirs in known.symbols.values():
                self.see(account, theirs)
            for route in self._engine.routes.values():
                for symbol in route.symbols if account in route.accounts else ():
                    self.see(account, known.broker_symbol(symbol))

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> Millis | None:
        """When a link has something to do although nothing arrives, monotonic ms."""
        return self._due[0][0] if self._due else None

    def due(self, now: Millis) -> list[str]:
        """Accounts whose link must be told that time has passed; each is given out once for each of its deadlines."""
        found: list[str] = []
        while self._due and self._due[0][0] <= now:
            when, account = heapq.heappop(self._due)
            if self._due_at.get(account) == when:
                del self._due_at[account]
                actual = self._links[account].next_deadline()
                if actual is not None and actual <= now:
                    found.append(account)
                elif actual is not None:  # an EA that was heard moved it
                    self._due_at[account] = actual
                    heapq.heappush(self._due, (actual, account))
        return found

    def _schedule(self, account: str) -> None:
        """Deadlines mostly move away: one that is further off than the one known is found when that one comes."""
        when = self._links[account].next_deadline()
        known = self._due_at.get(account)
        if when is not None and (known is None or when < known):
            self._due_at[account] = when
            heapq.heappush(self._due, (when, account))


def _age(order: Order, at: Millis) -> Millis:
    """By the wall clock; an entry of the future has outlived its time, for nobody knows how far the clock went back."""
    if order.is_entry and order.created_at > at:
        return order.expires_at - order.created_at + 1
    return max(0, at - order.created_at)


def _elsewhere(sent: tuple[str, FromHub]) -> bool:
    return isinstance(sent[1], Refuse) and sent[1].reason in ELSEWHERE


def _refused(conn: str, account: str, text: str, said: SelfReport | None) -> Routed:
    refuse = Refuse(reason="SERVER_MISMATCH", retry_ms=60_000)
    return Routed(
        frames=[(conn, refuse)],
        closes=[(conn, LEASE_HELD, text[:120])],
        facts=[w.Alarm(code="SERVER_MISMATCH", subject=account, text=text)],
        refused=said,
    )


def _profits(told: Iterable[w.DealsTold]) -> Mapping[str, Money]:
    """What the new deals earned, by magic."""
    earned: dict[str, Money] = {}
    for fact in told:
        for d in fact.rows:
            earned[d.magic] = earned.get(d.magic, ZERO) + d.profit + d.swap + d.commission + d.fee
    return earned
