"""The answers of ``/v5``, for its schema: the package's tuples with their fields, and what the bridge says of itself.

Field names and their order are the package's own.
"""

from typing import Any, Final, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

_KINDS: Final[dict[str, type]] = {"i": int, "f": float, "s": str, "b": bool}


def _row(title: str, about: str, fields: str) -> type[BaseModel]:
    """A model from ``i:name`` words: i integer, f float, s text, b true or false."""
    named: dict[str, Any] = {}
    for word in fields.split():
        kind, _, name = word.partition(":")
        named[name] = (_KINDS[kind], ...)
    # the package's tuples have a field called "copy"-like names of BaseModel nowhere, but pydantic warns of "model_"
    return create_model(title, __doc__=about, __config__=ConfigDict(protected_namespaces=()), **named)


Tick = _row(
    "Tick", "The last prices of a symbol.", "i:time f:bid f:ask f:last i:volume i:time_msc i:flags f:volume_real"
)
Rate = _row("Rate", "One bar.", "i:time f:open f:high f:low f:close i:tick_volume i:spread i:real_volume")
BookInfo = _row("BookInfo", "One line of the depth of market.", "i:type f:price i:volume f:volume_dbl")
AccountInfo = _row(
    "AccountInfo",
    "The account.",
    "i:login i:trade_mode i:leverage i:limit_orders i:margin_so_mode b:trade_allowed b:trade_expert i:margin_mode"
    " i:currency_digits b:fifo_close f:balance f:credit f:profit f:equity f:margin f:margin_free f:margin_level"
    " f:margin_so_call f:margin_so_so f:margin_initial f:margin_maintenance f:assets f:liabilities f:commission_blocked"
    " s:name s:server s:currency s:company",
)
TerminalInfo = _row(
    "TerminalInfo",
    "The terminal.",
    "b:community_account b:community_connection b:connected b:dlls_allowed b:trade_allowed b:tradeapi_disabled"
    " b:email_enabled b:ftp_enabled b:notifications_enabled b:mqid i:build i:maxbars i:codepage i:ping_last"
    " f:community_balance f:retransmission s:company s:name s:language s:path s:data_path s:commondata_path",
)
SymbolInfo = _row(
    "SymbolInfo",
    "A symbol's specification and prices.",
    "b:custom i:chart_mode b:select b:visible i:session_deals i:session_buy_orders i:session_sell_orders i:volume"
    " i:volumehigh i:volumelow i:time i:digits i:spread b:spread_float i:ticks_bookdepth i:trade_calc_mode i:trade_mode"
    " i:start_time i:expiration_time i:trade_stops_level i:trade_freeze_level i:trade_exemode i:swap_mode"
    " i:swap_rollover3days b:margin_hedged_use_leg i:expiration_mode i:filling_mode i:order_mode i:order_gtc_mode"
    " i:option_mode i:option_right f:bid f:bidhigh f:bidlow f:ask f:askhigh f:asklow f:last f:lasthigh f:lastlow"
    " f:volume_real f:volumehigh_real f:volumelow_real f:option_strike f:point f:trade_tick_value"
    " f:trade_tick_value_profit f:trade_tick_value_loss f:trade_tick_size f:trade_contract_size"
    " f:trade_accrued_interest f:trade_face_value f:trade_liquidity_rate f:volume_min f:volume_max f:volume_step"
    " f:volume_limit f:swap_long f:swap_short f:margin_initial f:margin_maintenance f:session_volume"
    " f:session_turnover f:session_interest f:session_buy_orders_volume f:session_sell_orders_volume f:session_open"
    " f:session_close f:session_aw f:session_price_settlement f:session_price_limit_min f:session_price_limit_max"
    " f:margin_hedged f:price_change f:price_volatility f:price_theoretical f:price_greeks_delta f:price_greeks_theta"
    " f:price_greeks_gamma f:price_greeks_vega f:price_greeks_rho f:price_greeks_omega f:price_sensitivity s:basis"
    " s:category s:currency_base s:currency_profit s:currency_margin s:bank s:description s:exchange s:formula s:isin"
    " s:name s:page s:path",
)
TradePosition = _row(
    "TradePosition",
    "An open position; its identifier never changes.",
    "i:ticket i:time i:time_msc i:time_update i:time_update_msc i:type i:magic i:identifier i:reason f:volume"
    " f:price_open f:sl f:tp f:price_current f:swap f:profit s:symbol s:comment s:external_id",
)
TradeOrder = _row(
    "TradeOrder",
    "An order, resting or ended.",
    "i:ticket i:time_setup i:time_setup_msc i:time_done i:time_done_msc i:time_expiration i:type i:type_time"
    " i:type_filling i:state i:magic i:position_id i:position_by_id i:reason f:volume_initial f:volume_current"
    " f:price_open f:sl f:tp f:price_current f:price_stoplimit s:symbol s:comment s:external_id",
)
TradeDeal = _row(
    "TradeDeal",
    "One execution, or a change of the balance.",
    "i:ticket i:order i:time i:time_msc i:type i:entry i:magic i:position_id i:reason f:volume f:price f:commission"
    " f:swap f:profit f:fee s:symbol s:comment s:external_id",
)
SentRequest = _row(
    "SentRequest",
    "The request as the package read it.",
    "i:action i:magic i:order s:symbol f:volume f:price f:stoplimit f:sl f:tp i:deviation i:type i:type_filling"
    " i:type_time i:expiration s:comment i:position i:position_by",
)
OrderSendResult = create_model(
    "OrderSendResult",
    __doc__="What the server answered; `GET /v5/retcodes` explains the retcode.",
    __base__=_row(
        "_Sent", "", "i:retcode i:deal i:order f:volume f:price f:bid f:ask s:comment i:request_id i:retcode_external"
    ),
    request=(SentRequest, ...),
)
OrderCheckResult = create_model(
    "OrderCheckResult",
    __doc__="Whether the account could carry the request out; retcode 0 is yes.",
    __base__=_row(
        "_Checked", "", "i:retcode f:balance f:equity f:profit f:margin f:margin_free f:margin_level s:comment"
    ),
    request=(SentRequest, ...),
)

RESULTS: Final[dict[str, Any]] = {
    "version": tuple[int, int, str],
    "last_error": tuple[int, str],
    "account_info": AccountInfo,
    "terminal_info": TerminalInfo,
    "symbols_total": int,
    "symbols_get": list[SymbolInfo],  # type: ignore[valid-type]
    "symbol_info": SymbolInfo,
    "symbol_info_tick": Tick,
    "symbol_select": bool,
    "market_book_add": bool,
    "market_book_get": list[BookInfo],  # type: ignore[valid-type]
    "market_book_release": bool,
    "copy_rates_from": list[Rate],  # type: ignore[valid-type]
    "copy_rates_from_pos": list[Rate],  # type: ignore[valid-type]
    "copy_rates_range": list[Rate],  # type: ignore[valid-type]
    "copy_ticks_from": list[Tick],  # type: ignore[valid-type]
    "copy_ticks_range": list[Tick],  # type: ignore[valid-type]
    "orders_total": int,
    "orders_get": list[TradeOrder],  # type: ignore[valid-type]
    "order_calc_margin": float,
    "order_calc_profit": float,
    "order_check": OrderCheckResult,
    "order_send": OrderSendResult,
    "positions_total": int,
    "positions_get": list[TradePosition],  # type: ignore[valid-type]
    "history_orders_total": int,
    "history_orders_get": list[TradeOrder],  # type: ignore[valid-type]
    "history_deals_total": int,
    "history_deals_get": list[TradeDeal],  # type: ignore[valid-type]
}
"""What each function gives where it does not give None."""

Columns = create_model(
    "Columns", __doc__="A table with `format: columns`: field to values.", __config__=ConfigDict(extra="allow")
)
_ANY: Any = Union[(*dict.fromkeys(RESULTS.values()), Columns, None)]


class CommandAnswer(BaseModel):
    """What a function of the package gave. ``ok`` is false where it gave None or False; ``last_error`` then says why."""

    id: str
    ok: bool
    result: _ANY
    last_error: tuple[int, str]
    took_ms: float


class KnownAnswer(CommandAnswer):
    """A command by its id. ``PENDING``: it waits, is under way, or its outcome is being found out."""

    state: str


class BatchAnswers(BaseModel):
    """In the order of the commands. One that was refused has an ``error`` instead of a result."""

    answers: list[dict[str, Any]]


class SessionLine(BaseModel):
    """A session. Times in seconds, ``created_at`` in ms UTC; ``pid`` is null while no process is logged in."""

    session_id: str
    name: str
    login: int
    server: str
    terminal: str
    state: str
    pid: int | None
    restarts: int
    rss_bytes: int
    cpu_s: float
    queue_depth: int
    commands: int
    in_doubt: int
    last_command_age_s: float
    healthy: bool
    connected: bool | None
    trade_allowed: bool | None
    tick_age_s: float | None = Field(
        description="Seconds of market hours since the newest tick of the symbols that were asked for last, at least;"
        " null while the market is closed, or before a symbol was asked for."
    )
    slowest_ms: float
    downtimes_s: list[float] = Field(description="How long each of the last hundred replacements of its terminal took.")
    p50_ms: float | None = Field(default=None, description="Of the last thousand commands.")
    p95_ms: float | None = None
    created_at: int
    problem: str


class SessionList(BaseModel):
    sessions: list[SessionLine]


class Deleted(BaseModel):
    session_id: str
    deleted: bool


class Retcode(BaseModel):
    code: int
    name: str
    meaning: str
    fix: str


class Retcodes(BaseModel):
    retcodes: list[Retcode]
    last_errors: list[Retcode]
