"""The last tick."""

import time

import MetaTrader5 as mt5

assert mt5.initialize()
selected = mt5.symbol_select("GBPUSD", True)
assert selected
tick = mt5.symbol_info_tick("GBPUSD")
print(tick)
for name, value in tick._asdict().items():
    print(f"  {name}={value}")
assert tick.ask > tick.bid
assert tick.time == tick.time_msc // 1000
assert abs(tick.time - time.time()) < 60
assert tick.flags & mt5.TICK_FLAG_BID
assert mt5.symbol_info_tick("NOPE") is None
mt5.shutdown()
