"""The simulated broker's core: events per second with many open positions (``python -m benchmarks.broker``).

An event is one tick of one symbol, or one trade request. Nothing is written down: this is the rules alone.
"""

import argparse
import json
import time
from decimal import Decimal

from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import AccountSpec, OrderType, Request, TradeAction

AT = 1_790_557_200_000
TICK_MS = 200


def filled(positions: int, *, accounts: int) -> Broker:
    """``positions`` of 0.01 lot with far stops, half as many pending orders, spread over accounts and symbols."""
    broker = Broker(seed=1, at=AT)
    symbols = list(broker.market.symbols.values())
    for n in range(accounts):
        broker.open_account(
            AccountSpec(account=f"a{n}", number=str(n + 1), balance=Decimal(10_000_000), limit_orders=positions)
        )
    for n in range(positions):
        spec, account = symbols[n % len(symbols)], f"a{n % accounts}"
        bid, far = broker.market.ticks[spec.name].bid, spec.point * 20_000
        kind = OrderType.BUY if n % 2 else OrderType.SELL
        away = far if n % 2 else -far
        deal = Request(
            action=TradeAction.DEAL, symbol=spec.name, type=kind, volume=Decimal("0.01"), sl=bid - away, tp=bid + away
        )
        rest = Request(
            action=TradeAction.PENDING,
            symbol=spec.name,
            type=OrderType.BUY_LIMIT,
            volume=Decimal("0.01"),
            price=bid - far,
        )
        for request in (deal, rest)[: 1 + n % 2]:
            result = broker.order_send(account, request, AT)
            if result.retcode != 10009:
                raise RuntimeError(f"{request}: {result}")
    return broker


def ticks_per_s(broker: Broker, seconds: float) -> float:
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        steps += 1
        broker.tick(AT + steps * TICK_MS)
    return steps * len(broker.market.symbols) / (time.perf_counter() - began)


def requests_per_s(broker: Broker, seconds: float) -> float:
    """Open and close in turns, beside everything that stands."""
    began, sent, at = time.perf_counter(), 0, AT + 3_600_000
    while time.perf_counter() - began < seconds:
        buy = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.01"))
        ticket = broker.order_send("a0", buy, at).order
        close = Request(
            action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.SELL, volume=Decimal("0.01"), position=ticket
        )
        if broker.order_send("a0", close, at).retcode != 10009:
            raise RuntimeError(f"position {ticket} did not close")
        sent += 2
    return sent / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broker", description=__doc__)
    parser.add_argument("--positions", type=int, default=1_000)
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    broker = filled(given.positions, accounts=given.accounts)
    standing = sum(len(book.positions) for book in broker.books.values())
    ticks = ticks_per_s(broker, given.seconds)
    requests = requests_per_s(broker, given.seconds)
    print(
        f"{given.positions:,} positions on {given.accounts} accounts: {ticks:,.0f} ticks/s, {requests:,.0f} requests/s"
    )
    print(json.dumps({"positions": standing, "ticks_per_s": round(ticks), "requests_per_s": round(requests)}))


if __name__ == "__main__":
    main()
