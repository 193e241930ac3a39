"""Close a position in two parts."""

import MetaTrader5 as mt5

assert mt5.initialize()
opened = mt5.Buy("EURUSD", 1.0)
assert opened.retcode == mt5.TRADE_RETCODE_DONE
before = mt5.account_info().balance


def close(volume: float):
    return mt5.order_send(
        {
            "action": mt5.TRADE_ACTION_DEAL,
            "symbol": "EURUSD",
            "volume": volume,
            "type": mt5.ORDER_TYPE_SELL,
            "position": opened.order,
            "price": mt5.symbol_info_tick("EURUSD").bid,
        }
    )


assert close(0.4).retcode == mt5.TRADE_RETCODE_DONE
(left,) = mt5.positions_get(ticket=opened.order)
assert left.volume == 0.6
assert close(0.7).retcode == mt5.TRADE_RETCODE_INVALID_CLOSE_VOLUME
assert close(0.6).retcode == mt5.TRADE_RETCODE_DONE
assert mt5.positions_total() == 0

deals = mt5.history_deals_get(position=opened.order)
assert [d.entry for d in deals] == [mt5.DEAL_ENTRY_IN, mt5.DEAL_ENTRY_OUT, mt5.DEAL_ENTRY_OUT]
assert [d.volume for d in deals] == [1.0, 0.4, 0.6]
paid = sum(d.profit + d.swap + d.commission + d.fee for d in deals)
assert abs(mt5.account_info().balance - before - sum(d.profit for d in deals[1:])) < 0.01
print("paid:", paid)
mt5.shutdown()
