"""Resting orders by symbol, group and ticket."""

import MetaTrader5 as mt5

assert mt5.initialize()
assert mt5.orders_get() == ()
tickets = []
for symbol in ("GBPUSD", "EURJPY", "USDJPY"):
    bid = mt5.symbol_info_tick(symbol).bid
    request = {
        "action": mt5.TRADE_ACTION_PENDING,
        "symbol": symbol,
        "volume": 0.5,
        "type": mt5.ORDER_TYPE_SELL_STOP,
        "price": bid * 0.98,
        "type_filling": mt5.ORDER_FILLING_RETURN,
    }
    result = mt5.order_send(request)
    assert result.retcode == mt5.TRADE_RETCODE_DONE, result
    tickets.append(result.order)
assert mt5.orders_total() == 3
assert [o.symbol for o in mt5.orders_get(symbol="EURJPY")] == ["EURJPY"]
assert {o.symbol for o in mt5.orders_get(group="*JPY*")} == {"EURJPY", "USDJPY"}
assert {o.symbol for o in mt5.orders_get(group="*JPY*,!EUR*")} == {"USDJPY"}
assert [o.ticket for o in mt5.orders_get(ticket=tickets[0])] == [tickets[0]]
assert mt5.orders_get(ticket=1) == ()
mt5.shutdown()
