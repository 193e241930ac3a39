"""A market order with stops, then its close."""

import MetaTrader5 as mt5

if not mt5.initialize():
    quit(1)
symbol = "USDJPY"
lot = 0.1
point = mt5.symbol_info(symbol).point
price = mt5.symbol_info_tick(symbol).ask
request = {
    "action": mt5.TRADE_ACTION_DEAL,
    "symbol": symbol,
    "volume": lot,
    "type": mt5.ORDER_TYPE_BUY,
    "price": price,
    "sl": price - 100 * point,
    "tp": price + 100 * point,
    "deviation": 20,
    "magic": 234000,
    "comment": "python script open",
    "type_time": mt5.ORDER_TIME_GTC,
    "type_filling": mt5.ORDER_FILLING_IOC,
}
result = mt5.order_send(request)
print("order_send():", result)
assert result.retcode == mt5.TRADE_RETCODE_DONE, result
assert result.volume == lot
assert result.request_id == 1
for field, value in result._asdict().items():
    if field == "request":
        for name, sent in value._asdict().items():
            print(f"       traderequest: {name}={sent}")
position_id = result.order
position = mt5.positions_get(ticket=position_id)[0]
assert (position.type, position.volume, position.magic) == (mt5.POSITION_TYPE_BUY, lot, 234000)
assert position.comment == "python script open"
assert abs(position.sl - (price - 100 * point)) < point

result = mt5.order_send(
    {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": symbol,
        "volume": lot,
        "type": mt5.ORDER_TYPE_SELL,
        "position": position_id,
        "price": mt5.symbol_info_tick(symbol).bid,
        "deviation": 20,
        "magic": 234000,
        "comment": "python script close",
        "type_time": mt5.ORDER_TIME_GTC,
        "type_filling": mt5.ORDER_FILLING_IOC,
    }
)
assert result.retcode == mt5.TRADE_RETCODE_DONE, result
assert result.request_id == 2
assert mt5.positions_get(ticket=position_id) == ()
mt5.shutdown()
