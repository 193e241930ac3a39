"""The face of the MetaTrader5 package 5.0.6231: constants, tuples, tables, argument forms, and what bad input gives.

The expected values are written down here from the published wheel's own tables, not read from our module.
"""

import inspect
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import kakehashi.terminal.metatrader5 as mt5
from kakehashi.terminal import own
from kakehashi.terminal.clock import Clock
from kakehashi.terminal.metatrader5 import constants
from kakehashi.terminal.own import OwnServer

AT = 1_790_557_200_000
CONSTANTS = """
TIMEFRAME_ M1 1 M2 2 M3 3 M4 4 M5 5 M6 6 M10 10 M12 12 M15 15 M20 20 M30 30 H1 16385 H2 16386 H3 16387 H4 16388 H6 16390
 H8 16392 H12 16396 D1 16408 W1 32769 MN1 49153
COPY_TICKS_ ALL -1 INFO 1 TRADE 2
TICK_FLAG_ BID 2 ASK 4 LAST 8 VOLUME 16 BUY 32 SELL 64
ORDER_TYPE_ BUY 0 SELL 1 BUY_LIMIT 2 SELL_LIMIT 3 BUY_STOP 4 SELL_STOP 5 BUY_STOP_LIMIT 6 SELL_STOP_LIMIT 7 CLOSE_BY 8
TRADE_ACTION_ DEAL 1 PENDING 5 SLTP 6 MODIFY 7 REMOVE 8 CLOSE_BY 10
ORDER_FILLING_ FOK 0 IOC 1 RETURN 2 BOC 3
ORDER_TIME_ GTC 0 DAY 1 SPECIFIED 2 SPECIFIED_DAY 3
ORDER_STATE_ STARTED 0 PLACED 1 CANCELED 2 PARTIAL 3 FILLED 4 REJECTED 5 EXPIRED 6 REQUEST_ADD 7 REQUEST_MODIFY 8
 REQUEST_CANCEL 9
ORDER_REASON_ CLIENT 0 MOBILE 1 WEB 2 EXPERT 3 SL 4 TP 5 SO 6
POSITION_TYPE_ BUY 0 SELL 1
POSITION_REASON_ CLIENT 0 MOBILE 1 WEB 2 EXPERT 3
DEAL_TYPE_ BUY 0 SELL 1 BALANCE 2 CREDIT 3 CHARGE 4 CORRECTION 5 BONUS 6 COMMISSION 7 COMMISSION_DAILY 8
 COMMISSION_MONTHLY 9 COMMISSION_AGENT_DAILY 10 COMMISSION_AGENT_MONTHLY 11 INTEREST 12 BUY_CANCELED 13 SELL_CANCELED 14
DEAL_ DIVIDEND 15 DIVIDEND_FRANKED 16 TAX 17
DEAL_ENTRY_ IN 0 OUT 1 INOUT 2 OUT_BY 3
DEAL_REASON_ CLIENT 0 MOBILE 1 WEB 2 EXPERT 3 SL 4 TP 5 SO 6 ROLLOVER 7 VMARGIN 8 SPLIT 9
ACCOUNT_MARGIN_MODE_ RETAIL_NETTING 0 EXCHANGE 1 RETAIL_HEDGING 2
ACCOUNT_STOPOUT_MODE_ PERCENT 0 MONEY 1
ACCOUNT_TRADE_MODE_ DEMO 0 CONTEST 1 REAL 2
SYMBOL_TRADE_MODE_ DISABLED 0 LONGONLY 1 SHORTONLY 2 CLOSEONLY 3 FULL 4
SYMBOL_TRADE_EXECUTION_ REQUEST 0 INSTANT 1 MARKET 2 EXCHANGE 3
SYMBOL_CALC_MODE_ FOREX 0 FUTURES 1 CFD 2 CFDINDEX 3 CFDLEVERAGE 4 FOREX_NO_LEVERAGE 5 EXCH_STOCKS 32 EXCH_FUTURES 33
 EXCH_OPTIONS 34 EXCH_OPTIONS_MARGIN 36 EXCH_BONDS 37 EXCH_STOCKS_MOEX 38 EXCH_BONDS_MOEX 39 SERV_COLLATERAL 64
SYMBOL_SWAP_MODE_ DISABLED 0 POINTS 1 CURRENCY_SYMBOL 2 CURRENCY_MARGIN 3 CURRENCY_DEPOSIT 4 INTEREST_CURRENT 5
 INTEREST_OPEN 6 REOPEN_CURRENT 7 REOPEN_BID 8
SYMBOL_ORDERS_ GTC 0 DAILY 1 DAILY_NO_STOPS 2
SYMBOL_OPTION_RIGHT_ CALL 0 PUT 1
SYMBOL_OPTION_MODE_ EUROPEAN 0 AMERICAN 1
SYMBOL_CHART_MODE_ BID 0 LAST 1
DAY_OF_WEEK_ SUNDAY 0 MONDAY 1 TUESDAY 2 WEDNESDAY 3 THURSDAY 4 FRIDAY 5 SATURDAY 6
BOOK_TYPE_ SELL 1 BUY 2 SELL_MARKET 3 BUY_MARKET 4
TRADE_RETCODE_ REQUOTE 10004 REJECT 10006 CANCEL 10007 PLACED 10008 DONE 10009 DONE_PARTIAL 10010 ERROR 10011
 TIMEOUT 10012 INVALID 10013 INVALID_VOLUME 10014 INVALID_PRICE 10015 INVALID_STOPS 10016 TRADE_DISABLED 10017
 MARKET_CLOSED 10018 NO_MONEY 10019 PRICE_CHANGED 10020 PRICE_OFF 10021 INVALID_EXPIRATION 10022 ORDER_CHANGED 10023
 TOO_MANY_REQUESTS 10024 NO_CHANGES 10025 SERVER_DISABLES_AT 10026 CLIENT_DISABLES_AT 10027 LOCKED 10028 FROZEN 10029
 INVALID_FILL 10030 CONNECTION 10031 ONLY_REAL 10032 LIMIT_ORDERS 10033 LIMIT_VOLUME 10034 INVALID_ORDER 10035
 POSITION_CLOSED 10036 INVALID_CLOSE_VOLUME 10038 CLOSE_ORDER_EXIST 10039 LIMIT_POSITIONS 10040 REJECT_CANCEL 10041
 LONG_ONLY 10042 SHORT_ONLY 10043 CLOSE_ONLY 10044 FIFO_CLOSE 10045
RES_ S_OK 1 E_FAIL -1 E_INVALID_PARAMS -2 E_NO_MEMORY -3 E_NOT_FOUND -4 E_INVALID_VERSION -5 E_AUTH_FAILED -6
 E_UNSUPPORTED -7 E_AUTO_TRADING_DISABLED -8 E_INTERNAL_FAIL -10000 E_INTERNAL_FAIL_SEND -10001
 E_INTERNAL_FAIL_RECEIVE -10002 E_INTERNAL_FAIL_INIT -10003 E_INTERNAL_FAIL_CONNECT -10004 E_INTERNAL_FAIL_TIMEOUT -10005
"""
FIELDS = {
    "Tick": "time bid ask last volume time_msc flags volume_real",
    "BookInfo": "type price volume volume_dbl",
    "AccountInfo": "login trade_mode leverage limit_orders margin_so_mode trade_allowed trade_expert margin_mode"
    " currency_digits fifo_close balance credit profit equity margin margin_free margin_level margin_so_call"
    " margin_so_so margin_initial margin_maintenance assets liabilities commission_blocked name server currency company",
    "TerminalInfo": "community_account community_connection connected dlls_allowed trade_allowed tradeapi_disabled"
    " email_enabled ftp_enabled notifications_enabled mqid build maxbars codepage ping_last community_balance"
    " retransmission company name language path data_path commondata_path",
    "TradePosition": "ticket time time_msc time_update time_update_msc type magic identifier reason volume price_open sl"
    " tp price_current swap profit symbol comment external_id",
    "TradeOrder": "ticket time_setup time_setup_msc time_done time_done_msc time_expiration type type_time type_filling"
    " state magic position_id position_by_id reason volume_initial volume_current price_open sl tp price_current"
    " price_stoplimit symbol comment external_id",
    "TradeDeal": "ticket order time time_msc type entry magic position_id reason volume price commission swap profit fee"
    " symbol comment external_id",
    "TradeRequest": "action magic order symbol volume price stoplimit sl tp deviation type type_filling type_time"
    " expiration comment position position_by",
    "OrderSendResult": "retcode deal order volume price bid ask comment request_id retcode_external request",
    "OrderCheckResult": "retcode balance equity profit margin margin_free margin_level comment request",
    "SymbolInfo": "custom chart_mode select visible session_deals session_buy_orders session_sell_orders volume"
    " volumehigh volumelow time digits spread spread_float ticks_bookdepth trade_calc_mode trade_mode start_time"
    " expiration_time trade_stops_level trade_freeze_level trade_exemode swap_mode swap_rollover3days"
    " margin_hedged_use_leg expiration_mode filling_mode order_mode order_gtc_mode option_mode option_right bid bidhigh"
    " bidlow ask askhigh asklow last lasthigh lastlow volume_real volumehigh_real volumelow_real option_strike point"
    " trade_tick_value trade_tick_value_profit trade_tick_value_loss trade_tick_size trade_contract_size"
    " trade_accrued_interest trade_face_value trade_liquidity_rate volume_min volume_max volume_step volume_limit"
    " swap_long swap_short margin_initial margin_maintenance session_volume session_turnover session_interest"
    " session_buy_orders_volume session_sell_orders_volume session_open session_close session_aw"
    " session_price_settlement session_price_limit_min session_price_limit_max margin_hedged price_change"
    " price_volatility price_theoretical price_greeks_delta price_greeks_theta price_greeks_gamma price_greeks_vega"
    " price_greeks_rho price_greeks_omega price_sensitivity basis category currency_base currency_profit"
    " currency_margin bank description exchange formula isin name page path",
}
FUNCTIONS = """account_info copy_rates_from copy_rates_from_pos copy_rates_range copy_ticks_from copy_ticks_range
 history_deals_get history_deals_total history_orders_get history_orders_total initialize last_error login
 market_book_add market_book_get market_book_release order_calc_margin order_calc_profit order_check order_send
 orders_get orders_total positions_get positions_total shutdown symbol_info symbol_info_tick symbol_select symbols_get
 symbols_total terminal_info version""".split()
BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0}


def expected_constants() -> dict[str, int]:
    found: dict[str, int] = {}
    for line in CONSTANTS.strip().replace("\n ", " ").splitlines():
        prefix, *rest = line.split()
        found |= {prefix + name: int(value) for name, value in zip(rest[::2], rest[1::2], strict=True)}
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock(AT, speed=0)


@pytest.fixture
def started(clock: Clock) -> Iterator[None]:
    """A terminal on a world of its own, whose time stands still."""
    own.use_own_server(OwnServer(seed=7, now_ms=clock.now_ms))
    assert mt5.initialize(login=1)
    yield
    mt5.shutdown()
    own.use_own_server(None)


def test_the_constants_are_the_package_s_own() -> None:
    ours = {name: value for name, value in vars(constants).items() if name.isupper()}
    assert ours == expected_constants()
    assert len(ours) == 223
    assert all(getattr(mt5, name) == value for name, value in ours.items())


def test_a_star_import_brings_what_the_package_s_does() -> None:
    assert len(FUNCTIONS) == 32
    assert set(mt5.__all__) == {*FUNCTIONS, "Buy", "Sell", "Close", *FIELDS, *expected_constants()}
    assert len(mt5.__all__) == 269


@pytest.mark.parametrize("name", FIELDS)
def test_a_tuple_has_the_package_s_fields_in_its_order(name: str) -> None:
    kind, names = getattr(mt5, name), FIELDS[name].split()
    row = kind(range(len(names)))
    assert list(row._asdict()) == names
    assert tuple(row._asdict().values()) == tuple(row) == tuple(getattr(row, field) for field in names)
    assert (kind.n_fields, len(row)) == (len(names), len(names))


def test_a_tuple_behaves_as_those_made_in_c_do() -> None:
    tick = mt5.Tick((1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0))
    assert isinstance(tick, tuple)
    assert tick == (1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0)
    assert repr(tick).startswith("Tick(time=1, bid=1.1, ask=1.2, last=0.0,")
    assert pickle.loads(pickle.dumps(tick)) == tick
    with pytest.raises(AttributeError):
        tick.bid = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        mt5.Tick((1, 2))
    with pytest.raises(TypeError):
        mt5.Tick(time=1)  # type: ignore[call-arg]


@pytest.mark.usefixtures("started")
def test_every_field_of_every_answer_has_the_type_that_is_declared() -> None:
    sent = mt5.order_send({**BUY, "comment": "x", "magic": 2**63})
    mt5.market_book_add("EURUSD")
    pending = {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 1.0, "type_filling": 2}
    assert mt5.order_send(pending).retcode == 10009
    rows = [
        mt5.account_info(), mt5.terminal_info(), mt5.symbol_info("EURUSD"), mt5.symbol_info_tick("EURUSD"), sent,
        mt5.order_check(BUY), sent.request, *mt5.positions_get(), *mt5.orders_get(), *mt5.market_book_get("EURUSD"),
        *mt5.history_orders_get(0, AT // 1000), *mt5.history_deals_get(0, AT // 1000),
    ]  # fmt: skip
    assert {type(row).__name__ for row in rows} == set(FIELDS)
    for row in rows:
        declared = inspect.get_annotations(type(row))
        assert {k: type(v) for k, v in row._asdict().items()} == declared, type(row)


@pytest.mark.usefixtures("started")
def test_tables_have_the_package_s_types() -> None:
    rates = mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_M1, 0, 5)
    ticks = mt5.copy_ticks_from("EURUSD", AT / 1000 - 3600, 5, mt5.COPY_TICKS_ALL)
    assert [(n, rates.dtype[n].str) for n in rates.dtype.names] == [
        ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("tick_volume", "<u8"),
        ("spread", "<i4"), ("real_volume", "<u8"),
    ]  # fmt: skip
    assert [(n, ticks.dtype[n].str) for n in ticks.dtype.names] == [
        ("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8"), ("time_msc", "<i8"),
        ("flags", "<u4"), ("volume_real", "<f8"),
    ]  # fmt: skip
    assert rates.dtype.itemsize == ticks.dtype.itemsize == 60
    assert len(rates) == len(ticks) == 5


def worked(answer: object) -> bool:
    return answer is not None and answer is not False


NONE = "account_info shutdown version last_error terminal_info symbols_total orders_total positions_total".split()
POSITIONAL: dict[str, tuple[Any, ...]] = {
    "symbol_info": ("EURUSD",),
    "symbol_info_tick": ("EURUSD",),
    "symbol_select": ("EURUSD", True),
    "market_book_add": ("EURUSD",),
    "market_book_get": ("EURUSD",),
    "market_book_release": ("EURUSD",),
    "copy_rates_from": ("EURUSD", 1, AT // 1000, 3),
    "copy_rates_from_pos": ("EURUSD", 1, 0, 3),
    "copy_rates_range": ("EURUSD", 1, AT // 1000 - 600, AT // 1000),
    "copy_ticks_from": ("EURUSD", AT // 1000 - 600, 3, -1),
    "copy_ticks_range": ("EURUSD", AT // 1000 - 600, AT // 1000, -1),
    "order_calc_margin": (0, "EURUSD", 1.0, 1.1),
    "order_calc_profit": (0, "EURUSD", 1.0, 1.1, 1.2),
    "history_orders_total": (0, AT // 1000),
    "history_deals_total": (0, AT // 1000),
}
KEYWORDS: dict[str, dict[str, Any]] = {
    "initialize": {"login": 1, "password": "x", "server": "Somewhere-Demo", "timeout": 1000, "portable": True},
    "login": {"login": 1, "password": "x", "server": "Somewhere-Demo", "timeout": 1000},
    "symbols_get": {"group": "*USD*"},
    "orders_get": {"symbol": "EURUSD"},
    "positions_get": {"group": "*"},
    "history_orders_get": {"ticket": 1},
    "history_deals_get": {"position": 1},
    "order_check": BUY,
    "order_send": BUY,
}


def test_the_forms_cover_the_whole_package() -> None:
    assert sorted([*NONE, *POSITIONAL, *KEYWORDS]) == sorted(FUNCTIONS)


@pytest.mark.parametrize("name", NONE)
def test_a_function_without_arguments_takes_none(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name}\\(\\) "):
        getattr(mt5, name)(1)
    with pytest.raises(TypeError, match=f"^{name}\\(\\) "):
        getattr(mt5, name)(x=1)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("name", POSITIONAL)
def test_a_positional_function_takes_no_keywords_and_neither_more_nor_less(name: str) -> None:
    function, args = getattr(mt5, name), POSITIONAL[name]
    if name == "market_book_get":
        mt5.market_book_add("EURUSD")
    assert worked(function(*args))
    assert mt5.last_error() == (1, "Success")
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        function(*args[1:], symbol="EURUSD")
    for wrong in ((), (*args, 1)):
        assert not function(*wrong)
        assert mt5.last_error() == (-2, "Invalid arguments")


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("name", KEYWORDS)
def test_a_keyword_function_names_what_it_does_not_know(name: str) -> None:
    function, named = getattr(mt5, name), KEYWORDS[name]
    assert worked(function(**named))
    assert mt5.last_error() == (1, "Success")
    assert not function(**named, nonsense=1)
    assert mt5.last_error() == (-2, 'Invalid "nonsense" argument')


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("function", [mt5.order_send, mt5.order_check])
def test_a_request_is_one_dictionary_or_its_fields_by_name(function: Callable[..., Any]) -> None:
    assert function(BUY).request == function(**BUY).request == function(request=BUY).request
    for args, why in (
        ((), "Invalid arguments"),
        ((BUY, BUY), "Unnamed arguments not allowed"),
        (("BUY",), "Unnamed arguments not allowed"),
    ):
        assert function(*args) is None
        assert mt5.last_error() == (-2, why)
    assert function(BUY, volume=0.2) is None


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("field", ["volume", "price", "stoplimit", "sl", "tp"])
@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, -1.0])
def test_numbers_beyond_all_sense_are_for_the_server_to_refuse(field: str, value: float) -> None:
    pending = {**BUY, "action": mt5.TRADE_ACTION_PENDING, "type": 6, "price": 9.0, "stoplimit": 8.0}
    for request in (BUY, pending):
        answer = mt5.order_send({**request, field: value})
        assert answer.retcode in (10009, 10014, 10015, 10016)
        assert getattr(answer.request, field) == value


@pytest.mark.usefixtures("started")
def test_positions_and_orders_are_filtered_by_name_only() -> None:
    for function in (mt5.positions_get, mt5.orders_get):
        assert function("EURUSD") is None
        assert mt5.last_error() == (-2, "Unnamed arguments not allowed")


DATE = "date_from"
BAD: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (mt5.symbol_info, (None,), {}, "symbol"),
    (mt5.symbol_info_tick, (b"EURUSD",), {}, "symbol"),
    (mt5.symbols_get, (), {"group": 5}, "group"),
    (mt5.symbol_select, (5, True), {}, "symbol"),
    (mt5.market_book_get, (1.5,), {}, "symbol"),
    (mt5.copy_rates_from, (1, 1, 0, 1), {}, "symbol"),
    (mt5.copy_rates_from, ("EURUSD", "M1", 0, 1), {}, "timeframe"),
    (mt5.copy_rates_from, ("EURUSD", 7, 0, 1), {}, "timeframe"),
    (mt5.copy_rates_from, ("EURUSD", 1, "2026-01-01", 1), {}, DATE),
    (mt5.copy_rates_from, ("EURUSD", 1, -5, 1), {}, DATE),
    (mt5.copy_rates_from, ("EURUSD", 1, 0, 1.5), {}, "count"),
    (mt5.copy_rates_from_pos, ("EURUSD", 1, -1, 1), {}, "start_pos"),
    (mt5.copy_rates_from_pos, ("EURUSD", 1, 0, 0), {}, "count"),
    (mt5.copy_rates_range, ("EURUSD", 1, 0, None), {}, "date_to"),
    (mt5.copy_ticks_from, ("EURUSD", 0, 1, "ALL"), {}, "flags"),
    (mt5.copy_ticks_range, ("EURUSD", 0, 1, 77), {}, "flags"),
    (mt5.orders_get, (), {"ticket": "7"}, "ticket"),
    (mt5.orders_get, (), {"symbol": 7}, "symbol"),
    (mt5.positions_get, (), {"ticket": -7}, "ticket"),
    (mt5.positions_get, (), {"group": ["*"]}, "group"),
    (mt5.history_orders_get, ("x", 1), {}, DATE),
    (mt5.history_deals_get, (0, 1), {"group": 1}, "group"),
    (mt5.history_deals_get, (), {"position": 1.5}, "position"),
    (mt5.history_deals_total, (0, "now"), {}, "date_to"),
    (mt5.order_calc_margin, ("BUY", "EURUSD", 1.0, 1.0), {}, "action"),
    (mt5.order_calc_margin, (0, "EURUSD", "1", 1.0), {}, "volume"),
    (mt5.order_calc_margin, (0, "EURUSD", float("nan"), 1.0), {}, "volume"),
    (mt5.order_calc_profit, (0, "EURUSD", 1.0, 1.0, None), {}, "price_close"),
    (mt5.order_calc_profit, (5, "EURUSD", 1.0, 1.0, 1.0), {}, "action"),
    (mt5.order_send, ({**BUY, "volume": "0.1"},), {}, "volume"),
    (mt5.order_send, ({**BUY, "volume": None},), {}, "volume"),
    (mt5.order_send, ({**BUY, "volume": float("inf")},), {}, "volume"),
    (mt5.order_send, ({**BUY, "price": "1.1"},), {}, "price"),
    (mt5.order_send, ({**BUY, "symbol": 1},), {}, "symbol"),
    (mt5.order_send, ({**BUY, "action": "BUY"},), {}, "action"),
    (mt5.order_send, ({**BUY, "magic": -1},), {}, "magic"),
    (mt5.order_send, ({**BUY, "magic": 2**64},), {}, "magic"),
    (mt5.order_send, ({**BUY, "deviation": 1.5},), {}, "deviation"),
    (mt5.order_send, ({**BUY, "type": None},), {}, "type"),
    (mt5.order_send, ({**BUY, "comment": 5},), {}, "comment"),
    (mt5.order_send, ({**BUY, "comment": "x" * 32},), {}, "comment"),
    (mt5.order_send, ({**BUY, "comment": "\ud800"},), {}, "comment"),
    (mt5.order_send, ({**BUY, "expiration": "tomorrow"},), {}, "expiration"),
    (mt5.order_send, ({**BUY, "expiration": datetime(2030, 1, 1, tzinfo=UTC)},), {}, "expiration"),
    (mt5.order_send, ({**BUY, "typo": 1},), {}, "typo"),
    (mt5.order_send, ({**BUY, 5: 1},), {}, "5"),
    (mt5.order_check, ({**BUY, "sl": []},), {}, "sl"),
    (mt5.order_send, (), {"request": 5}, "request"),
    (mt5.initialize, (5,), {}, "path"),
    (mt5.initialize, (), {"login": "1000"}, "login"),
    (mt5.initialize, (), {"password": 5}, "password"),
    (mt5.initialize, (), {"timeout": "soon"}, "timeout"),
    (mt5.login, ("1000",), {}, "login"),
    (mt5.login, (1000,), {"server": 5}, "server"),
]


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(("function", "args", "named", "field"), BAD)
def test_bad_input_gives_none_and_names_the_argument(
    function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], field: str
) -> None:
    assert not function(*args, **named)
    assert mt5.last_error() == (-2, f'Invalid "{field}" argument')
    assert mt5.positions_total() == 0
    assert mt5.last_error() == (1, "Success")


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("function", "args"),
    [
        (mt5.symbol_info, ("NOPE",)),
        (mt5.symbol_info_tick, ("NOPE",)),
        (mt5.symbol_info_tick, ("",)),
        (mt5.symbol_select, ("NOPE",)),
        (mt5.market_book_add, ("NOPE",)),
        (mt5.market_book_get, ("NOPE",)),
        (mt5.market_book_release, ("NOPE",)),
        (mt5.copy_rates_from, ("NOPE", 1, 0, 1)),
        (mt5.copy_rates_from_pos, ("NOPE", 1, 0, 1)),
        (mt5.copy_rates_range, ("NOPE", 1, 0, 1)),
        (mt5.copy_ticks_from, ("NOPE", 0, 1, -1)),
        (mt5.copy_ticks_range, ("NOPE", 0, 1, -1)),
        (mt5.order_calc_margin, (0, "NOPE", 1.0, 1.0)),
        (mt5.order_calc_profit, (0, "NOPE", 1.0, 1.0, 1.1)),
    ],
)
def test_an_unknown_symbol_is_not_found(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    assert not function(*args)
    assert mt5.last_error() == (-4, "Terminal: Not found")


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in ("initialize", "shutdown", "last_error")])
def test_before_initialize_there_is_no_connection(name: str) -> None:
    args = POSITIONAL.get(name, ())
    named = KEYWORDS.get(name, {})
    assert not getattr(mt5, name)(*args, **named)
    assert mt5.last_error() == (-10004, "No IPC connection")


@pytest.mark.usefixtures("started")
def test_numbers_of_numpy_and_decimal_are_taken_as_numbers() -> None:
    sent = mt5.order_send({**BUY, "volume": np.float64(0.1), "magic": np.int64(5), "price": Decimal("1.1")})
    assert sent.retcode == mt5.TRADE_RETCODE_DONE
    assert type(sent.request.magic) is int
    assert sent.request.magic == 5
    assert len(mt5.copy_rates_from_pos("EURUSD", np.int32(1), np.int64(0), np.int64(2))) == 2


@pytest.mark.usefixtures("started")
def test_a_date_is_seconds_or_a_datetime_with_or_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = AT // 1000
    aware = datetime.fromtimestamp(seconds, UTC)
    naive = datetime.fromtimestamp(seconds)  # noqa: DTZ006  this machine's time, as the package takes it
    tables = [mt5.copy_rates_from("EURUSD", 1, moment, 3) for moment in (seconds, float(seconds), aware, naive)]
    assert len({table.tobytes() for table in tables}) == 1
    assert tables[0]["time"][-1] == seconds - seconds % 60


@pytest.mark.usefixtures("started")
def test_prices_that_floats_made_uneven_are_the_prices_that_were_meant() -> None:
    ask = mt5.symbol_info_tick("EURUSD").ask
    sent = mt5.order_send({**BUY, "sl": ask - 100 * 1e-05 - 1e-13, "tp": ask + 0.1 + 0.2 - 0.29})
    assert sent.retcode == mt5.TRADE_RETCODE_DONE
    (position,) = mt5.positions_get()
    assert (position.sl, position.tp) == (round(ask - 0.001, 5), round(ask + 0.01, 5))


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("*", "EURUSD USDJPY GBPUSD EURJPY"),
        ("*USD*", "EURUSD USDJPY GBPUSD"),
        ("USD*", "USDJPY"),
        ("*USD", "EURUSD GBPUSD"),
        ("E*Y", "EURJPY"),
        ("EURUSD,GBPUSD", "EURUSD GBPUSD"),
        ("EUR", ""),
        ("*, !EUR", "USDJPY GBPUSD"),
        ("*USD*,!*EUR*,!*GBP*", "USDJPY"),
        ("*,!*USD*,EURUSD", "EURUSD EURJPY"),
        ("!*JPY*", "EURUSD GBPUSD"),
        ("", ""),
        ("*.m", ""),
    ],
)
def test_a_group_takes_its_conditions_in_order(group: str, names: str) -> None:
    from kakehashi.terminal.metatrader5.groups import group_filter

    takes = group_filter(group)
    assert " ".join(n for n in "EURUSD USDJPY GBPUSD EURJPY".split() if takes(n)) == names
