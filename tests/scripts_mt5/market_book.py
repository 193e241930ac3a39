"""The depth of market."""

import MetaTrader5 as mt5

assert mt5.initialize()
assert mt5.market_book_get("EURUSD") is None  # not subscribed yet
if not mt5.market_book_add("EURUSD"):
    print("market_book_add failed:", mt5.last_error())
    quit(1)
items = mt5.market_book_get("EURUSD")
assert items
for item in items:
    print(item._asdict())
tick = mt5.symbol_info_tick("EURUSD")
sells = [i for i in items if i.type == mt5.BOOK_TYPE_SELL]
buys = [i for i in items if i.type == mt5.BOOK_TYPE_BUY]
assert sells
assert buys
assert min(i.price for i in sells) > max(i.price for i in buys)
assert [i.price for i in items] == sorted((i.price for i in items), reverse=True)
assert all(i.volume_dbl > 0 for i in items)
assert abs(min(i.price for i in sells) - tick.ask) < 0.01
assert mt5.market_book_release("EURUSD") is True
mt5.shutdown()
