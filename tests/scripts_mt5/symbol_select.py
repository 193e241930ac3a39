"""Show and hide a symbol in the Market Watch."""

import MetaTrader5 as mt5

assert mt5.initialize()
assert mt5.symbol_select("GBPJPY") is True
assert mt5.symbol_select("GBPJPY", False) is True
assert not mt5.symbol_info("GBPJPY").visible
assert mt5.symbol_select("GBPJPY", True) is True
assert mt5.symbol_info("GBPJPY").visible
assert mt5.symbol_select("NOPE", True) is False
assert mt5.last_error()[0] == mt5.RES_E_NOT_FOUND

assert mt5.Buy("GBPJPY", 0.01).retcode == mt5.TRADE_RETCODE_DONE
assert mt5.symbol_select("GBPJPY", False) is False  # there is a position on it
mt5.shutdown()
