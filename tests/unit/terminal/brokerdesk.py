"""A simulated broker with one account, at prices that the test pins."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.market import SYMBOLS
from kakehashi.terminal.core.words import AccountSpec, OrderType, Request, Result, Symbol, TradeAction

D = Decimal
MONDAY = 1_790_553_600_000  # 2026-09-28T00:00:00Z
AT = MONDAY + 3_600_000


def symbols(**fields: object) -> tuple[Symbol, ...]:
    """The built-in ones, EURUSD changed."""
    return tuple(msgspec.structs.replace(s, **fields) if s.name == "EURUSD" else s for s in SYMBOLS)


def opened(
    symbol: Mapping[str, object] | None = None, *, faults: Faults | None = None, seed: int = 7, **account: object
) -> tuple[Broker, Book]:
    """EURUSD at 1.10000; ``symbol`` and ``account``: what is not as usual about them."""
    broker = Broker(seed=seed, at=AT, symbols=symbols(**(symbol or {})), faults=faults)
    book = broker.open_account(AccountSpec(account="a", number="1", **account))  # type: ignore[arg-type]
    at_price(broker, "1.10000")
    return broker, book


def at_price(broker: Broker, bid: str) -> None:
    broker.market.pin("EURUSD", D(bid), None, AT)
    broker.act(AT)


def send(broker: Broker, action: TradeAction, **fields: object) -> Result:
    request = {"symbol": "EURUSD", "volume": D("0.10")} | fields
    return broker.order_send("a", Request(action=action, **request), AT)  # type: ignore[arg-type]


def market(broker: Broker, side: str = "BUY", volume: str = "0.10", **fields: object) -> Result:
    request = {"type": OrderType(side), "volume": D(volume), "magic": 77} | fields
    return send(broker, TradeAction.DEAL, **request)
