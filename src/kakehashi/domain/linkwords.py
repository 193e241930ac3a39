"""The words of the link's session: its timers, what can happen to it, and what it says must be written down.

Times named ``now`` are monotonic ms of the hub (R16), ``at`` is wall time in ms UTC and is data only.
Source: PROTOCOL sections 2 and 3.
"""

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.frames import (
    Cmd,
    DealRow,
    Evt,
    FromEa,
    FromHub,
    Hello,
    OrderRow,
    PositionRow,
    SymbolRow,
)
from kakehashi.domain.orders import Happening, State
from kakehashi.domain.values import ZERO, Lots, Millis, Money, Price


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The timers of one link, ms. :meth:`scaled` makes them from the heartbeat alone.

    :ivar test_ms: silence after which TEST is sent; ``stale_ms`` after which the mirror is not called fresh; ``dead_ms``
        after which the connection is given up
    :ivar probe_ms: how long a connection that was replaced has to show that it lives: then the instance runs twice
    :ivar full_sync_ms: the EA sends a SNAP that often by itself; the hub asks when none came
    :ivar settle_ms: two reads of history are that far apart (R7); ``in_flight_ms`` how long an answered request may still
        work at the broker, ``no_answer_ms`` an unanswered one
    :ivar synced_ms: how long the terminal must have been synced without a break before absence counts (R7)
    :ivar unexplained_ms: the same for a position that is gone without a deal (R14)
    """

    heartbeat_ms: int = 5_000
    test_ms: int = 6_000
    stale_ms: int = 6_500
    dead_ms: int = 12_000
    lease_ms: int = 15_000
    probe_ms: int = 1_000
    resend_ms: int = 2_000
    status_ms: int = 8_000
    full_sync_ms: int = 300_000
    settle_ms: int = 5_000
    in_flight_ms: int = 10_000
    no_answer_ms: int = 180_000
    synced_ms: int = 10_000
    unexplained_ms: int = 60_000
    max_unacked: int = 100
    max_errors: int = 20

    def __post_init__(self) -> None:
        """:raises Rejected: BAD_LINK_TIMERS: heartbeat < stale < dead < lease does not hold"""
        order = (0, self.heartbeat_ms, self.stale_ms, self.dead_ms, self.lease_ms)
        if not all(a < b for a, b in pairwise(order)):
            raise Rejected(
                "BAD_LINK_TIMERS",
                f"heartbeat < stale < dead < lease must hold, got {self.heartbeat_ms} < {self.stale_ms} < "
                f"{self.dead_ms} < {self.lease_ms} ms",
                hint="set heartbeat alone: the others follow it (x1.3, x2.4, x3)",
            )

    @classmethod
    def scaled(
        cls, heartbeat_ms: int, *, stale_ms: int | None = None, dead_ms: int | None = None, lease_ms: int | None = None
    ) -> "LinkSettings":
        """The other timers follow the heartbeat, x1.3, x2.4 and x3, where they are not given, and stay above those that are.

        :raises Rejected: BAD_LINK_TIMERS

        >>> timers = LinkSettings.scaled(30_000, dead_ms=90_000)
        >>> timers.stale_ms, timers.lease_ms
        (39000, 112500)
        """
        stale = heartbeat_ms * 13 // 10 if stale_ms is None else stale_ms
        dead = max(heartbeat_ms * 24 // 10, stale * 5 // 4) if dead_ms is None else dead_ms
        lease = max(heartbeat_ms * 3, dead * 5 // 4) if lease_ms is None else lease_ms
        return cls(
            heartbeat_ms=heartbeat_ms,
            test_ms=heartbeat_ms * 12 // 10,
            stale_ms=stale,
            dead_ms=dead,
            lease_ms=lease,
        )


# -- the session's states ----------------------------------------------------------------------------------------


class Session(StrEnum):
    """How the hub stands with one account."""

    AWAY = "AWAY"
    """No connection; the holder's lease may still run."""
    LEFT = "LEFT"
    """No connection, and the EA said BYE: a planned stop, no outage."""
    SYNCING = "SYNCING"
    """Welcomed; no heartbeat has matched the mirror yet."""
    FRESH = "FRESH"
    STALE = "STALE"
    """Connected, but the mirror is not proven right."""
    PROBING = "PROBING"
    """A second connection claims the holder's instance: is the first one alive?"""


class Turn(StrEnum):
    """What moves a session on."""

    WELCOMED = "welcomed"
    PROVEN = "proven"
    DOUBTED = "doubted"
    CLAIMED = "claimed"
    CLONED = "cloned"
    LOST = "lost"
    SAID_BYE = "said_bye"


_LINKED: Final = {Turn.LOST: Session.AWAY, Turn.SAID_BYE: Session.LEFT, Turn.CLAIMED: Session.PROBING}

TRANSITIONS: Final[Mapping[Session, Mapping[Turn, Session]]] = {
    Session.AWAY: {Turn.WELCOMED: Session.SYNCING},
    Session.LEFT: {Turn.WELCOMED: Session.SYNCING},
    Session.SYNCING: {**_LINKED, Turn.PROVEN: Session.FRESH},
    Session.FRESH: {**_LINKED, Turn.PROVEN: Session.FRESH, Turn.DOUBTED: Session.STALE},
    Session.STALE: {**_LINKED, Turn.PROVEN: Session.FRESH},
    Session.PROBING: {Turn.LOST: Session.AWAY, Turn.CLONED: Session.AWAY, Turn.WELCOMED: Session.SYNCING},
}
"""(state, turn) to the next state; every other pair is illegal. The documents' diagram is drawn from it."""


# -- what can happen ---------------------------------------------------------------------------------------------


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    now: Millis
    at: Millis


class Arrived(_Event, frozen=True, kw_only=True):
    """A frame from a connection. ``conn`` is any name that the shell never uses twice."""

    conn: str
    frame: FromEa


class Garbled(_Event, frozen=True, kw_only=True):
    """Something arrived that is no frame; ``code`` and ``message`` as :func:`~kakehashi.domain.framecodec.from_ea` raised."""

    conn: str
    code: str
    message: str = ""


class Lost(_Event, frozen=True, kw_only=True):
    conn: str


class TimePassed(_Event, frozen=True, kw_only=True):
    """The clock moved; due whenever ``next_deadline`` says so."""


class Deliver(_Event, frozen=True, kw_only=True):
    """A durable command wants to go. ``cmd`` as it will be sent, but for ``ep``, ``age_ms`` and ``hn``.

    :ivar age_ms: how old its alert is, by the larger of wall and boot clock (R9)
    """

    cmd: Cmd
    age_ms: int = 0


class Withdraw(_Event, frozen=True, kw_only=True):
    """A command that was not sent yet shall not go (kill switch, cancelled by a person)."""

    id: str
    code: str = "KILLED"


class Resync(_Event, frozen=True, kw_only=True):
    reason: str = "OPERATOR"


class SetHalt(_Event, frozen=True, kw_only=True):
    """HALT (``on``) or RESUME (R21)."""

    on: bool


class Watch(_Event, frozen=True, kw_only=True):
    """The symbols whose prices are wanted."""

    symbols: tuple[str, ...]


class Confirm(_Event, frozen=True, kw_only=True):
    """A person lets a suspended account trade again (R20)."""


Event: TypeAlias = Arrived | Garbled | Lost | TimePassed | Deliver | Withdraw | Resync | SetHalt | Watch | Confirm


# -- what must be written down -----------------------------------------------------------------------------------


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub has seen of one instance. ``jchain`` is the chain at line ``chained``, ``jhi`` the highest line."""

    evt_hi: int = 0
    jhi: int = 0
    chained: int = 0
    jchain: int = 0
    boot: int = 0
    cloned: bool = False


class LinkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The durable part of a link: what a restarted hub must know. Kept as one row.

    :ivar instance: the holder of the lease, or its last one
    :ivar halt_gen: ``gen`` of the last HALT or RESUME, ``set_gen`` of the last SET; ``gen`` the highest given
    :ivar suspended: the hub is older than the EA (R20): nothing is traded until a person confirms
    :ivar broker_offset: what the broker's clock shows more than UTC, ms, in whole quarters of an hour
    """

    account: str
    server: str = ""
    epoch: int = 0
    instance: str = ""
    boot: int = 0
    sseq: int = 0
    cmd_hi: int = 0
    gen: int = 0
    halted: bool = False
    halt_gen: int = 0
    symbols: tuple[str, ...] = ()
    set_gen: int = 0
    suspended: bool = False
    broker_offset: Millis = 0
    seen: dict[str, Seen] = {}


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """A link as it is kept and shown. :ivar since: when the session came into its state, ms UTC"""

    record: LinkRecord
    session: Session = Session.AWAY
    since: Millis = 0


class RecordKept(msgspec.Struct, frozen=True, kw_only=True):
    """The link's row, as it is now. At most one a step, always the last version."""

    record: LinkRecord


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """An instance has the lease; ``taken_over`` where the holder changed and the epoch grew."""

    hello: Hello
    epoch: int
    taken_over: bool


class SessionMoved(msgspec.Struct, frozen=True, kw_only=True):
    before: Session
    after: Session
    why: str = ""


class EventBooked(msgspec.Struct, frozen=True, kw_only=True):
    """Event ``n`` of an instance, to be in the log before EVTA leaves. (instance, n) is unique.

    :ivar known: whether the link knows the command; of one that ended long ago the book of orders may
    """

    instance: str
    evt: Evt
    known: bool


class CommandMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A command's state changed.

    :ivar happening: the same as the order book calls it; None where the book need not hear of it
    :ivar filled: cumulative lots
    :ivar evidence: how it is known, where no result said so
    """

    id: str
    before: State
    after: State
    happening: Happening | None
    instance: str = ""
    filled: Lots = ZERO
    price: Price | None = None
    ticket: str = ""
    retcode: int | None = None
    code: str = ""
    reason: str = ""
    evidence: str = ""


class Change(StrEnum):
    OPENED = "OPENED"
    CHANGED = "CHANGED"
    CLOSED = "CLOSED"
    MISSING = "MISSING"
    """Gone without a deal: counted in risk, no new entry on the symbol (R14)."""
    FOUND = "FOUND"
    UNEXPLAINED = "UNEXPLAINED"


class PositionMoved(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar row: as it is, or as it last was; ``deals`` those that closed it"""

    change: Change
    row: PositionRow
    deals: tuple[DealRow, ...] = ()


class OrdersHeld(msgspec.Struct, frozen=True, kw_only=True):
    """The pending orders of the account, all of them."""

    rows: tuple[OrderRow, ...]


class DealsTold(msgspec.Struct, frozen=True, kw_only=True):
    """Deals not told before in this process; each counts once by ticket (R22)."""

    rows: tuple[DealRow, ...]


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """Latest quotes: (symbol, bid, ask, broker ms). A measurement: never worth a commit of its own."""

    rows: tuple[tuple[str, Price, Price, Millis], ...]


class SymbolsTold(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[SymbolRow, ...]


class Balanced(msgspec.Struct, frozen=True, kw_only=True):
    """Balance and the rest, told by a heartbeat; only where it changed. A measurement."""

    balance: Money | None
    equity: Money | None
    credit: Money
    margin: Money
    trade_allowed: bool


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know of: a reason code and what it is about."""

    code: str
    subject: str = ""
    text: str = ""


Fact: TypeAlias = (
    RecordKept
    | Admitted
    | SessionMoved
    | EventBooked
    | CommandMoved
    | PositionMoved
    | OrdersHeld
    | DealsTold
    | Quoted
    | SymbolsTold
    | Balanced
    | Alarm
)


class Steps(msgspec.Struct, kw_only=True):
    """What one event leads to: commit ``facts``, then send ``frames`` in order, then do ``closes`` (R1).

    :ivar frames: (connection, frame)
    :ivar closes: (connection, close code, reason)
    """

    frames: list[tuple[str, FromHub]] = []
    closes: list[tuple[str, int, str]] = []
    facts: list[Fact] = []
