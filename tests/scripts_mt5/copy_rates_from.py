"""Ten bars up to now."""

from datetime import UTC, datetime

import MetaTrader5 as mt5

assert mt5.initialize()
utc_from = datetime.now(tz=UTC)
rates = mt5.copy_rates_from("EURUSD", mt5.TIMEFRAME_H4, utc_from, 10)
assert rates is not None, mt5.last_error()
assert len(rates) == 10
for rate in rates:
    print(rate)
assert rates.dtype.names == ("time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume")
assert (rates["high"] >= rates["low"]).all()
assert (rates["time"] % (4 * 3600) == 0).all()
assert (rates["time"][1:] > rates["time"][:-1]).all()
assert rates["time"][-1] <= utc_from.timestamp()
by_seconds = mt5.copy_rates_from("EURUSD", mt5.TIMEFRAME_H4, int(utc_from.timestamp()), 10)
assert (by_seconds["time"] == rates["time"]).all()
mt5.shutdown()
