"""A limit order on the wrong side of the market fails by its price, whatever its filling mode."""

import MetaTrader5 as mt5

assert mt5.initialize()
tick = mt5.symbol_info_tick("EURUSD")
request = {
    "action": mt5.TRADE_ACTION_PENDING,
    "symbol": "EURUSD",
    "volume": 0.1,
    "type": mt5.ORDER_TYPE_BUY_LIMIT,
    "price": tick.ask + 0.01,
    "type_time": mt5.ORDER_TIME_GTC,
}
for filling in (mt5.ORDER_FILLING_FOK, mt5.ORDER_FILLING_IOC, mt5.ORDER_FILLING_RETURN):
    result = mt5.order_send({**request, "type_filling": filling})
    assert result.retcode == mt5.TRADE_RETCODE_INVALID_PRICE, result
    assert mt5.order_check({**request, "type_filling": filling}).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
assert mt5.order_send({**request, "type": mt5.ORDER_TYPE_SELL_STOP}).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
assert mt5.order_send({**request, "price": 0.0}).retcode == mt5.TRADE_RETCODE_INVALID_PRICE
assert mt5.orders_total() == 0
mt5.shutdown()
