"""The simulated MetaTrader5 package with its own server in the process (``python -m benchmarks.mt5``).

Floors: what the same server needs for the same answer, without the package's face. Exits with 1 where a target is missed.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import kakehashi.terminal.metatrader5 as mt5
from kakehashi.terminal import own
from kakehashi.terminal.accounts import World
from kakehashi.terminal.clock import Clock
from kakehashi.terminal.core.words import AccountSpec, Filling, OrderType, Request, Result, TradeAction
from kakehashi.terminal.own import OwnServer
from kakehashi.terminal.wire import PositionFacts

AT = 1_790_557_200_000
TARGETS_US = {"positions_get": 1_000.0, "order_send": 200.0}
BUY: dict[str, Any] = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": "EURUSD",
    "volume": 0.01,
    "magic": 7,
    "comment": "bench",
}


def world(positions: int) -> OwnServer:
    """A rich account with open positions on every symbol; time stands still, so that only calls are measured."""
    account = AccountSpec(account="1", number="1", balance=Decimal(100_000_000))
    server = OwnServer(now_ms=Clock(AT, speed=0).now_ms, world=World(accounts=(account,)))
    own.use_own_server(server)
    if not mt5.initialize(login=1):
        raise RuntimeError(mt5.last_error())
    symbols = mt5.symbols_get() or ()
    for n in range(positions):
        symbol = symbols[n % len(symbols)]
        sent = mt5.order_send({**BUY, "symbol": symbol.name, "volume": symbol.volume_min, "type": n % 2})
        if sent is None or sent.retcode != mt5.TRADE_RETCODE_DONE:
            raise RuntimeError(f"{sent} {mt5.last_error()}")
    return server


def timed(act: Callable[[], object], count: int) -> dict[str, float]:
    """Microseconds of one call; what it costs to look at the clock is part of it."""
    act()
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1e6)
    cuts = statistics.quantiles(taken, n=100)
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


def there_and_back() -> None:
    """Open a position and close it: two requests."""
    opened = mt5.order_send({**BUY, "type": mt5.ORDER_TYPE_BUY})
    if opened is not None:
        mt5.order_send({**BUY, "type": mt5.ORDER_TYPE_SELL, "position": opened.order})


def floor_there_and_back(server: OwnServer) -> None:
    buy = Request(
        action=TradeAction.DEAL, symbol="EURUSD", volume=Decimal("0.01"), magic=7, comment="bench", filling=Filling.FOK
    )
    opened = server.ask("order_send", {"account": "1", "request": buy}, Result)
    sell = Request(
        action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.SELL, volume=Decimal("0.01"), magic=7, comment="bench",
        filling=Filling.FOK, position=opened.order,
    )  # fmt: skip
    server.ask("order_send", {"account": "1", "request": sell}, Result)


def halved(pair: dict[str, float]) -> dict[str, float]:
    return {name: round(value / 2, 1) for name, value in pair.items()}


def measure(positions: int, count: int) -> dict[str, dict[str, float]]:
    server = world(positions)
    return {
        "positions_get": timed(mt5.positions_get, count),
        "positions_get_floor": timed(lambda: server.ask("positions", {"account": "1"}, list[PositionFacts]), count),
        "order_send": halved(timed(there_and_back, count)),
        "order_send_floor": halved(timed(lambda: floor_there_and_back(server), count)),
        "symbol_info_tick": timed(lambda: mt5.symbol_info_tick("EURUSD"), count),
        "symbol_info": timed(lambda: mt5.symbol_info("EURUSD"), count),
        "account_info": timed(mt5.account_info, count),
        "copy_rates_1000_m1": timed(lambda: mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 0, 1_000), count // 10),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mt5", description=__doc__)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--count", type=int, default=2_000)
    given = parser.parse_args()
    found = measure(given.positions, given.count)
    for name, took in found.items():
        target = f"target {TARGETS_US[name]:,.0f} us" if name in TARGETS_US else ""
        print(f"{name:<22} p50 {took['p50']:>9,.1f} us   p99 {took['p99']:>9,.1f} us   {target}".rstrip())
    print(json.dumps({"positions": given.positions, "us": found}))
    sys.exit(any(found[name]["p50"] > most for name, most in TARGETS_US.items()))


if __name__ == "__main__":
    main()
