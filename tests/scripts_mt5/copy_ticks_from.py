"""Ticks from a moment on."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

assert mt5.initialize()
utc_from = datetime.now(tz=UTC) - timedelta(hours=3)
ticks = mt5.copy_ticks_from("EURUSD", utc_from, 100, mt5.COPY_TICKS_ALL)
assert ticks is not None, mt5.last_error()
print("ticks received:", len(ticks))
assert len(ticks) == 100
for tick in ticks[:5]:
    print(tick)
assert ticks.dtype.names == ("time", "bid", "ask", "last", "volume", "time_msc", "flags", "volume_real")
assert (ticks["ask"] > ticks["bid"]).all()
assert (ticks["time_msc"] >= int(utc_from.timestamp() * 1000)).all()
assert (ticks["time"] == ticks["time_msc"] // 1000).all()
assert (ticks["flags"] & (mt5.TICK_FLAG_BID | mt5.TICK_FLAG_ASK) > 0).all()
mt5.shutdown()
