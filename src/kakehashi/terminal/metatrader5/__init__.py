"""The MetaTrader5 package on a simulated terminal: ``import kakehashi.terminal.metatrader5 as mt5``.

Names, argument forms, tuples, tables and constants are those of the package MetaTrader5 5.0.6231. How a terminal is made
to misbehave, and how a script gets a world of its own, is not here but in :mod:`kakehashi.terminal.troubles` and
:mod:`kakehashi.terminal.own`.
"""

from kakehashi.terminal.metatrader5 import constants
from kakehashi.terminal.metatrader5.bars import (
    copy_rates_from,
    copy_rates_from_pos,
    copy_rates_range,
    copy_ticks_from,
    copy_ticks_range,
)
from kakehashi.terminal.metatrader5.constants import *  # noqa: F403  all of them, as the package has them
from kakehashi.terminal.metatrader5.face import last_error
from kakehashi.terminal.metatrader5.helpers import Buy, Close, Sell
from kakehashi.terminal.metatrader5.history import (
    history_deals_get,
    history_deals_total,
    history_orders_get,
    history_orders_total,
)
from kakehashi.terminal.metatrader5.session import account_info, initialize, login, shutdown, terminal_info, version
from kakehashi.terminal.metatrader5.structs import (
    AccountInfo,
    BookInfo,
    OrderCheckResult,
    OrderSendResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)
from kakehashi.terminal.metatrader5.symbols import (
    market_book_add,
    market_book_get,
    market_book_release,
    symbol_info,
    symbol_info_tick,
    symbol_select,
    symbols_get,
    symbols_total,
)
from kakehashi.terminal.metatrader5.trade import (
    order_calc_margin,
    order_calc_profit,
    order_check,
    order_send,
    orders_get,
    orders_total,
    positions_get,
    positions_total,
)

__version__ = "5.0.6231"
__author__ = "Kakehashi (simulated)"

__all__ = [
    "AccountInfo",
    "BookInfo",
    "Buy",
    "Close",
    "OrderCheckResult",
    "OrderSendResult",
    "Sell",
    "SymbolInfo",
    "TerminalInfo",
    "Tick",
    "TradeDeal",
    "TradeOrder",
    "TradePosition",
    "TradeRequest",
    "account_info",
    "copy_rates_from",
    "copy_rates_from_pos",
    "copy_rates_range",
    "copy_ticks_from",
    "copy_ticks_range",
    "history_deals_get",
    "history_deals_total",
    "history_orders_get",
    "history_orders_total",
    "initialize",
    "last_error",
    "login",
    "market_book_add",
    "market_book_get",
    "market_book_release",
    "order_calc_margin",
    "order_calc_profit",
    "order_check",
    "order_send",
    "orders_get",
    "orders_total",
    "positions_get",
    "positions_total",
    "shutdown",
    "symbol_info",
    "symbol_info_tick",
    "symbol_select",
    "symbols_get",
    "symbols_total",
    "terminal_info",
    "version",
]
__all__ += [name for name in vars(constants) if name.isupper()]
