"""A trade server seen through a session of the MT5 bridge: the package's rows in the terminal's words.

With it an EA carries out the hub's commands in any terminal that the bridge runs, the real one included.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Rejected, Unavailable
from kakehashi.domain.retcodes import NOBODY_KNOWS
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import (
    Deal,
    Entry,
    Filling,
    MarginMode,
    Order,
    OrderState,
    OrderTime,
    OrderType,
    Reason,
    Request,
    Result,
    Side,
)
from kakehashi.terminal.metatrader5.requests import ACTIONS, FILLINGS, ORDER_TIMES, ORDER_TYPES
from kakehashi.terminal.wire import AccountFacts, Filter, Login, PositionFacts, SymbolFacts

Call = Callable[[str, Mapping[str, Any]], Awaitable[tuple[Any, tuple[int, str]]]]
"""A function of the package by name and arguments: its value and its last_error."""

_FAR_S: Final = 4_102_444_800
_NOT_SENT: Final = -10001
_NUMBERS: Final = {action: number for number, action in ACTIONS.items()}
_STATES: Final = tuple(OrderState)
_ENTRIES: Final = tuple(Entry)
_REASONS: Final = (Reason.CLIENT, Reason.MOBILE, Reason.WEB, Reason.EXPERT, Reason.SL, Reason.TP, Reason.SO)
_MODES: Final = {0: MarginMode.NETTING, 2: MarginMode.HEDGING}
_TRADE_MODES: Final = ("demo", "contest", "real")


class SessionBroker(BrokerClient):
    """What an EA asks of its terminal, over a session that is logged in already.

    Methods raise as :class:`BrokerClient`'s do. Only trades and their orders are shown; a session cannot see requests
    that the server is still at work on, so one without answer is OutcomeUnknown until the bridge knows.
    """

    def __init__(self, call: Call) -> None:
        super().__init__("")
        self._function = call

    async def login(self, login: Login) -> AccountFacts:
        return await self.account_info(login.account)

    async def account_info(self, account: str) -> AccountFacts:
        a = await self._ask("account_info", {})
        return AccountFacts(
            account=account,
            login=str(a["login"]),
            server=a["server"],
            trade_mode=_TRADE_MODES[a["trade_mode"]],
            margin_mode=_MODES.get(a["margin_mode"], MarginMode.NETTING),
            currency=a["currency"],
            leverage=a["leverage"],
            balance=_exact(a["balance"]),
            equity=_exact(a["equity"]),
            profit=_exact(a["profit"]),
            margin=_exact(a["margin"]),
            margin_free=_exact(a["margin_free"]),
            credit=_exact(a["credit"]),
        )

    async def symbols(self, account: str) -> list[SymbolFacts]:
        return [_symbol(s) for s in await self._ask("symbols_get", {})]

    async def positions(self, wanted: Filter) -> list[PositionFacts]:
        rows = [_position(p) for p in await self._ask("positions_get", {})]
        return [p for p in rows if wanted.takes_position(p)][: wanted.limit]

    async def orders(self, wanted: Filter) -> list[Order]:
        rows = [_order(o) for o in await self._ask("orders_get", {})]
        return [o for o in rows if wanted.takes_order(o)][: wanted.limit]

    async def history_orders(self, wanted: Filter) -> list[Order]:
        rows = [_order(o) for o in await self._ask("history_orders_get", _ALL)]
        return [o for o in rows if wanted.takes_order(o)][: wanted.limit]

    async def history_deals(self, wanted: Filter) -> list[Deal]:
        trades = [_deal(d, wanted.account) for d in await self._ask("history_deals_get", _ALL) if d["type"] < 2]
        return [d for d in trades if wanted.takes_deal(d)][: wanted.limit]

    async def order_send(self, account: str, request: Request) -> Result:
        value, (code, text) = await self._function("order_send", {"request": _said(request)})
        if value is None:
            kind: type[KakehashiError] = Unavailable if code == _NOT_SENT else Rejected
            raise kind("TERMINAL_FAILED", f"order_send: ({code}) {text}", value=code)
        if value["retcode"] in NOBODY_KNOWS and not value["deal"]:
            raise OutcomeUnknown("BROKER_NO_ANSWER", f"order_send: {value['retcode']} {value['comment']}")
        return Result(
            retcode=value["retcode"],
            deal=value["deal"],
            order=value["order"],
            volume=_exact(value["volume"]),
            price=_exact(value["price"]),
            comment=value["comment"],
        )

    async def _ask(self, name: str, params: Mapping[str, Any]) -> Any:
        value, (code, text) = await self._function(name, params)
        if value is None:
            raise Unavailable("TERMINAL_FAILED", f"{name}: ({code}) {text}", value=code)
        return value


_ALL: Final = {"date_from": 0, "date_to": _FAR_S}


def _exact(value: float) -> Decimal:
    """What the float was meant to be."""
    return Decimal(repr(value)) if value else Decimal(0)


def _said(r: Request) -> dict[str, Any]:
    """A request in the package's numbers; what is nothing is left out."""
    named: dict[str, Any] = {
        "symbol": r.symbol,
        "volume": float(r.volume),
        "price": float(r.price),
        "stoplimit": float(r.stoplimit),
        "sl": float(r.sl),
        "tp": float(r.tp),
        "deviation": r.deviation,
        "position": r.position,
        "position_by": r.position_by,
        "order": r.order,
        "magic": r.magic,
        "comment": r.comment,
        "expiration": (r.expiration or 0) // 1000,
    }
    said = {name: value for name, value in named.items() if value}
    said |= {"action": _NUMBERS[r.action], "type": ORDER_TYPES.index(r.type)}
    said["type_filling"] = FILLINGS.index(r.filling or (Filling.RETURN if r.type.is_pending else Filling.IOC))
    if r.type_time is not None or r.expiration:
        said["type_time"] = ORDER_TIMES.index(r.type_time or OrderTime.SPECIFIED)
    return said


def _symbol(s: Mapping[str, Any]) -> SymbolFacts:
    allowed = tuple(kind for bit, kind in ((1, Filling.FOK), (2, Filling.IOC)) if s["filling_mode"] & bit)
    return SymbolFacts(
        symbol=s["name"],
        digits=s["digits"],
        point=_exact(s["point"]),
        tick_size=_exact(s["trade_tick_size"]),
        tick_value=_exact(s["trade_tick_value"]),
        contract_size=_exact(s["trade_contract_size"]),
        vol_min=_exact(s["volume_min"]),
        vol_max=_exact(s["volume_max"]),
        vol_step=_exact(s["volume_step"]),
        stops_level=s["trade_stops_level"],
        fillings=allowed,
        profit_currency=s["currency_profit"],
        bid=_exact(s["bid"]),
        ask=_exact(s["ask"]),
    )


def _position(p: Mapping[str, Any]) -> PositionFacts:
    return PositionFacts(
        ticket=p["ticket"],
        identifier=p["identifier"],
        symbol=p["symbol"],
        side=Side.SELL if p["type"] else Side.BUY,
        volume=_exact(p["volume"]),
        price_open=_exact(p["price_open"]),
        sl=_exact(p["sl"]),
        tp=_exact(p["tp"]),
        magic=p["magic"],
        comment=p["comment"],
        time=p["time_msc"],
        reason=_reason(p["reason"]),
        swap=_exact(p["swap"]),
        price_current=_exact(p["price_current"]),
        profit=_exact(p["profit"]),
    )


def _order(o: Mapping[str, Any]) -> Order:
    return Order(
        ticket=o["ticket"],
        symbol=o["symbol"],
        type=OrderType(ORDER_TYPES[o["type"]]),
        state=_STATES[o["state"]] if o["state"] < len(_STATES) else OrderState.STARTED,
        volume_initial=_exact(o["volume_initial"]),
        volume_current=_exact(o["volume_current"]),
        price_open=_exact(o["price_open"]),
        sl=_exact(o["sl"]),
        tp=_exact(o["tp"]),
        magic=o["magic"],
        comment=o["comment"],
        reason=_reason(o["reason"]),
        time_setup=o["time_setup_msc"],
        time_done=o["time_done_msc"],
        expiration=o["time_expiration"] * 1000 or None,
        position_id=o["position_id"],
    )


def _deal(d: Mapping[str, Any], account: str) -> Deal:
    return Deal(
        account=account,
        ticket=d["ticket"],
        order=d["order"],
        position=d["position_id"],
        symbol=d["symbol"],
        side=Side.SELL if d["type"] else Side.BUY,
        entry=_ENTRIES[d["entry"]],
        volume=_exact(d["volume"]),
        requested_volume=_exact(d["volume"]),
        price=_exact(d["price"]),
        profit=_exact(d["profit"]),
        swap=_exact(d["swap"]),
        commission=_exact(d["commission"]),
        reason=_reason(d["reason"]),
        magic=d["magic"],
        comment=d["comment"],
        time=d["time_msc"],
        fee=_exact(d["fee"]),
    )


def _reason(number: int) -> Reason:
    return _REASONS[number] if number < len(_REASONS) else Reason.ROLLOVER
