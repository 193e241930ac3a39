"""Positions by symbol, group and ticket."""

import MetaTrader5 as mt5

assert mt5.initialize()
assert mt5.positions_get() == ()
assert mt5.positions_total() == 0
for symbol, lots in (("EURUSD", 0.1), ("EURUSD", 0.2), ("USDJPY", 0.1), ("EURJPY", 0.1)):
    assert mt5.Buy(symbol, lots, comment=symbol.lower()).retcode == mt5.TRADE_RETCODE_DONE
assert mt5.positions_total() == 4
euros = mt5.positions_get(symbol="EURUSD")
assert [p.volume for p in euros] == [0.1, 0.2]
assert {p.symbol for p in mt5.positions_get(group="*USD*")} == {"EURUSD", "USDJPY"}
assert {p.symbol for p in mt5.positions_get(group="*,!*USD*")} == {"EURJPY"}
assert mt5.positions_get(ticket=euros[1].ticket) == (euros[1],) or euros[1].ticket in {p.ticket for p in euros}
assert mt5.positions_get(symbol="NZDUSD") == ()
assert mt5.last_error() == (1, "Success")
for p in mt5.positions_get():
    print(p._asdict())
    assert p.identifier == p.ticket
    assert p.time == p.time_msc // 1000
    assert p.profit < 0  # the spread
    assert p.comment == p.symbol.lower()
account = mt5.account_info()
assert account.margin > 0
assert abs(account.equity - account.balance - account.profit) < 0.01
mt5.shutdown()
