"""Buy, Sell and Close."""

import MetaTrader5 as mt5

assert mt5.initialize()
first = mt5.Buy("EURUSD", 0.1, comment="first")
assert first.retcode == mt5.TRADE_RETCODE_DONE
assert first.request.deviation == 10
second = mt5.Sell("EURUSD", 0.1, price=mt5.symbol_info_tick("EURUSD").bid)
assert second.retcode == mt5.TRADE_RETCODE_DONE
other = mt5.Buy("USDJPY", 0.1)
assert mt5.Close("EURUSD", ticket=first.order) is True
assert {p.ticket for p in mt5.positions_get()} == {second.order, other.order}
assert mt5.Close("EURUSD") is True
assert mt5.Close("EURUSD") is False  # nothing was closed
assert mt5.Close("USDJPY", comment="bye") is True
assert mt5.history_deals_get(position=other.order)[-1].comment == "bye"
assert mt5.Buy("NOPE", 0.1) is None
assert mt5.Close("NOPE") is False
mt5.shutdown()
