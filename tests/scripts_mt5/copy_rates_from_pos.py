"""The last bars of every timeframe."""

import MetaTrader5 as mt5

assert mt5.initialize()
frames = [name for name in dir(mt5) if name.startswith("TIMEFRAME_")]
assert len(frames) == 21
for frame in frames:
    rates = mt5.copy_rates_from_pos("EURUSD", getattr(mt5, frame), 0, 3)
    assert rates is not None, (frame, mt5.last_error())
    print(frame, len(rates))
    assert len(rates) == 3
    assert (rates["high"] >= rates["open"]).all()
    assert (rates["low"] <= rates["close"]).all()
    assert (rates["tick_volume"] > 0).all()
    assert (rates["time"][1:] > rates["time"][:-1]).all()

minutes = mt5.copy_rates_from_pos("GBPUSD", mt5.TIMEFRAME_M1, 0, 1000)
assert len(minutes) == 1000
shifted = mt5.copy_rates_from_pos("GBPUSD", mt5.TIMEFRAME_M1, 10, 100)
assert shifted["time"][-1] in minutes["time"]
assert shifted["time"][-1] < minutes["time"][-1]
mt5.shutdown()
