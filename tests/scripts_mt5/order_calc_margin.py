"""Margin of one lot for several symbols."""

import MetaTrader5 as mt5

assert mt5.initialize()
account = mt5.account_info()
print("Account currency:", account.currency)
for symbol in ("EURUSD", "GBPUSD", "USDJPY", "EURJPY"):
    ask = mt5.symbol_info_tick(symbol).ask
    margin = mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, symbol, 1.0, ask)
    assert margin is not None, mt5.last_error()
    print(f"   {symbol} buy 1 lot margin: {margin}")
    assert 100 < margin < 5000
    half = mt5.order_calc_margin(mt5.ORDER_TYPE_SELL, symbol, 0.5, ask)
    assert abs(half - margin / 2) < 0.02
# lots * contract / leverage, in the base currency: at the price that was given
assert mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, "EURUSD", 1.0, 1.25) == 1250.0
assert mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, "USDJPY", 1.0, 150.0) == 1000.0
assert mt5.order_calc_margin(mt5.ORDER_TYPE_BUY, "NOPE", 1.0, 1.0) is None
assert mt5.last_error()[0] == mt5.RES_E_NOT_FOUND
mt5.shutdown()
