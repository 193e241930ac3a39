"""The kinds that a broker chooses from when it specifies a symbol or an account. Names are MetaTrader 5's.

Source: MQL5 reference, "Symbol properties", "Account properties", "Deal properties".
"""

from enum import IntEnum, StrEnum


class CalcMode(StrEnum):
    """How margin and profit are calculated; the formulas are in :mod:`kakehashi.terminal.core.money`."""

    FOREX = "FOREX"
    FOREX_NO_LEVERAGE = "FOREX_NO_LEVERAGE"
    CFD = "CFD"
    CFDLEVERAGE = "CFDLEVERAGE"
    CFDINDEX = "CFDINDEX"
    FUTURES = "FUTURES"
    EXCH_STOCKS = "EXCH_STOCKS"
    EXCH_FUTURES = "EXCH_FUTURES"


class SwapMode(StrEnum):
    """What ``swap_long`` and ``swap_short`` are: points, money per lot, per cent a year, or points to re-open by."""

    DISABLED = "DISABLED"
    POINTS = "POINTS"
    CURRENCY_SYMBOL = "CURRENCY_SYMBOL"
    CURRENCY_MARGIN = "CURRENCY_MARGIN"
    CURRENCY_DEPOSIT = "CURRENCY_DEPOSIT"
    INTEREST_CURRENT = "INTEREST_CURRENT"
    INTEREST_OPEN = "INTEREST_OPEN"
    REOPEN_CURRENT = "REOPEN_CURRENT"
    REOPEN_BID = "REOPEN_BID"


class Execution(StrEnum):
    """REQUEST and INSTANT deal at the price that was asked for, MARKET and EXCHANGE at the price there is."""

    REQUEST = "REQUEST"
    INSTANT = "INSTANT"
    MARKET = "MARKET"
    EXCHANGE = "EXCHANGE"


class Trading(StrEnum):
    """SYMBOL_TRADE_MODE: which positions may be opened."""

    DISABLED = "DISABLED"
    LONGONLY = "LONGONLY"
    SHORTONLY = "SHORTONLY"
    CLOSEONLY = "CLOSEONLY"
    FULL = "FULL"


class StopOutMode(StrEnum):
    """What ``so_call`` and ``so_so`` are: margin level in per cent, or equity in the account's currency."""

    PERCENT = "PERCENT"
    MONEY = "MONEY"


class DealKind(StrEnum):
    """TRADE is DEAL_TYPE_BUY or _SELL by its side; the others move money without a trade."""

    TRADE = "TRADE"
    BALANCE = "BALANCE"
    CREDIT = "CREDIT"
    CHARGE = "CHARGE"
    CORRECTION = "CORRECTION"
    BONUS = "BONUS"


class Allowed(IntEnum):
    """SYMBOL_ORDER_* flags of ``order_mode``."""

    MARKET = 1
    LIMIT = 2
    STOP = 4
    STOP_LIMIT = 8
    SL = 16
    TP = 32
    CLOSE_BY = 64


ALL_ORDERS = sum(Allowed)


class Timeframe(IntEnum):
    """TIMEFRAME_*: minutes, hours with bit 14, weeks with bit 15, months with both."""

    M1 = 1
    M2 = 2
    M3 = 3
    M4 = 4
    M5 = 5
    M6 = 6
    M10 = 10
    M12 = 12
    M15 = 15
    M20 = 20
    M30 = 30
    H1 = 0x4001
    H2 = 0x4002
    H3 = 0x4003
    H4 = 0x4004
    H6 = 0x4006
    H8 = 0x4008
    H12 = 0x400C
    D1 = 0x4018
    W1 = 0x8001
    MN1 = 0xC001
