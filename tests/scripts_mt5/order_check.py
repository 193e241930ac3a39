"""Ask before sending."""

import MetaTrader5 as mt5

assert mt5.initialize()
symbol = "USDJPY"
info = mt5.symbol_info(symbol)
assert info is not None
if not info.visible:
    assert mt5.symbol_select(symbol, True)
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": symbol,
    "volume": 1.0,
    "type": mt5.ORDER_TYPE_BUY,
    "price": info.ask,
    "sl": info.ask - 100 * info.point,
    "tp": info.ask + 100 * info.point,
    "deviation": 10,
    "magic": 234000,
    "comment": "python script",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_FOK,
}
result = mt5.order_check(request)
assert result is not None, mt5.last_error()
print(result)
assert result.retcode == 0
assert result.comment == "Done"
assert result.margin > 0
assert abs(result.margin_free - (result.equity - result.margin)) < 0.01
assert result.request.symbol == symbol
assert result.request._asdict()["magic"] == 234000
assert mt5.positions_total() == 0  # nothing was sent

too_much = mt5.order_check({**request, "volume": 100.0})
assert too_much.retcode == mt5.TRADE_RETCODE_NO_MONEY
wrong = mt5.order_check({**request, "volume": 0.015})
assert wrong.retcode == mt5.TRADE_RETCODE_INVALID_VOLUME
mt5.shutdown()
