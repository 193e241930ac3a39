"""The simulated broker's core: events per second with many open positions (``python -m benchmarks.broker``).

An event is one tick of one symbol, or one trade request. Nothing is written down: this is the rules alone. Seconds are
those of the processor: nothing here waits, and what else the machine does is not measured.
"""

import argparse
import json
import random
import time
from decimal import Decimal

from msgspec.structs import replace

from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import AccountSpec, OrderType, Request, TradeAction
from kakehashi.terminal.server import TradeServer

AT = 1_790_557_200_000
TICK_MS = 200


def filled(positions: int, *, accounts: int) -> Broker:
    """``positions`` of the least volume with far stops, half as many pending orders, spread over accounts and symbols."""
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
            action=TradeAction.DEAL, symbol=spec.name, type=kind, volume=spec.vol_min, sl=bid - away, tp=bid + away
        )
        rest = Request(
            action=TradeAction.PENDING,
            symbol=spec.name,
            type=OrderType.BUY_LIMIT,
            volume=spec.vol_min,
            price=bid - far,
        )
        for request in (deal, rest)[: 1 + n % 2]:
            result = broker.order_send(account, request, AT)
            if result.retcode != 10009:
                raise RuntimeError(f"{request}: {result}")
    return broker


def ticks_per_s(broker: Broker, seconds: float) -> float:
    began, steps = time.process_time(), 0
    while time.process_time() - began < seconds:
        steps += 1
        broker.tick(AT + steps * TICK_MS)
    return steps * len(broker.market.symbols) / (time.process_time() - began)


def requests_per_s(broker: Broker, seconds: float) -> float:
    """Open and close in turns, beside everything that stands."""
    began, sent, at = time.process_time(), 0, AT + 3_600_000
    while time.process_time() - began < seconds:
        buy = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.01"))
        ticket = broker.order_send("a0", buy, at).order
        close = Request(
            action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.SELL, volume=Decimal("0.01"), position=ticket
        )
        if broker.order_send("a0", close, at).retcode != 10009:
            raise RuntimeError(f"position {ticket} did not close")
        sent += 2
    return sent / (time.process_time() - began)


def recorded(broker: Broker, count: int) -> list[tuple[str, Decimal, Decimal, int]]:
    """Ticks as a recording has them: one symbol each, in turns, a few points up or down."""
    rng, symbols = random.Random(1), list(broker.market.symbols.values())
    points = {s.name: broker.market.points[s.name] for s in symbols}
    found = []
    for n in range(count):
        spec = symbols[n % len(symbols)]
        bid, ask = (price + rng.randint(-3, 3) for price in points[spec.name])
        ask = max(bid, ask)
        prices = [Decimal(price).scaleb(-spec.digits) for price in (bid, ask)]
        found.append((spec.name, prices[0], prices[1], AT + 50 * n))
    return found


def million_ticks_s(positions: int, *, sample: int) -> float:
    """Seconds for 1,000,000 ticks that were recorded, on one account whose positions all have SL and TP."""
    broker = filled(positions, accounts=1)
    ticks = recorded(broker, sample)
    began = time.process_time()
    for tick in ticks:
        broker.hear(*tick)
    return (time.process_time() - began) / sample * 1_000_000


def answered_us(count: int) -> float:
    """Microseconds a request as the server in a terminal's own process takes it, written down in memory only."""
    server = TradeServer(filled(100, accounts=1), None, lambda: AT + 3_600_000)
    buy = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.01"))
    began = time.process_time()
    for _ in range(count):
        ticket = server.desk.order_send("a0", buy).order
        close = replace(buy, type=OrderType.SELL, position=ticket)
        if server.desk.order_send("a0", close).retcode != 10009:
            raise RuntimeError(f"position {ticket} did not close")
    return (time.process_time() - began) / (2 * count) * 1e6


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
    million, answer = million_ticks_s(100, sample=round(given.seconds * 100_000)), answered_us(2_000)
    print(
        f"{given.positions:,} positions on {given.accounts} accounts: {ticks:,.0f} ticks/s, {requests:,.0f} requests/s"
    )
    print(f"1,000,000 recorded ticks over 100 positions: {million:.1f} s; one request in the process: {answer:.0f} us")
    figures = {"positions": standing, "ticks_per_s": round(ticks), "requests_per_s": round(requests)}
    print(json.dumps(figures | {"million_ticks_s": round(million, 1), "order_us": round(answer)}))


if __name__ == "__main__":
    main()
