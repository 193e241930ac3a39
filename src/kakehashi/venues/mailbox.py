"""The mailbox's words: what an EA that polls reads and writes. The only place that knows them.

The field order, the compact JSON and the absence of nested values inside an item are part of the contract: the EA in the
field searches for literal text and cuts items at the first ``}`` (facts: wire contract, parser trap).
"""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.frames import SymbolRow
from kakehashi.domain.linkrows import instrument
from kakehashi.domain.messages import AccountReport, Deal, OrderReported
from kakehashi.domain.orders import Happening, Op, Order
from kakehashi.domain.values import MAX_AMOUNT, ZERO, Instrument, Millis, Quote, Side
from kakehashi.domain.views import BrokerPosition

MAX_KEYS = 200
MAX_KEY_LENGTH = 200
MAX_MAGIC = 2**64 - 1
"""MetaTrader's magic number is an unsigned 64-bit integer."""

Small = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
STATUSES = {
    "filled": Happening.FILLED,
    "partial": Happening.FILLED_PART,
    "placed": Happening.PLACED,
    "done": Happening.DONE,
    "rejected": Happening.REJECTED,
    "nack": Happening.NACKED,
    "taken": Happening.TAKEN,
}


def action(order: Order) -> str:
    """The word the EA acts on: BUY, SELL, CLOSE, CLOSE_PARTIAL; an order it must not trade has its operation's name."""
    return order.side.value if order.op is Op.OPEN and order.side is not None else order.op.value


def item(order: Order) -> dict[str, Any]:
    """One poll item, fields in the order the contract says. Prices and volumes are JSON numbers."""
    return {
        "id": order.id,
        "key": order.key,
        "timestamp": order.created_at,
        "symbol": order.symbol,
        "signal": order.signal,
        "action": action(order),
        "volume": _number(order.volume),
        "volume_ratio": _number(order.volume_ratio),
        "timeframe": order.timeframe,
        "bar_time": order.bar_time,
        "price": _number(order.price if order.price is not None else order.alert_price),
        "op": order.op.value,
        "side": order.side.value if order.side is not None else None,
        "ticket": order.target,
        "sl": _number(order.sl),
        "tp": _number(order.tp),
        "magic": str(order.magic),
        "attempt": order.attempt,
        "expires_at": order.expires_at,
        "expect_vol": _number(order.expect_vol),
        "opened_before": order.opened_before,
        "kind": order.kind.value,
        "comment": order.comment[:16],
    }


def poll_answer(orders: tuple[Order, ...]) -> bytes:
    """The whole answer, compact: ``{"items":[...],"cursor":null}``."""
    return msgspec.json.encode({"items": [item(o) for o in orders], "cursor": None})


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


class AckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an EA says became of one delivery."""

    key: str
    status: str
    ticket: str | int = ""
    order: str | int = ""
    deal: str | int = ""
    volume: Decimal | None = None
    price: Decimal | None = None
    retcode: Small | None = None
    message: str = ""
    profit: Decimal | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """``POST /api/ack``. ``keys`` alone means "taken, result unknown" (the legacy contract)."""

    account: str = ""
    instance: str = ""
    keys: tuple[str, ...] = ()
    results: tuple[AckResult, ...] = ()


def read_ack(body: bytes) -> Ack:
    """:raises Malformed: with the field, what came and what was expected"""
    ack = _decode(body, Ack)
    if len(ack.keys) + len(ack.results) > MAX_KEYS:
        raise Malformed("TOO_MANY_KEYS", f"at most {MAX_KEYS} keys in one ack", value=len(ack.keys) + len(ack.results))
    for key in (*ack.keys, *(r.key for r in ack.results)):
        if not key or len(key) > MAX_KEY_LENGTH:
            raise Malformed("BAD_KEY", f"a key has 1 to {MAX_KEY_LENGTH} characters", value=key[:80])
    for result in ack.results:
        if result.status not in STATUSES:
            raise Malformed("BAD_STATUS", f"status must be one of {', '.join(STATUSES)}", value=result.status[:80])
        _not_negative(result.volume)
    return ack


def reported(ack: Ack, *, account: str, at: Millis) -> tuple[OrderReported, ...]:
    """The ack as events, in the order sent."""
    bare = tuple(OrderReported(at=at, account=account, order=k, happening=Happening.TAKEN) for k in ack.keys)
    told = tuple(
        OrderReported(
            at=at,
            account=account,
            order=r.key,
            happening=_happening(r),
            volume=r.volume or ZERO,
            price=r.price,
            ticket=str(r.ticket or r.order or ""),
            deal=str(r.deal or ""),
            retcode=r.retcode,
            code="VENUE_REJECTED" if _happening(r) is Happening.REJECTED else "",
            message=r.message[:500],
            profit=r.profit or ZERO,
        )
        for r in ack.results
    )
    return bare + told


POSITION_CLOSED = 10036


def _happening(result: AckResult) -> Happening:
    """An exit refused because its position is gone has reached what it wanted."""
    if result.status == "rejected" and result.retcode == POSITION_CLOSED:
        return Happening.DONE
    return STATUSES[result.status]


class _Position(msgspec.Struct, kw_only=True):
    ticket: str | int
    symbol: str
    side: str
    volume: Decimal
    open: Decimal
    ident: str | int = ""
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    magic: str | int = 0
    opened: Time | None = None
    profit: Decimal = ZERO


class _Symbol(msgspec.Struct, kw_only=True):
    symbol: str
    digits: Small | None = None
    point: Decimal | None = None
    tick_size: Decimal | None = None
    tick_value: Decimal | None = None
    contract_size: Decimal | None = None
    vol_min: Decimal | None = None
    vol_max: Decimal | None = None
    vol_step: Decimal | None = None
    stops_level: Small = 0
    profit_currency: str = ""
    bid: Decimal | None = None
    ask: Decimal | None = None


class _Deal(msgspec.Struct, kw_only=True):
    ticket: str | int
    symbol: str
    side: str
    entry: str
    volume: Decimal
    price: Decimal
    time: Time
    order: str | int = ""
    position: str | int = ""
    profit: Decimal = ZERO
    swap: Decimal = ZERO
    commission: Decimal = ZERO
    reason: str = ""
    magic: str | int = 0


class _Report(msgspec.Struct, kw_only=True):
    account: str = ""
    instance: str = ""
    server: str = ""
    login: str | int = ""
    trade_mode: str = ""
    margin_mode: str = ""
    currency: str = ""
    balance: Decimal | None = None
    equity: Decimal | None = None
    credit: Decimal = ZERO
    positions: tuple[_Position, ...] | None = None
    symbols: tuple[_Symbol, ...] = ()
    deals: tuple[_Deal, ...] = ()


def read_report(body: bytes, *, account: str, at: Millis) -> AccountReport:
    """``POST /api/report`` in our words.

    :param account: whose token sent it; a report that names another is refused
    :raises Malformed: a number that is not finite or out of bounds, an unknown side, a field of the wrong type
    """
    raw = _decode(body, _Report)
    if raw.account and raw.account != account:
        raise Rejected("FORBIDDEN", "this token is not of that account's EA")
    positions = None if raw.positions is None else tuple(_position(account, p) for p in raw.positions)
    return AccountReport(
        at=at,
        account=account,
        instance=raw.instance,
        server=raw.server,
        login=str(raw.login),
        trade_mode=raw.trade_mode.lower(),
        margin_mode=raw.margin_mode.lower(),
        currency=raw.currency,
        balance=raw.balance,
        equity=raw.equity,
        credit=raw.credit,
        positions=positions,
        instruments=tuple(i for s in raw.symbols if (i := _instrument(s)) is not None),
        quotes={
            s.symbol: Quote(bid=s.bid, ask=s.ask, at=at)
            for s in raw.symbols
            if s.bid is not None and s.ask is not None and s.bid > 0
        },
        deals=tuple(_deal(d) for d in raw.deals),
    )


def _position(account: str, raw: _Position) -> BrokerPosition:
    _not_negative(raw.volume)
    return BrokerPosition(
        account=account,
        ident=str(raw.ident or raw.ticket),
        ticket=str(raw.ticket),
        symbol=raw.symbol,
        side=_side(raw.side),
        volume=raw.volume,
        open_price=raw.open,
        sl=raw.sl,
        tp=raw.tp,
        magic=_integer(raw.magic),
        opened_at=raw.opened,
        profit=raw.profit,
    )


def _instrument(raw: _Symbol) -> Instrument | None:
    """A specification where all of it was sent."""
    told = msgspec.structs.asdict(raw)
    return instrument(SymbolRow(**{name: told[name] for name in SymbolRow.__struct_fields__ if name in told}))


def _deal(raw: _Deal) -> Deal:
    _not_negative(raw.volume)
    return Deal(
        ticket=str(raw.ticket),
        order=str(raw.order),
        position=str(raw.position),
        symbol=raw.symbol,
        side=_side(raw.side),
        entry=raw.entry.upper(),
        volume=raw.volume,
        price=raw.price,
        time=raw.time,
        profit=raw.profit,
        swap=raw.swap,
        commission=raw.commission,
        reason=raw.reason.upper(),
        magic=_integer(raw.magic),
    )


def _side(word: str) -> Side:
    match word.upper():
        case "B" | "BUY" | "LONG":
            return Side.BUY
        case "S" | "SELL" | "SHORT":
            return Side.SELL
    raise Malformed("BAD_SIDE", "side must be BUY or SELL", value=word[:40])


def _integer(value: str | int) -> int:
    try:
        number = int(value or 0)
    except ValueError:
        raise Malformed("BAD_NUMBER", "magic must be a whole number", value=str(value)[:40]) from None
    if abs(number) > MAX_MAGIC:
        raise Malformed("NUMBER_OUT_OF_RANGE", "magic has at most 64 bits", value=str(value)[:40])
    return number


def _not_negative(volume: Decimal | None) -> None:
    if volume is not None and volume < 0:
        raise Malformed("NUMBER_OUT_OF_RANGE", "a volume is 0 or more", value=str(volume)[:40])


def _refuse_unbounded(value: object) -> None:
    """Every Decimal inside, at any depth, is finite and within MAX_AMOUNT; afterwards it may be compared.

    A signalling NaN raises at the first comparison, so this comes before all of them.
    """
    if isinstance(value, Decimal):
        if not value.is_finite() or value.copy_abs() > MAX_AMOUNT:
            text = f"numbers are finite and at most {MAX_AMOUNT:f}"
            raise Malformed("NUMBER_OUT_OF_RANGE", text, value=str(value)[:40])
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _refuse_unbounded(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            _refuse_unbounded(part)


T = TypeVar("T")


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        value = msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Malformed("BAD_JSON", str(e), hint="see docs: connect your EA by polling") from None
    _refuse_unbounded(value)
    return value
