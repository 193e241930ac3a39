"""Orders of the past, by period, group, ticket and position."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

assert mt5.initialize()
date_from = datetime.now(tz=UTC) - timedelta(days=1)
date_to = datetime.now(tz=UTC) + timedelta(days=1)
assert mt5.history_orders_total(date_from, date_to) == 0
assert mt5.history_orders_get(date_from, date_to) == ()
opened = mt5.Buy("GBPUSD", 0.1, comment="in")
mt5.Close("GBPUSD", comment="out")
mt5.Buy("EURJPY", 0.1)

assert mt5.history_orders_total(date_from, date_to) == 3
orders = mt5.history_orders_get(date_from, date_to, group="*GBP*")
for order in orders:
    print(order)
assert [o.comment for o in orders] == ["in", "out"]
assert [o.type for o in orders] == [mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL]
assert all(o.state == mt5.ORDER_STATE_FILLED and o.volume_current == 0 for o in orders)
assert all(o.position_id == opened.order for o in orders)
assert mt5.history_orders_get(position=opened.order) == orders
assert mt5.history_orders_get(ticket=opened.order) == orders[:1]
assert mt5.history_orders_get(ticket=1) == ()
assert mt5.history_orders_get(date_from - timedelta(days=9), date_from) == ()
assert mt5.history_orders_get() is None
assert mt5.last_error()[0] == -2
mt5.shutdown()
