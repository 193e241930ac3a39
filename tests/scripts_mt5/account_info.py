"""Who am I, and how much is there?"""

import MetaTrader5 as mt5

print("MetaTrader5 package author:", mt5.__author__)
print("MetaTrader5 package version:", mt5.__version__)
if not mt5.initialize():
    print("initialize() failed, error code =", mt5.last_error())
    quit(1)

account = mt5.account_info()
assert account is not None
print(account)
fields = account._asdict()
for name in fields:
    print(f"  {name}={fields[name]}")
assert len(fields) == 28
assert fields["balance"] == account.balance == account[10]
assert account.equity == account.balance + account.credit + account.profit
assert account.margin_free == account.equity - account.margin
assert account.currency == "USD"
assert account.margin_mode == mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
assert account.trade_mode == mt5.ACCOUNT_TRADE_MODE_DEMO
assert mt5.last_error() == (mt5.RES_S_OK, "Success")
mt5.shutdown()
assert mt5.account_info() is None
assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_CONNECT
