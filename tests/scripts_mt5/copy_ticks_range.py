"""Ticks between two moments; they are what the bars are made of."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

assert mt5.initialize()
minute = datetime.now(tz=UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
ticks = mt5.copy_ticks_range("EURUSD", minute, minute + timedelta(seconds=59.999), mt5.COPY_TICKS_INFO)
assert ticks is not None, mt5.last_error()
assert len(ticks) > 0
bar = mt5.copy_rates_range("EURUSD", mt5.TIMEFRAME_M1, minute, minute)
assert len(bar) == 1
print(bar[0], len(ticks))
assert bar[0]["open"] == ticks["bid"][0]
assert bar[0]["close"] == ticks["bid"][-1]
assert bar[0]["high"] == ticks["bid"].max()
assert bar[0]["low"] == ticks["bid"].min()
assert bar[0]["tick_volume"] == len(ticks)
assert len(mt5.copy_ticks_range("EURUSD", minute, minute + timedelta(seconds=10), mt5.COPY_TICKS_TRADE)) == 0
mt5.shutdown()
