"""Nothing works before initialize(), and nothing raises."""

import MetaTrader5 as mt5

calls = {
    "account_info": (),
    "terminal_info": (),
    "version": (),
    "symbols_total": (),
    "symbols_get": (),
    "symbol_info": ("EURUSD",),
    "symbol_info_tick": ("EURUSD",),
    "copy_rates_from_pos": ("EURUSD", mt5.TIMEFRAME_M1, 0, 1),
    "copy_ticks_from": ("EURUSD", 0, 1, mt5.COPY_TICKS_ALL),
    "orders_total": (),
    "orders_get": (),
    "positions_total": (),
    "positions_get": (),
    "order_calc_margin": (mt5.ORDER_TYPE_BUY, "EURUSD", 1.0, 1.1),
    "order_check": ({"action": mt5.TRADE_ACTION_DEAL},),
    "order_send": ({"action": mt5.TRADE_ACTION_DEAL},),
    "history_orders_get": (0, 1),
    "history_deals_get": (0, 1),
}
for name, args in calls.items():
    assert getattr(mt5, name)(*args) is None, name
    assert mt5.last_error() == (-10004, "No IPC connection"), name
assert mt5.symbol_select("EURUSD", True) is False
assert mt5.login(1) is False
assert mt5.Buy("EURUSD", 0.1) is None
