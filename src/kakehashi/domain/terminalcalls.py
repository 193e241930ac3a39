"""What a bridge and its terminal processes say to each other, and which functions of the MetaTrader5 package there are.

A frame is four bytes of length, little endian, and one message as msgpack. Nothing in a message can execute; a result
travels as JSON text, so that the bridge passes it on without reading it.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from kakehashi.domain.errors import Malformed

MAX_FRAME: Final = 64 * 1024 * 1024
"""Longest answer: a copy of some hundred thousand ticks."""
HEAD: Final = 4

Format = Literal["objects", "columns", "tickets"]
"""How rows are wanted. ``tickets``: only their tickets (the bridge's own snapshots)."""


class Function(msgspec.Struct, frozen=True):
    """How one function of the package is called.

    :ivar args: its positional parameters, in order; those in ``optional`` may be left out from the end
    :ivar options: its keyword parameters
    :ivar dates: parameters that are times
    :ivar writes: whether calling it twice is not the same as calling it once
    """

    args: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    writes: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        return (*self.args, *self.options)


_PERIOD: Final = ("date_from", "date_to")
_HISTORY: Final = Function(_PERIOD, ("group", "ticket", "position"), _PERIOD)
_REQUEST: Final = ("request",)

FUNCTIONS: Final[Mapping[str, Function]] = {
    "initialize": Function(("path",), ("login", "password", "server", "timeout", "portable")),
    "login": Function(("login",), ("password", "server", "timeout")),
    "shutdown": Function(),
    "version": Function(),
    "last_error": Function(),
    "account_info": Function(),
    "terminal_info": Function(),
    "symbols_total": Function(),
    "symbols_get": Function((), ("group",)),
    "symbol_info": Function(("symbol",)),
    "symbol_info_tick": Function(("symbol",)),
    "symbol_select": Function(("symbol", "enable")),
    "market_book_add": Function(("symbol",)),
    "market_book_get": Function(("symbol",)),
    "market_book_release": Function(("symbol",)),
    "copy_rates_from": Function(("symbol", "timeframe", "date_from", "count"), (), ("date_from",)),
    "copy_rates_from_pos": Function(("symbol", "timeframe", "start_pos", "count")),
    "copy_rates_range": Function(("symbol", "timeframe", *_PERIOD), (), _PERIOD),
    "copy_ticks_from": Function(("symbol", "date_from", "count", "flags"), (), ("date_from",)),
    "copy_ticks_range": Function(("symbol", *_PERIOD, "flags"), (), _PERIOD),
    "orders_total": Function(),
    "orders_get": Function((), ("symbol", "group", "ticket")),
    "order_calc_margin": Function(("action", "symbol", "volume", "price")),
    "order_calc_profit": Function(("action", "symbol", "volume", "price_open", "price_close")),
    "order_check": Function(_REQUEST),
    "order_send": Function(_REQUEST, writes=True),
    "positions_total": Function(),
    "positions_get": Function((), ("symbol", "group", "ticket")),
    "history_orders_total": Function(_PERIOD, (), _PERIOD),
    "history_orders_get": _HISTORY,
    "history_deals_total": Function(_PERIOD, (), _PERIOD),
    "history_deals_get": _HISTORY,
}
"""All 32. Source: the package's own table of methods (form of the arguments) and its documentation (their names)."""

BRIDGES_OWN: Final = frozenset({"initialize", "login", "shutdown"})
"""What the session itself does: creating and deleting it are these calls."""


def _numbered(prefix: str, names: str) -> dict[str, int]:
    return {prefix + name: number for number, name in enumerate(names.split())}


REQUEST_CONSTANTS: Final[Mapping[str, Mapping[str, int]]] = {
    "action": {
        "TRADE_ACTION_DEAL": 1,
        "TRADE_ACTION_PENDING": 5,
        "TRADE_ACTION_SLTP": 6,
        "TRADE_ACTION_MODIFY": 7,
        "TRADE_ACTION_REMOVE": 8,
        "TRADE_ACTION_CLOSE_BY": 10,
    },
    "type": _numbered(
        "ORDER_TYPE_", "BUY SELL BUY_LIMIT SELL_LIMIT BUY_STOP SELL_STOP BUY_STOP_LIMIT SELL_STOP_LIMIT CLOSE_BY"
    ),
    "type_filling": _numbered("ORDER_FILLING_", "FOK IOC RETURN BOC"),
    "type_time": _numbered("ORDER_TIME_", "GTC DAY SPECIFIED SPECIFIED_DAY"),
}
"""What a trade request's fields may be called by name. The bridge reads them itself: it has to know what it sent."""


def numbered(request: Mapping[str, Any]) -> dict[str, Any]:
    """A trade request with its constants as the package's integers.

    :raises Malformed: BAD_PARAMETER: there is no such constant
    """
    read = dict(request)
    for field, names in REQUEST_CONSTANTS.items():
        name = read.get(field)
        if isinstance(name, str):
            if name not in names:
                known = f"expected an integer or one of {', '.join(names)}"
                raise Malformed("BAD_PARAMETER", f"params.request.{field}: {known}", value=name[:60])
            read[field] = names[name]
    return read


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """The first message to a terminal process; it goes through its standard input, so nobody sees it in a list of processes.

    :ivar path: the terminal's program; empty is the package's own search
    :ivar connection: what the simulated trade server is to call this terminal's connection
    """

    login: int
    password: str
    server: str = ""
    path: str = ""
    portable: bool = False
    timeout_ms: int = 60_000
    broker: str = ""
    connection: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Call these functions one after the other.

    :ivar calls: (name, arguments by name, format)
    """

    id: int
    calls: tuple[tuple[str, dict[str, Any], Format], ...]


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What one call gave.

    :ivar ok: the package returned neither None nor False
    :ivar json: the value
    :ivar error: the package's last_error()
    :ivar took_us: microseconds inside the package
    :ivar fault: why it was not called at all: which argument is not what it must be
    """

    ok: bool
    json: bytes
    error: tuple[int, str]
    took_us: int
    fault: str = ""


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """Whether the terminal is there and logged in."""

    ok: bool
    error: tuple[int, str]
    version: str = ""


class Ran(msgspec.Struct, frozen=True, kw_only=True, tag="ran"):
    id: int
    results: tuple[Result, ...]


ToChild = Open | Run
FromChild = Opened | Ran

_encode: Final = msgspec.msgpack.Encoder().encode
_to_child: Final[msgspec.msgpack.Decoder[ToChild]] = msgspec.msgpack.Decoder(ToChild)
_from_child: Final[msgspec.msgpack.Decoder[FromChild]] = msgspec.msgpack.Decoder(FromChild)


def frame(message: ToChild | FromChild) -> bytes:
    body = _encode(message)
    return len(body).to_bytes(HEAD, "little") + body


def size_of(head: bytes) -> int:
    """How long the message is that follows.

    :raises ValueError: longer than any message may be: this is no frame
    """
    size = int.from_bytes(head, "little")
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes; at most {MAX_FRAME} are allowed")
    return size


def to_child(body: bytes) -> ToChild:
    return _to_child.decode(body)


def from_child(body: bytes) -> FromChild:
    return _from_child.decode(body)
