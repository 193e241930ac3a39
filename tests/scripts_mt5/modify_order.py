"""Move a pending order and give it stops and an end."""

import time

import MetaTrader5 as mt5

assert mt5.initialize()
info = mt5.symbol_info("EURUSD")
price = round(info.ask - 300 * info.point, info.digits)
placed = mt5.order_send(
    {
        "action": mt5.TRADE_ACTION_PENDING,
        "symbol": "EURUSD",
        "volume": 0.2,
        "type": mt5.ORDER_TYPE_BUY_LIMIT,
        "price": price,
        "comment": "patience",
        "type_filling": mt5.ORDER_FILLING_RETURN,
    }
)
assert placed.retcode == mt5.TRADE_RETCODE_DONE, placed
until = int(time.time()) + 3600
moved = mt5.order_send(
    {
        "action": mt5.TRADE_ACTION_MODIFY,
        "order": placed.order,
        "price": price - 100 * info.point,
        "sl": price - 300 * info.point,
        "tp": price + 300 * info.point,
        "type_time": mt5.ORDER_TIME_SPECIFIED,
        "expiration": until,
    }
)
assert moved.retcode == mt5.TRADE_RETCODE_DONE, moved
order = mt5.orders_get(ticket=placed.order)[0]
print(order)
assert abs(order.price_open - (price - 100 * info.point)) < info.point / 2
assert abs(order.sl - (price - 300 * info.point)) < info.point / 2
assert order.type_time == mt5.ORDER_TIME_SPECIFIED
assert order.time_expiration == until
assert order.comment == "patience"
gone = mt5.order_send({"action": mt5.TRADE_ACTION_MODIFY, "order": 123456789, "price": price})
assert gone.retcode == mt5.TRADE_RETCODE_INVALID_ORDER
mt5.shutdown()
