"""Close one position by an opposite one."""

import MetaTrader5 as mt5

assert mt5.initialize()
bought = mt5.Buy("EURUSD", 0.5)
sold = mt5.Sell("EURUSD", 0.3)
assert bought.retcode == sold.retcode == mt5.TRADE_RETCODE_DONE
assert mt5.positions_total() == 2  # a hedging account
result = mt5.order_send(
    {"action": mt5.TRADE_ACTION_CLOSE_BY, "position": bought.order, "position_by": sold.order, "symbol": "EURUSD"}
)
print(result)
assert result.retcode == mt5.TRADE_RETCODE_DONE, result
(left,) = mt5.positions_get()
assert (left.ticket, left.volume, left.type) == (bought.order, 0.2, mt5.POSITION_TYPE_BUY)
deals = mt5.history_deals_get(ticket=result.order)
assert [d.entry for d in deals] == [mt5.DEAL_ENTRY_OUT_BY, mt5.DEAL_ENTRY_OUT_BY]
assert {d.position_id for d in deals} == {bought.order, sold.order}
(order,) = mt5.history_orders_get(ticket=result.order)
assert order.type == mt5.ORDER_TYPE_CLOSE_BY
assert order.state == mt5.ORDER_STATE_FILLED
assert {order.position_id, order.position_by_id} == {bought.order, sold.order}
mt5.shutdown()
