"""What 300 points are worth."""

import MetaTrader5 as mt5

assert mt5.initialize()
for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
    info = mt5.symbol_info(symbol)
    distance = 300
    price = info.ask
    buy = mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, symbol, 1.0, price, price + distance * info.point)
    assert buy is not None, mt5.last_error()
    print(f"   buy {symbol} 1 lot: profit on {distance} points => {buy}")
    assert buy > 0
    bid = info.bid
    sell = mt5.order_calc_profit(mt5.ORDER_TYPE_SELL, symbol, 1.0, bid, bid - distance * info.point)
    assert sell > 0
assert mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, "EURUSD", 1.0, 1.10000, 1.10300) == 300.0
assert mt5.order_calc_profit(mt5.ORDER_TYPE_SELL, "EURUSD", 1.0, 1.10000, 1.10300) == -300.0
# 300 points of USDJPY are 30,000 JPY, converted at the closing price
assert abs(mt5.order_calc_profit(mt5.ORDER_TYPE_BUY, "USDJPY", 1.0, 149.7, 150.0) - 200.0) < 0.01
mt5.shutdown()
