"""The frames of klink/1: what the hub and an Expert Advisor say to each other, on either transport.

One JSON object a frame, ``t`` is its type, ``v`` is 1. Tickets, identifiers and magic are text (they exceed 2^53), volumes and
prices decimal text, times integer ms UTC. As bytes: :mod:`~kakehashi.domain.framecodec`. Source: PROTOCOL sections 1 and 5.
"""

import re
import zlib
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.values import Millis

MAX_INSTANCE: Final = 64


class _Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    v: int = 1


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the terminal holds it.

    :ivar ident: POSITION_IDENTIFIER; ``ticket`` may change, it does not
    :ivar side: ``B`` or ``S``
    :ivar opened: ms, broker time
    """

    ticket: str
    symbol: str
    side: str
    volume: Decimal
    open: Decimal
    ident: str = ""
    sl: Decimal = Decimal(0)
    tp: Decimal = Decimal(0)
    magic: str = "0"
    opened: Millis = 0
    profit: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """:raises ValueError: ticket or magic is no number"""
        _numbered(self.ticket, self.magic)


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pending order. :ivar type: e.g. ``BUY_LIMIT``"""

    ticket: str
    symbol: str
    type: str
    volume: Decimal
    price: Decimal
    sl: Decimal = Decimal(0)
    tp: Decimal = Decimal(0)
    magic: str = "0"

    def __post_init__(self) -> None:
        """:raises ValueError: ticket or magic is no number"""
        _numbered(self.ticket, self.magic)


class DealRow(msgspec.Struct, frozen=True, kw_only=True):
    """A deal (R22). :ivar reason: CLIENT, EXPERT, SL, TP, SO, ..."""

    ticket: str
    symbol: str
    side: str
    entry: str
    volume: Decimal
    price: Decimal
    time: Millis
    order: str = ""
    position: str = ""
    profit: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    reason: str = ""
    magic: str = "0"

    def __post_init__(self) -> None:
        """:raises ValueError: ticket or magic is no number"""
        _numbered(self.ticket, self.magic)


class SymbolRow(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol's specification; what is None was not sent (NO_SPEC, there is no built-in table)."""

    symbol: str
    digits: int | None = None
    point: Decimal | None = None
    tick_size: Decimal | None = None
    tick_value: Decimal | None = None
    contract_size: Decimal | None = None
    vol_min: Decimal | None = None
    vol_max: Decimal | None = None
    vol_step: Decimal | None = None
    stops_level: int = 0
    filling: str = ""
    profit_currency: str = ""
    trade_mode: str = ""


class PositionChange(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a DELTA; ``row`` None: the position is gone."""

    ticket: str
    row: PositionRow | None = None


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    ticket: str
    row: OrderRow | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    max_unacked: int = 100


# -- from the EA -------------------------------------------------------------------------------------------------


class Hello(_Frame, frozen=True, kw_only=True, tag="HELLO"):
    """The first frame.

    :ivar prev: the instance this one succeeds, after a torn or missing journal (R2)
    :ivar jhi: the journal's last line, ``jchain`` its CRC chain there
    :ivar evt_hi: the newest event in the outbox; ``evt_acked`` the newest the EA knows to be acked
    :ivar deal_hi: the newest deal the EA has told of
    :ivar cmd_hi: the highest command number seen; ``ep`` the last epoch persisted
    """

    account: str
    instance: str
    server: str = ""
    prev: str | None = None
    boot: int = 0
    jhi: int = 0
    jchain: int = 0
    evt_hi: int = 0
    evt_acked: int = 0
    deal_hi: str = ""
    cmd_hi: int = 0
    ep: int = 0
    caps: tuple[str, ...] = ()
    ver: str = ""
    build: int = 0
    currency: str = ""
    leverage: int = 0
    margin_mode: str = ""
    trade_mode: str = ""
    perms: dict[str, bool] = {}
    broker_time: Millis = 0
    token: str = ""

    def __post_init__(self) -> None:
        """:raises ValueError: an instance without a name, or with a name that is none"""
        if not 0 < len(self.instance) <= MAX_INSTANCE or len(self.prev or "") > MAX_INSTANCE:
            raise ValueError(f"an instance is a random id of 1 to {MAX_INSTANCE} characters")


class Heartbeat(_Frame, frozen=True, kw_only=True, tag="HB"):
    """Every transmission has a new ``n``. ``crc`` and ``ocrc`` are of the last state that was sent (R12)."""

    n: int
    boot: int = 0
    sseq: int = 0
    crc: int = 0
    ocrc: int = 0
    npos: int = 0
    gen: int = 0
    synced: bool = False
    balance: Decimal | None = None
    equity: Decimal | None = None
    credit: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    trade_allowed: bool = True
    inflight: int = 0


class Ack(_Frame, frozen=True, kw_only=True, tag="ACK"):
    """The command is in the journal, on line ``j``."""

    id: str
    j: int = 0


class Evt(_Frame, frozen=True, kw_only=True, tag="EVT"):
    """A result; kept in the outbox until acked.

    :ivar id: the command, or empty for a deal that no command asked for (``st`` is DEAL)
    :ivar vol: cumulative filled lots
    """

    n: int
    id: str = ""
    j: int = 0
    st: str
    retcode: int | None = None
    order: str = ""
    deals: tuple[DealRow, ...] = ()
    vol: Decimal = Decimal(0)
    price: Decimal | None = None
    reason: str = ""


class QueryResult(_Frame, frozen=True, kw_only=True, tag="QRES"):
    """What the journal and then the venue know of a command, or history of a position.

    :ivar id: as the QUERY had it, and ``position`` likewise
    :ivar jst: the journal's state of it, empty where it is unknown there
    :ivar found: the deals found, each as an EVT would tell it
    :ivar hist_from: how far back history was read, ms, broker time; 0: not at all
    :ivar working: whether an order with this magic works on at the broker, so that more may follow
    """

    id: str = ""
    position: str = ""
    magic: str = ""
    jst: str = ""
    found: tuple[DealRow, ...] = ()
    synced: bool = False
    hist_from: Millis = 0
    working: bool = False


class Snap(_Frame, frozen=True, kw_only=True, tag="SNAP"):
    """All positions and orders; in ``of`` parts, which count only together."""

    boot: int
    sseq: int
    part: int = 1
    of: int = 1
    positions: tuple[PositionRow, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    crc: int = 0
    ocrc: int = 0
    synced: bool = False


class Delta(_Frame, frozen=True, kw_only=True, tag="DELTA"):
    boot: int
    sseq: int
    rows: tuple[PositionChange, ...] = ()
    orders: tuple[OrderChange, ...] = ()
    reason: str = ""


class Syms(_Frame, frozen=True, kw_only=True, tag="SYMS"):
    rows: tuple[SymbolRow, ...] = ()


class Price(_Frame, frozen=True, kw_only=True, tag="PRICE"):
    """Quotes: (symbol, bid, ask, time in ms); latest wins."""

    q: tuple[tuple[str, Decimal, Decimal, Millis], ...] = ()


# -- from the hub ------------------------------------------------------------------------------------------------


class Welcome(_Frame, frozen=True, kw_only=True, tag="WELCOME"):
    """The lease is given; the EA takes its timers from here. ``ep`` was committed before it was sent."""

    ep: int
    lease_ms: int
    hb_ms: int
    stale_ms: int
    dead_ms: int
    evt_ack: int = 0
    gen: int = 0
    limits: Limits = Limits()


class Refuse(_Frame, frozen=True, kw_only=True, tag="REFUSE"):
    reason: str
    retry_ms: int = 5000


class HeartbeatAck(_Frame, frozen=True, kw_only=True, tag="HBA"):
    """Extends the lease from the time heartbeat ``n`` was sent."""

    n: int
    ep: int
    evt_ack: int = 0


class Cmd(_Frame, frozen=True, kw_only=True, tag="CMD"):
    """One order. The same ``id`` twice is one act (R3).

    :ivar age_ms: how old it was when sent; ``hn`` the last heartbeat received, ``hn_ago_ms`` how long ago (R9)
    """

    id: str
    seq: int
    op: str
    sym: str
    magic: str
    ep: int
    ttl_ms: int
    kind: str = "MARKET"
    side: str = ""
    vol: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    stoplimit: Decimal = Decimal(0)
    sl: Decimal = Decimal(0)
    tp: Decimal = Decimal(0)
    deviation: int = 20
    expiry_ms: int = 0
    target: str = ""
    expect_vol: Decimal = Decimal(0)
    opened_before: Millis = 0
    age_ms: int = 0
    hn: int = 0
    hn_ago_ms: int = 0


class EvtAck(_Frame, frozen=True, kw_only=True, tag="EVTA"):
    """Cumulative; sent only after the commit."""

    n: int


class Resend(_Frame, frozen=True, kw_only=True, tag="RESEND"):
    """Tell again all events from this number on."""

    start: int = msgspec.field(name="from")


class Query(_Frame, frozen=True, kw_only=True, tag="QUERY"):
    """What became of a command (``id``), or which deals a position has (``position``, its identifier; R14)."""

    id: str = ""
    position: str = ""
    magic: str = ""


class ReqSnap(_Frame, frozen=True, kw_only=True, tag="REQ_SNAP"):
    reason: str = ""


class Halt(_Frame, frozen=True, kw_only=True, tag="HALT"):
    """Outranks all queued commands; persisted by the EA; a ``gen`` below the last one is ignored."""

    gen: int


class Resume(_Frame, frozen=True, kw_only=True, tag="RESUME"):
    gen: int


class Set(_Frame, frozen=True, kw_only=True, tag="SET"):
    """:ivar symbols: whose prices are wanted"""

    gen: int
    symbols: tuple[str, ...] = ()
    cancel_pending_on_halt: bool = True


# -- both ways ---------------------------------------------------------------------------------------------------


class Test(_Frame, frozen=True, kw_only=True, tag="TEST"):
    """Answered at once with the same ``id`` and ``re`` true."""

    id: str
    re: bool = False


class Bye(_Frame, frozen=True, kw_only=True, tag="BYE"):
    """A planned stop: no outage."""

    reason: str = ""


class Err(_Frame, frozen=True, kw_only=True, tag="ERR"):
    code: str
    message: str = ""


FromEa: TypeAlias = (
    Hello | Heartbeat | Ack | Evt | QueryResult | Snap | Delta | Syms | Price | Test | Bye | Err
)  # fmt: skip
FromHub: TypeAlias = (
    Welcome | Refuse | HeartbeatAck | Cmd | EvtAck | Resend | Query | ReqSnap | Halt | Resume | Set | Test | Bye | Err
)

# -- the sync version (R12) --------------------------------------------------------------------------------------

_E8: Final = Decimal(100_000_000)
_FINEST: Final = Decimal("1E-8")
_MAGIC: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
"""Other EAs' magics may use all 64 bits, and terminals print them signed."""


def scaled(amount: Decimal) -> int:
    """The amount times 10^8, exactly; what is finer is cut off.

    >>> scaled(Decimal("1.0855"))
    108550000
    """
    return int(amount.quantize(_FINEST, ROUND_DOWN) * _E8)


def ticket_number(ticket: str) -> int:
    """The number that a ticket is.

    :raises ValueError: it is none
    """
    if not (ticket.isascii() and ticket.isdecimal() and len(ticket) <= 20):  # 2^64 has 20 digits
        raise ValueError(f"a ticket is a number of at most 20 digits, got {ticket[:40]!r}")
    return int(ticket)


def _numbered(ticket: str, magic: str) -> None:
    ticket_number(ticket)
    if magic and not _MAGIC.fullmatch(magic):
        raise ValueError(f"a magic is a whole number, got {magic[:40]!r}")


def position_crc(rows: Iterable[PositionRow]) -> int:
    """CRC32 over the positions in order of their tickets' numbers.

    :raises ValueError: a ticket is not a number
    """
    lines = (
        f"{r.ticket}|{r.symbol}|{r.side}|{scaled(r.volume)}|{scaled(r.open)}|{scaled(r.sl)}|{scaled(r.tp)}|{r.magic}"
        for r in sorted(rows, key=lambda r: ticket_number(r.ticket))
    )
    return zlib.crc32("\n".join(lines).encode())


def order_crc(rows: Iterable[OrderRow]) -> int:
    """The same over pending orders."""
    lines = (
        f"{r.ticket}|{r.symbol}|{r.type}|{scaled(r.volume)}|{scaled(r.price)}|{scaled(r.sl)}|{scaled(r.tp)}|{r.magic}"
        for r in sorted(rows, key=lambda r: ticket_number(r.ticket))
    )
    return zlib.crc32("\n".join(lines).encode())
