"""A small trading desk for the tests of decide(): one account, one symbol, everything adjustable."""

from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain.alerts import Action, Alert, Level, LevelUnit, Size, SizeUnit, Standing, Target
from kakehashi.domain.decide import Decision, decide
from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.rules import Route, RouteRules
from kakehashi.domain.values import Account, Instrument, Quote, Side
from kakehashi.domain.views import AccountView, BrokerPosition, RouteMemory, Signal
from kakehashi.domain.working import Working

AT = 1_700_000_000_000  # a Tuesday, 22:13:20 UTC
D = Decimal
EURUSD = Instrument(
    symbol="EURUSD",
    digits=5,
    point=D("0.00001"),
    tick_size=D("0.00001"),
    tick_value=D(1),
    contract_size=D(100_000),
    vol_min=D("0.01"),
    vol_max=D(50),
    vol_step=D("0.01"),
)


def account(**changes: Any) -> Account:
    return msgspec.structs.replace(Account(name="A", number="1"), **changes)


def view(**changes: Any) -> AccountView:
    base = AccountView(
        account=account(),
        reported=True,
        fresh=True,
        balance=D(10_000),
        equity=D(10_000),
        day_profit=D(0),
        day_start_equity=D(10_000),
        magics={7: "r", 8: "other"},
        instrument=EURUSD,
        quote=Quote(bid=D("1.09990"), ask=D("1.10000"), at=AT),
    )
    return _changed(base, changes)


def legacy(**changes: Any) -> AccountView:
    """An account that has never reported."""
    return _changed(AccountView(account=account()), changes)


def _changed(base: AccountView, changes: dict[str, Any]) -> AccountView:
    orders = changes.pop("orders", ())
    return msgspec.structs.replace(base, orders=Working(orders), **changes)


def alert(action: str = "BUY", **fields: Any) -> Alert:
    return Alert(format="relay", action=Action(action), symbol="EURUSD", **fields)


def signal(a: Alert, *, age_ms: int | None = 0) -> Signal:
    return Signal(id="s", trace_id="t", strategy="x", token_id="k", idem="i", received_at=AT, alert=a, age_ms=age_ms)


def run(
    a: Alert,
    v: AccountView | None = None,
    memory: RouteMemory | None = None,
    *,
    at: int = AT,
    age_ms: int | None = 0,
    route: dict[str, Any] | None = None,
    **rules: Any,
) -> Decision:
    rules = {"size_value": D("0.10"), **rules}
    spelled = {name: value for name, value in rules.items() if isinstance(value, str)}
    read = msgspec.convert(spelled, RouteRules)
    words = {name: getattr(read, name) for name in spelled}
    r = Route(name="r", accounts=("A",), rules=msgspec.structs.replace(RouteRules(**rules), **words), **(route or {}))
    return decide(signal(a, age_ms=age_ms), r, v or view(), memory or RouteMemory(), at=at, symbol="EURUSD")


def position(side: str = "BUY", volume: str = "0.10", ident: str = "1", magic: int = 7, **more: Any) -> BrokerPosition:
    return BrokerPosition(
        account="A", ident=ident, ticket=ident, symbol="EURUSD", side=Side(side), volume=D(volume),
        open_price=D("1.09000"), magic=magic, **more,
    )  # fmt: skip


def order(id: str = "o", op: str = "OPEN", state: str = "QUEUED", side: str = "BUY", **more: Any) -> Order:  # noqa: A002
    fields: dict[str, Any] = {"volume": D("0.10"), "route": "r", **more}
    return Order(
        id=id, seq=1, account="A", signal_id="s", trace_id="t", op=Op(op), symbol="EURUSD", side=Side(side), magic=9,
        created_at=AT, expires_at=AT + 30_000, updated_at=AT, state=State(state), **fields,
    )  # fmt: skip


def pips(value: str) -> Level:
    return Level(LevelUnit.PIPS, D(value))


def lots(value: str) -> Size:
    return Size(SizeUnit.LOTS, D(value))


def size(unit: str, value: str) -> Size:
    return Size(SizeUnit(unit), D(value))


def to(where: str, contracts: str | None = None, prev: str | None = None, prev_size: str | None = None) -> Alert:
    return alert(
        "TARGET",
        target=Target(
            position=Standing(where),
            size=None if contracts is None else D(contracts),
            prev_position=None if prev is None else Standing(prev),
            prev_size=None if prev_size is None else D(prev_size),
        ),
    )
