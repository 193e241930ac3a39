"""Every kind of pending order, then none."""

import MetaTrader5 as mt5

assert mt5.initialize()
symbol = "GBPUSD"
tick = mt5.symbol_info_tick(symbol)
far = 500 * mt5.symbol_info(symbol).point
wishes = {
    mt5.ORDER_TYPE_BUY_LIMIT: tick.ask - far,
    mt5.ORDER_TYPE_SELL_LIMIT: tick.bid + far,
    mt5.ORDER_TYPE_BUY_STOP: tick.ask + far,
    mt5.ORDER_TYPE_SELL_STOP: tick.bid - far,
    mt5.ORDER_TYPE_BUY_STOP_LIMIT: tick.ask + far,
    mt5.ORDER_TYPE_SELL_STOP_LIMIT: tick.bid - far,
}
tickets = {}
for kind, price in wishes.items():
    request = {
        "action": mt5.TRADE_ACTION_PENDING,
        "symbol": symbol,
        "volume": 0.1,
        "type": kind,
        "price": price,
        "magic": 7,
        "type_time": mt5.ORDER_TIME_GTC,
        "type_filling": mt5.ORDER_FILLING_RETURN,
    }
    if kind == mt5.ORDER_TYPE_BUY_STOP_LIMIT:
        request["stoplimit"] = price - far / 2
    if kind == mt5.ORDER_TYPE_SELL_STOP_LIMIT:
        request["stoplimit"] = price + far / 2
    result = mt5.order_send(request)
    assert result.retcode == mt5.TRADE_RETCODE_DONE, (kind, result)
    assert result.deal == 0
    tickets[result.order] = kind

assert mt5.orders_total() == len(wishes)
for order in mt5.orders_get(symbol=symbol):
    print(order)
    assert order.type == tickets[order.ticket]
    assert order.state == mt5.ORDER_STATE_PLACED
    assert order.volume_current == order.volume_initial == 0.1
    assert order.magic == 7
    assert order.type_filling == mt5.ORDER_FILLING_RETURN
    assert order.price_current > 0
    assert (order.price_stoplimit > 0) == (order.type >= mt5.ORDER_TYPE_BUY_STOP_LIMIT)

for ticket in tickets:
    result = mt5.order_send({"action": mt5.TRADE_ACTION_REMOVE, "order": ticket})
    assert result.retcode == mt5.TRADE_RETCODE_DONE, result
assert mt5.orders_total() == 0
assert mt5.orders_get() == ()
for ticket in tickets:
    ended = mt5.history_orders_get(ticket=ticket)
    assert [o.state for o in ended] == [mt5.ORDER_STATE_CANCELED]
mt5.shutdown()
