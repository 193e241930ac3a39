"""All symbols, and groups of them."""

import MetaTrader5 as mt5

assert mt5.initialize()
symbols = mt5.symbols_get()
print("Symbols:", len(symbols))
assert len(symbols) == mt5.symbols_total() > 0
names = {s.name for s in symbols}
assert {"EURUSD", "USDJPY"} <= names

dollars = mt5.symbols_get("*USD*")
assert dollars
assert all("USD" in s.name for s in dollars)

crosses = mt5.symbols_get(group="*,!*USD*")
for s in crosses:
    print(s.name, ":", s)
assert {s.name for s in crosses} == {n for n in names if "USD" not in n}

without = mt5.symbols_get(group="*, !EUR")
assert {s.name for s in without} == {n for n in names if "EUR" not in n}
assert [s.name for s in mt5.symbols_get(group="EURUSD")] == ["EURUSD"]
assert mt5.symbols_get(group="NOTHING*") == ()
assert mt5.last_error() == (1, "Success")
mt5.shutdown()
