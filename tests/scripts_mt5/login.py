"""Log in to an account, then to another one."""

import MetaTrader5 as mt5

if not mt5.initialize(login=25115284, server="MetaQuotes-Demo", password="4zatlbqx", timeout=10000):
    print("initialize() failed, error code =", mt5.last_error())
    quit(1)
first = mt5.account_info()
assert first.login == 25115284
assert first.server == "MetaQuotes-Demo"

authorized = mt5.login(17221085, password="gqrtz0lbdm")
assert authorized is True
second = mt5.account_info()
assert second.login == 17221085

# what is done on one account is not seen on the other
result = mt5.Buy("EURUSD", 0.1)
assert result.retcode == mt5.TRADE_RETCODE_DONE, result
assert mt5.positions_total() == 1
assert mt5.login(25115284)
assert mt5.positions_total() == 0
assert mt5.login(17221085)
assert mt5.positions_total() == 1
mt5.shutdown()
