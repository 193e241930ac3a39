"""One position from its order over its deals back to nothing, told by its identifier."""

import MetaTrader5 as mt5

assert mt5.initialize(login=4711)
start = mt5.account_info().balance
opened = mt5.Buy("EURUSD", 0.2)
(position,) = mt5.positions_get(ticket=opened.order)
assert position.price_open == opened.price
assert position.price_current == mt5.symbol_info_tick("EURUSD").bid or position.price_current > 0
expected = mt5.order_calc_profit(
    mt5.ORDER_TYPE_BUY, "EURUSD", position.volume, position.price_open, position.price_current
)
assert abs(position.profit - expected) < 0.011
mt5.shutdown()  # a terminal goes, the position stays
assert mt5.initialize(login=4711)
assert [p.ticket for p in mt5.positions_get()] == [opened.order]
assert mt5.Close("EURUSD") is True
deals = mt5.history_deals_get(position=position.identifier)
assert abs(mt5.account_info().balance - start - sum(d.profit + d.commission for d in deals)) < 0.01
mt5.shutdown()
