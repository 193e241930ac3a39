"""What goes into the EA's side of the link, and what comes out: the shell brings the one and carries out the other.

Times called ``now`` are monotonic ms, ``wall`` is the computer's clock, everything else the broker's time (R16).
"""

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.frames import DealRow, FromEa, FromHub, OrderRow, PositionRow, SymbolRow
from kakehashi.domain.values import Millis
from kakehashi.terminal.core.words import ZERO, MarginMode, Order, Request, Result

DAY: Final = 86_400_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who this EA is and on which account it must be; HELLO's fixed part.

    :ivar account: login number; the terminal counts as synced on this login and ``server`` only (R13)
    """

    account: str
    server: str
    token: str = ""
    caps: tuple[str, ...] = ("mt5", "journal")
    ver: str = ""
    build: int = 0
    currency: str = ""
    leverage: int = 0
    margin_mode: MarginMode = MarginMode.HEDGING
    trade_mode: str = ""
    perms: dict[str, bool] = {}


# -- in ----------------------------------------------------------------------------------------------------------


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The EA begins; the journal was read and what lies beyond its last good line was cut off.

    :ivar fresh: a random id, taken as the instance if the journal cannot vouch for the old one (R2)
    """

    fresh: str


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to the hub is there (on polling: a turn begins after none was). ``fresh`` as in :class:`Started`."""

    fresh: str


class Disconnected(msgspec.Struct, frozen=True):
    """It is gone, by whomever."""


class Congested(msgspec.Struct, frozen=True):
    """Whether the bytes not yet sent are too many for more state (R17)."""

    on: bool


class Stopping(msgspec.Struct, frozen=True):
    """The EA is asked to stop; what comes out is the last that is written."""


class Passed(msgspec.Struct, frozen=True):
    """Nothing but time. At least every 250 ms: a longer silence than 1 s is a gap (R9)."""


class Garbled(msgspec.Struct, frozen=True):
    """The hub sent what is no frame: the code that :func:`~kakehashi.domain.framecodec.from_hub` gave."""

    code: str


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One read of the terminal: positions, pending orders and account of the same moment.

    :ivar deals: history beyond :attr:`Memory.deal_hi`, oldest first; where that is empty, since
        :attr:`Memory.deals_since`; where that is unknown too, of the last day
    """

    connected: bool
    login: str
    server: str
    broker_time: Millis
    positions: tuple[PositionRow, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    deals: tuple[DealRow, ...] = ()
    balance: Decimal | None = None
    equity: Decimal | None = None
    credit: Decimal = ZERO
    margin: Decimal = ZERO
    trade_allowed: bool = True


class Symbols(msgspec.Struct, frozen=True):
    """All specifications, read at start and on change."""

    rows: tuple[SymbolRow, ...]


class Quotes(msgspec.Struct, frozen=True):
    """The newest of the watched symbols, as PRICE has them."""

    q: tuple[tuple[str, Decimal, Decimal, Millis], ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """OrderSend's answer to a :class:`Trade`.

    :ivar result: None where the call ended without one
    :ivar deals: of ``result.order``, as far as history shows them already: saves a look
    """

    id: str
    result: Result | None
    deals: tuple[DealRow, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a :class:`Look` brought, its ``n`` again. One that failed is not reported: it is asked anew.

    :ivar working: orders resting or under way, ORDER_STATE_STARTED among them; ``ended`` those in history
    :ivar deals: with the magic, of the order, of the position
    """

    id: str
    n: int
    working: tuple[Order, ...] = ()
    ended: tuple[Order, ...] = ()
    deals: tuple[DealRow, ...] = ()


Input: TypeAlias = (
    Started
    | Connected
    | Disconnected
    | Congested
    | Stopping
    | Passed
    | Garbled
    | View
    | Symbols
    | Quotes
    | Answered
    | Seen
    | FromHub
)


# -- out, to be carried out one after the other ------------------------------------------------------------------


class Append(msgspec.Struct, frozen=True):
    """Write to the journal and flush, before anything that follows is done (R2)."""

    raw: bytes


class Send(msgspec.Struct, frozen=True):
    """A frame to the hub. If the connection is gone, drop it: what matters is said again."""

    frame: FromEa


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """Call OrderSend, once; then say :class:`Answered`. Never repeat it, not even after an error (law 4).

    :ivar deviation: points
    """

    id: str
    request: Request
    deviation: int = 20


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Read orders and history from ``since`` to the far future; then say :class:`Seen`.

    :ivar magic: select what carries it, ``order`` what belongs to this order's ticket, ``position`` to this position's
        identifier; any of them is enough, 0 selects nothing
    """

    id: str
    n: int
    magic: int
    order: int
    since: Millis
    position: int = 0


class Watch(msgspec.Struct, frozen=True):
    """Bring :class:`Quotes` of these symbols from now on."""

    symbols: tuple[str, ...]


class Drop(msgspec.Struct, frozen=True):
    """Close the connection; try again after ``retry_ms`` x (0.5 to 1.5, drawn by the shell)."""

    reason: str
    retry_ms: int


Output: TypeAlias = Append | Send | Trade | Look | Watch | Drop
