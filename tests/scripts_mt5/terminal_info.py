"""The terminal and its version."""

import MetaTrader5 as mt5

assert mt5.terminal_info() is None
assert mt5.initialize()
version = mt5.version()
print(version)
assert version[0] == 500
assert isinstance(version[1], int)
assert isinstance(version[2], str)

terminal = mt5.terminal_info()
for name, value in terminal._asdict().items():
    print(f"  {name}={value}")
assert terminal.connected
assert terminal.trade_allowed
assert not terminal.tradeapi_disabled
assert terminal.build == version[1]
assert terminal.maxbars > 0
mt5.shutdown()
