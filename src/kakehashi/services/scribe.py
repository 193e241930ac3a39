"""What one turn of the trader loop writes: the engine's changes as rows, journal lines and audit rows of one commit."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kakehashi.domain.eras import Eras
from kakehashi.domain.frames import FromHub
from kakehashi.domain.linkwords import Balanced, EventBooked
from kakehashi.domain.messages import AccountReport, ConfigChanged, Recorded, SignalReceived
from kakehashi.domain.orders import Order, State
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Instrument, Millis, Money
from kakehashi.domain.views import BrokerPosition, RouteMemory, Signal
from kakehashi.engine.engine import Engine
from kakehashi.engine.outcome import Heard, Outcome
from kakehashi.ports import AuditRow, Clock, Commit, JournalEntry, Ownership, SignalRow, StateRow
from kakehashi.services.ids import clocks
from kakehashi.services.watch import row_key

MIRROR_EVERY_MS = 30_000
WORTH_EVERY_MS = 5_000
MAX_EARLY = 50
"""Of so many frames with new symbols the mirror is written at once; an EA that makes them up one by one has to wait."""
LINK = "link"
"""Whose journal lines the words of EAs are; the engine's own are its owner's."""

_encode = msgspec.json.Encoder().encode


class StoredSignal(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a signal's row: the signal and its legs."""

    signal: Signal
    legs: tuple[Any, ...] = ()
    duplicate_of: str = ""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept with every new order, so that the next process numbers on and knows how old each order is."""

    seq: int = 0
    prefix: int = 0
    eras: Eras = Eras()


class Batch:
    """What one turn has gathered so far; the newest version of each row only.

    :ivar booked: what EAs told, as it is kept beside the engine's journal
    :ivar frames: (connection, frame) that may leave when the rest is on disk; ``closes`` which lines end after that
    """

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.rows: dict[tuple[str, str], msgspec.Struct] = {}
        self.deletes: list[tuple[str, str]] = []
        self.audits: list[AuditRow] = []
        self.memories: dict[str, RouteMemory] = {}
        self.new_orders = self.notices = False
        self.booked: list[JournalEntry] = []
        self.frames: list[tuple[str, FromHub]] = []
        self.closes: list[tuple[str, int, str]] = []

    def __bool__(self) -> bool:
        return bool(self.recorded or self.rows or self.deletes or self.booked or self.new_orders)

    def watched(self, rows: Iterable[msgspec.Struct]) -> None:
        """What the watch has to say."""
        for row in rows:
            key = row_key(row)
            self.rows[key] = row
            self.notices = self.notices or key[0] == "notices"

    def state(self, key: str, value: object) -> None:
        self.rows[("state", key)] = StateRow(key=key, body=_encode(value))


class Scribe:
    """Knows how each change is written, and what of the mirrors is on disk already."""

    def __init__(self, engine: Engine, ownership: Ownership, clock: Clock, counters: Counters) -> None:
        """:param counters: as the store holds them"""
        self._engine, self._ownership, self._clock = engine, ownership, clock
        self._counters = counters
        self._mirror_saved: dict[str, Millis] = {}
        self._worth_saved: dict[str, tuple[Millis, Money | None, bool]] = {}
        self._symbols_saved: dict[str, tuple[Mapping[str, Instrument], int]] = {}
        self._positions_saved: dict[str, dict[str, BrokerPosition]] = {}

    def found(
        self, account: str, positions: Mapping[str, BrokerPosition], instruments: Mapping[str, Instrument]
    ) -> None:
        """What the store held of an account when it was loaded."""
        self._positions_saved[account] = dict(positions)
        self._symbols_saved[account] = (dict(instruments), 0)

    def gather(self, outcome: Outcome, batch: Batch, *, at: Millis) -> None:
        """Take in what one event changed."""
        batch.recorded.extend(outcome.recorded)
        for order in outcome.orders.values():
            batch.rows[("orders", order.id)] = order
            if order.state is State.QUEUED and order.created_at == order.updated_at and not order.attempt:
                batch.audits.append(_order_audit(order))
                batch.new_orders = True
        for fill in outcome.fills.values():
            batch.rows[("fills", fill.id)] = fill
        batch.memories.update(outcome.memories)
        for code, subject, text in outcome.alerts:
            batch.audits.append(AuditRow(at=at, actor="hub", action="page", subject=subject, detail=f"{code} {text}"))
        if outcome.heard is not None:
            batch.rows[("signals", outcome.heard.signal.id)] = signal_row(outcome.heard)

    def config(self, event: ConfigChanged, batch: Batch) -> None:
        batch.state(f"config|{event.kind}|{event.name}", event)

    def paused(self, route: Route, *, version: int, at: Millis, batch: Batch) -> None:
        """A route that an alert paused stays paused after a restart, until an alert or its next version says otherwise."""
        body = msgspec.to_builtins(route, str_keys=True)
        self.config(ConfigChanged(at=at, kind="route", name=route.name, version=version, by="alert", body=body), batch)

    def booked(self, account: str, fact: EventBooked, batch: Batch, *, at: Millis) -> None:
        """An EA's event, to be on disk before it is acknowledged (R1)."""
        order = self._engine.book.get(fact.evt.id) if fact.evt.id else None
        trace = order.trace_id if order is not None else ""
        body = _encode({"account": account, "instance": fact.instance, "evt": fact.evt})
        batch.booked.append(JournalEntry(at=at, owner=LINK, kind="EventBooked", trace_id=trace, body=body))

    def worth(self, account: str, told: Balanced, batch: Batch, *, at: Millis) -> None:
        """What the account is worth: at once when its balance or its right to trade moved, else every few seconds."""
        saved_at, *saved = self._worth_saved.get(account, (0, None, True))
        if at - saved_at >= WORTH_EVERY_MS or saved != [told.balance, told.trade_allowed]:
            self._worth_saved[account] = (at, told.balance, told.trade_allowed)
            batch.state(f"worth|{account}", {"at": at} | msgspec.structs.asdict(told))

    def mirror(self, report: AccountReport, batch: Batch) -> None:
        """Positions when they changed, each in its row, and the mirror with them; symbols when there are new ones; else
        every half minute: reports rebuild it.
        """
        mirror = self._engine.mirrors[report.account]
        due = report.at - self._mirror_saved.get(report.account, 0) >= MIRROR_EVERY_MS
        known, early = self._symbols_saved.get(report.account, ({}, 0))
        early = 0 if due else early + (len(mirror.instruments) > len(known))
        due = due or (len(mirror.instruments) > len(known) and early <= MAX_EARLY)
        if report.positions is None and not due:
            return
        if self._positions(report.account, mirror.positions, batch) or due:
            self._mirror_saved[report.account] = report.at
            batch.state(f"mirror|{report.account}", msgspec.structs.replace(mirror, positions={}, instruments={}))
        if due and mirror.instruments != self._symbols_saved.get(report.account, ({}, 0))[0]:
            batch.state(f"symbols|{report.account}", mirror.instruments)
            self._symbols_saved[report.account] = (dict(mirror.instruments), early)

    def _positions(self, account: str, shown: Mapping[str, BrokerPosition], batch: Batch) -> bool:
        """Whether any came, went or changed by more than its floating profit."""
        saved = self._positions_saved.setdefault(account, {})
        gone = saved.keys() - shown.keys()
        moved = [ident for ident, position in shown.items() if not _same(position, saved.get(ident))]
        for ident in gone:
            batch.deletes.append(("positions", saved.pop(ident).key))
        for ident in sorted(moved):
            batch.rows[("positions", shown[ident].key)] = saved[ident] = shown[ident]
        return bool(gone or moved)

    def commit(self, batch: Batch) -> Commit:
        """The batch as one transaction. State that every event changes is encoded once, here."""
        for key, memory in batch.memories.items():
            batch.state(f"memory|{key}", memory)
        if batch.new_orders:
            seq, prefix, known = self._engine.seq, self._engine.settings.prefix, self._counters
            eras = known.eras.on(clocks(self._clock), known.seq + 1)
            self._counters = Counters(seq=seq, prefix=prefix, eras=eras)
            batch.state(f"engine|{self._ownership.owner}", self._counters)
        return Commit(
            ownership=self._ownership,
            journal=[*(self._entry(r) for r in batch.recorded), *batch.booked],
            changes=list(batch.rows.values()),
            deletes=batch.deletes,
            audits=batch.audits,
        )

    def _entry(self, recorded: Recorded) -> JournalEntry:
        event = recorded.event
        trace = event.signal.trace_id if isinstance(event, SignalReceived) else ""
        order_id = getattr(event, "order", "")
        if order_id and (order := self._engine.book.get(order_id)) is not None:
            trace = order.trace_id
        kind = type(event).__name__
        owner = self._ownership.owner
        return JournalEntry(at=event.at, owner=owner, kind=kind, trace_id=trace, body=_encode(recorded))


def _same(shown: BrokerPosition, saved: BrokerPosition | None) -> bool:
    return shown is saved or (saved is not None and msgspec.structs.replace(shown, profit=saved.profit) == saved)


def _order_audit(order: Order) -> AuditRow:
    detail = f"{order.op} {order.side} {order.volume} {order.symbol} on {order.account}"
    return AuditRow(at=order.created_at, actor=order.route, action="order", subject=order.id, detail=detail)


def signal_row(heard: Heard) -> SignalRow:
    """The row that ``signals list`` shows."""
    signal, duplicate = heard.signal, heard.status == "duplicate"
    return SignalRow(
        id=signal.id,
        trace_id=signal.trace_id,
        received_at=signal.received_at,
        strategy=signal.strategy,
        symbol=signal.alert.symbol,
        action=signal.alert.action.value,
        status=heard.status,
        code=heard.code,
        idem=None if duplicate else signal.idem,
        idem_until=None if duplicate else heard.idem_until,
        body=_encode(StoredSignal(signal=signal, legs=heard.legs, duplicate_of=heard.duplicate_of)),
    )
