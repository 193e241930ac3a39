"""The properties of one symbol."""

import MetaTrader5 as mt5

assert mt5.initialize()
assert mt5.symbol_select("EURJPY", True)
info = mt5.symbol_info("EURJPY")
assert info is not None
print("spread =", info.spread, " digits =", info.digits)
properties = info._asdict()
assert len(properties) == 96
for name in properties:
    print(f"  {name}={properties[name]}")
assert info.visible
assert info.select
assert info.name == "EURJPY"
assert (info.currency_base, info.currency_profit) == ("EUR", "JPY")
assert info.ask > info.bid > 0
assert abs((info.ask - info.bid) / info.point - info.spread) < 1e-6
assert info.volume_max >= 100
assert info.point == 10**-info.digits
assert info.trade_contract_size == 100000
assert info.trade_mode == mt5.SYMBOL_TRADE_MODE_FULL
assert info.trade_calc_mode == mt5.SYMBOL_CALC_MODE_FOREX
assert info.filling_mode & 1  # SYMBOL_FILLING_FOK
assert info.bidlow <= info.bid <= info.bidhigh
assert mt5.symbol_info("UNKNOWN") is None
assert mt5.last_error()[0] == mt5.RES_E_NOT_FOUND
mt5.shutdown()
