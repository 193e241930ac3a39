"""The fields of a request as keywords, and what is wrong with some requests."""

import MetaTrader5 as mt5

assert mt5.initialize()
result = mt5.order_send(
    action=mt5.TRADE_ACTION_DEAL,
    symbol="EURUSD",
    volume=0.01,
    type=mt5.ORDER_TYPE_SELL,
    price=mt5.symbol_info_tick("EURUSD").bid,
    type_filling=mt5.ORDER_FILLING_FOK,
)
assert result.retcode == mt5.TRADE_RETCODE_DONE

base = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "EURUSD", "volume": 0.01, "type": mt5.ORDER_TYPE_BUY}
assert mt5.order_send({**base, "volume": "0.01"}) is None
assert mt5.last_error() == (-2, 'Invalid "volume" argument')
assert mt5.order_send({**base, "coment": "typo"}) is None
assert mt5.last_error() == (-2, 'Invalid "coment" argument')
assert mt5.order_send({**base, "comment": "x" * 40}) is None
assert mt5.last_error() == (-2, 'Invalid "comment" argument')
assert mt5.order_send("not a request") is None
assert mt5.last_error()[0] == -2

assert mt5.order_send({**base, "volume": 0.0}).retcode == mt5.TRADE_RETCODE_INVALID_VOLUME
assert mt5.order_send({**base, "sl": 2.0}).retcode == mt5.TRADE_RETCODE_INVALID_STOPS
assert mt5.order_send({**base, "type_filling": mt5.ORDER_FILLING_RETURN}).retcode == mt5.TRADE_RETCODE_INVALID_FILL
assert mt5.order_send({**base, "volume": 50.0}).retcode == mt5.TRADE_RETCODE_NO_MONEY
assert mt5.order_send({**base, "action": 99}).retcode == mt5.TRADE_RETCODE_INVALID
refused = mt5.order_send({**base, "volume": 0.0})
assert (refused.deal, refused.order) == (0, 0)
assert mt5.last_error() == (1, "Success")  # the call worked; the answer is no
assert mt5.positions_total() == 1
mt5.shutdown()
