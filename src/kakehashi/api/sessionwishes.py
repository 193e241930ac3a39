"""The bodies of ``/v5``: every function of the package with its arguments, strict and bounded."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, create_model

from kakehashi.domain.terminalcalls import BRIDGES_OWN, FUNCTIONS

MOST_TIMEOUT_S: Final = 300.0
MOST_ROWS: Final = 1_000_000
MOST_BATCH: Final = 100
_FAR_S: Final = 32_503_680_000
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?")


def _moment(value: object) -> object:
    """Seconds since 1970, or ISO 8601; without an offset it is UTC."""
    if not isinstance(value, str):
        return value
    if _ISO.fullmatch(value) is None:
        raise ValueError("expected seconds since 1970, or ISO 8601 in UTC such as 2026-11-21T09:30:00Z")
    at = datetime.fromisoformat(value)
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return int(seconds) if seconds.is_integer() else seconds


def _number(value: object) -> object:
    return float(value) if type(value) is int else value


Moment: TypeAlias = Annotated[
    int | float,
    BeforeValidator(_moment),
    Field(ge=0, le=_FAR_S),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0, "maximum": _FAR_S}, {"type": "string", "format": "date-time"}],
            "description": "Seconds since 1970 in the trade server's time, or ISO 8601.",
        }
    ),
]
Number: TypeAlias = Annotated[float, BeforeValidator(_number), Field(ge=-1e15, le=1e15)]
Constant: TypeAlias = (
    Annotated[int, Field(ge=-(2**31), lt=2**32)] | Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{2,63}$")]
)
"""One of the package's constants, by number or by name."""
Ticket: TypeAlias = Annotated[int, Field(ge=0, lt=2**64)]
Symbol: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
Group: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000, description="Masks: `*USD*,!EUR*`.")]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST_ROWS)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NoParams(Strict):
    """It takes no arguments."""


class OfSymbol(Strict):
    symbol: Symbol


class Select(OfSymbol):
    """Into the Market Watch, or out of it."""

    enable: bool = True


class Symbols(Strict):
    group: Group | None = None


class RatesFrom(OfSymbol):
    timeframe: Constant
    date_from: Moment
    count: Count


class RatesFromPos(OfSymbol):
    """Bar 0 is the present one."""

    timeframe: Constant
    start_pos: Annotated[int, Field(ge=0, le=MOST_ROWS)]
    count: Count


class RatesRange(OfSymbol):
    timeframe: Constant
    date_from: Moment
    date_to: Moment


class TicksFrom(OfSymbol):
    date_from: Moment
    count: Count
    flags: Constant


class TicksRange(OfSymbol):
    date_from: Moment
    date_to: Moment
    flags: Constant


class Working(Strict):
    """By symbol, else by group, else by ticket; without any, all."""

    symbol: Symbol | None = None
    group: Group | None = None
    ticket: Ticket | None = None


class Period(Strict):
    date_from: Moment
    date_to: Moment


class History(Strict):
    """A period with or without a group, or a ticket (of a deal: its ORDER's), or a position."""

    date_from: Moment | None = None
    date_to: Moment | None = None
    group: Group | None = None
    ticket: Ticket | None = None
    position: Ticket | None = None


class CalcMargin(OfSymbol):
    action: Constant
    volume: Number
    price: Number


class CalcProfit(OfSymbol):
    action: Constant
    volume: Number
    price_open: Number
    price_close: Number


class TradeRequest(Strict):
    """MqlTradeRequest. Magic and comment are yours: they reach the broker as they are."""

    action: Constant
    magic: Ticket | None = None
    order: Ticket | None = None
    symbol: Symbol | None = None
    volume: Number | None = None
    price: Number | None = None
    stoplimit: Number | None = None
    sl: Number | None = None
    tp: Number | None = None
    deviation: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    type: Constant | None = None
    type_filling: Constant | None = None
    type_time: Constant | None = None
    expiration: Moment | None = None
    comment: Annotated[str, Field(max_length=255)] | None = None
    position: Ticket | None = None
    position_by: Ticket | None = None


class Requested(Strict):
    request: TradeRequest


_PARAMS: Final[dict[str, type[Strict]]] = {
    "symbols_get": Symbols,
    "symbol_info": OfSymbol,
    "symbol_info_tick": OfSymbol,
    "symbol_select": Select,
    "market_book_add": OfSymbol,
    "market_book_get": OfSymbol,
    "market_book_release": OfSymbol,
    "copy_rates_from": RatesFrom,
    "copy_rates_from_pos": RatesFromPos,
    "copy_rates_range": RatesRange,
    "copy_ticks_from": TicksFrom,
    "copy_ticks_range": TicksRange,
    "orders_get": Working,
    "order_calc_margin": CalcMargin,
    "order_calc_profit": CalcProfit,
    "order_check": Requested,
    "order_send": Requested,
    "positions_get": Working,
    "history_orders_total": Period,
    "history_orders_get": History,
    "history_deals_total": Period,
    "history_deals_get": History,
}
PARAMS: Final[dict[str, type[Strict]]] = {
    name: _PARAMS.get(name, NoParams) for name in FUNCTIONS if name not in BRIDGES_OWN
}
"""The arguments of every function that a session's owner may call."""

CommandId: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Timeout: TypeAlias = Annotated[float, BeforeValidator(_number), Field(gt=0, le=MOST_TIMEOUT_S)]


class Command(Strict):
    """One call of the package. The same ``id`` twice is one call (order_send: for 25 hours)."""

    command: str
    params: Any
    timeout_s: Timeout | None = None
    id: CommandId | None = None
    format: Literal["objects", "columns"] = "objects"

    def arguments(self) -> dict[str, Any]:
        """What was given, by name."""
        given: dict[str, Any] = self.params.model_dump(exclude_unset=True, exclude_none=True)
        return given


def _wish(name: str, params: type[Strict]) -> type[Command]:
    needed = any(field.is_required() for field in params.model_fields.values())
    title = "".join(part.title() for part in name.split("_")) + "Command"
    fields: dict[str, Any] = {
        "command": (Literal[name], ...),
        "params": (params, ...) if needed else (params, Field(default_factory=params)),
    }
    made: type[Command] = create_model(title, __base__=Command, __doc__=f"``{name}``", **fields)
    return made


COMMANDS: Final[dict[str, type[Command]]] = {name: _wish(name, params) for name, params in PARAMS.items()}
AnyCommand: Any = Annotated[Union[tuple(COMMANDS.values())], Field(discriminator="command")]  # noqa: UP007  made at run time
COMMAND: Final[TypeAdapter[Command]] = TypeAdapter(AnyCommand)


class Batch(Strict):
    """Calls that are made one after the other; each has its own answer."""

    commands: Annotated[list[AnyCommand], Field(min_length=1, max_length=MOST_BATCH)]


class Create(Strict):
    """A session: one terminal that is logged in to one account. The password is kept sealed and never shown."""

    login: Annotated[int, Field(ge=1, lt=2**63)]
    password: Annotated[str, Field(max_length=256)]
    server: Annotated[str, Field(max_length=256)] = ""
    name: Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    terminal: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")] = ""
