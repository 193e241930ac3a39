"""Stops of an open position: set, move, remove."""

import MetaTrader5 as mt5

assert mt5.initialize()
opened = mt5.Sell("EURUSD", 0.3)
assert opened.retcode == mt5.TRADE_RETCODE_DONE
info = mt5.symbol_info("EURUSD")


def change(sl: float, tp: float) -> int:
    return mt5.order_send(
        {"action": mt5.TRADE_ACTION_SLTP, "symbol": "EURUSD", "position": opened.order, "sl": sl, "tp": tp}
    ).retcode


above, below = info.ask + 200 * info.point, info.bid - 200 * info.point
assert change(above, below) == mt5.TRADE_RETCODE_DONE
position = mt5.positions_get(symbol="EURUSD")[0]
assert abs(position.sl - above) < info.point / 2
assert abs(position.tp - below) < info.point / 2
assert change(position.sl, position.tp) == mt5.TRADE_RETCODE_NO_CHANGES
assert change(below, above) == mt5.TRADE_RETCODE_INVALID_STOPS
assert change(0.0, position.tp) == mt5.TRADE_RETCODE_DONE
assert mt5.positions_get(ticket=opened.order)[0].sl == 0.0
assert mt5.Close("EURUSD") is True
assert change(above, below) == mt5.TRADE_RETCODE_POSITION_CLOSED
mt5.shutdown()
