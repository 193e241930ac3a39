"""Bars between two dates, and a moving average of them."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5
import numpy as np

assert mt5.initialize()
utc_to = datetime.now(tz=UTC).replace(minute=0, second=0, microsecond=0)
utc_from = utc_to - timedelta(hours=24)
rates = mt5.copy_rates_range("USDJPY", mt5.TIMEFRAME_M5, utc_from, utc_to)
assert rates is not None, mt5.last_error()
print("bars:", len(rates))
assert len(rates) == 289
assert rates["time"][0] == utc_from.timestamp()
assert rates["time"][-1] == utc_to.timestamp()
assert (np.diff(rates["time"]) == 300).all()
average = np.convolve(rates["close"], np.ones(20) / 20, mode="valid")
assert len(average) == 270
assert rates["low"].min() <= average.min() <= average.max() <= rates["high"].max()

again = mt5.copy_rates_range("USDJPY", mt5.TIMEFRAME_M5, utc_from, utc_to - timedelta(minutes=10))
assert (again["close"] == rates["close"][: len(again)]).all()  # history does not change
assert mt5.copy_rates_range("NOPE", mt5.TIMEFRAME_M5, utc_from, utc_to) is None
mt5.shutdown()
