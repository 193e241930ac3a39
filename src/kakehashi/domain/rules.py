"""What a route allows: sizing, stops, limits and times, as its owner set them.

Rails are on by default; None switches one off. Source: the consolidated rule list (TradingView facts, section 4) and
the pre-trade controls (RTS 6 Art. 15, FIA guide).
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kakehashi.domain.alerts import Level, LevelUnit, SizeUnit, TakeProfit
from kakehashi.domain.errors import Malformed
from kakehashi.domain.values import MAX_AMOUNT, Lots, Millis, Money, Pips, Side

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CloseScope(StrEnum):
    """Whose positions an exit closes: this route's, any route's of ours, or everybody's (foreign trades too)."""

    ROUTE = "route"
    OWN = "own"
    ALL = "all"


class SizeSource(StrEnum):
    """SIGNAL: the alert's size where it has one, else the route's. ROUTE: the alert's size is ignored."""

    SIGNAL = "signal"
    ROUTE = "route"


class Direction(StrEnum):
    BOTH = "both"
    LONG = "long"
    SHORT = "short"

    def allows(self, side: Side) -> bool:
        return self is Direction.BOTH or (self is Direction.LONG) == (side is Side.BUY)


class OnGap(StrEnum):
    """What a target does whose ``prev_*`` is not our last target: HOLD an increase, or HEAL all of the difference."""

    HOLD = "hold"
    HEAL = "heal"


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours in which entries are allowed, in the rules' ``zone``; an end before the start is on the next day.

    :ivar days: of the START, e.g. ``("mon", "fri")``
    :ivar start: ``HH:MM``, inclusive
    :ivar end: ``HH:MM``, exclusive; ``24:00`` is the end of the day
    """

    days: tuple[str, ...] = DAYS[:5]
    start: str = "00:00"
    end: str = "24:00"


class RouteRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The knobs of one route (or of one account of it).

    :ivar size_value: None: the alert must say; else the broker's minimum is traded
    :ivar risk_means: what PineConnector's bare ``risk=`` stands for
    :ivar lots_per_contract: lots of this account per TradingView contract; contracts are refused without it
    :ivar max_lots: a larger volume is clamped to it, and that is recorded
    :ivar max_notional: account currency; a larger order is refused
    :ivar stops_in: the unit of a bare ``sl=20``
    :ivar tps: the default targets; their shares are also what TP signals close (of the initial volume)
    :ivar tp_close_ratio: what a TP signal closes that says nothing, of the current volume
    :ivar reverse: a BUY closes our SELL first, waits for the fill, then opens (and the other way round)
    :ivar zone: time zone of ``windows``, e.g. ``Asia/Tokyo``
    :ivar max_spread_percent: of the price; fits every instrument, therefore the one that is on by default
    :ivar price_collar_percent: how far an entry's price may be from the last quote
    :ivar quote_age_ms: an older quote is not used for collar and spread (noted as not checked)
    :ivar cooldown_s: between two entries of this route on one account and symbol
    :ivar max_orders: entries in ``window_s`` seconds
    :ivar max_positions: of this route on the account, all symbols, entries under way included
    :ivar pyramiding: entries on one symbol and side, those under way included
    :ivar max_exposure_lots: of this route on the symbol after the order
    :ivar max_backlog: undelivered orders of the account
    :ivar max_daily_loss_percent: of the equity at the start of the day
    :ivar max_losing_streak: losing trades in a row, as the account's view counts them
    :ivar duplicate_window_s: the same symbol, side and volume again within it is refused
    """

    size_unit: SizeUnit = SizeUnit.LOTS
    size_value: Decimal | None = None
    size_source: SizeSource = SizeSource.SIGNAL
    risk_means: SizeUnit = SizeUnit.RISK_PERCENT
    lots_per_contract: Decimal | None = None
    max_lots: Lots | None = None
    max_notional: Money | None = None
    stops_in: LevelUnit = LevelUnit.PIPS
    sl: Level | None = None
    tps: tuple[TakeProfit, ...] = ()
    sl_required: bool = False
    tp_close_ratio: Decimal = Decimal("0.5")
    breakeven_offset_pips: Pips = Decimal(0)
    reverse: bool = False
    close_scope: CloseScope = CloseScope.ROUTE
    on_gap: OnGap = OnGap.HOLD
    direction: Direction = Direction.BOTH
    symbols: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    zone: str = "UTC"
    entry_ttl_s: int = 30
    exit_ttl_s: int = 86_400
    max_spread_pips: Pips | None = None
    max_spread_percent: Decimal | None = Decimal("0.5")
    price_collar_percent: Decimal | None = Decimal(2)
    quote_age_ms: Millis = 3_000
    cooldown_s: int | None = 2
    max_orders: int | None = 10
    window_s: int = 60
    max_orders_per_day: int | None = 200
    max_positions: int | None = 5
    pyramiding: int | None = None
    max_exposure_lots: Lots | None = None
    max_backlog: int | None = 50
    max_daily_loss: Money | None = None
    max_daily_loss_percent: Decimal | None = Decimal(5)
    max_losing_streak: int | None = 5
    duplicate_window_s: int | None = 10


RAILS: Final = (
    "max_spread_percent",
    "price_collar_percent",
    "cooldown_s",
    "max_orders",
    "max_orders_per_day",
    "max_positions",
    "max_backlog",
    "max_daily_loss_percent",
    "max_losing_streak",
    "duplicate_window_s",
)
"""The rails that are on without being asked for."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Which alerts go to which accounts, and under what rules.

    :ivar strategy: the webhook token's slot; empty is any
    :ivar symbols: as the sender names them; empty is any
    :ivar per_account: rules that replace ``rules`` for one account
    :ivar no_rails: the default rails are off; what was set to something else than its default stays
    :ivar enabled: False is a paused route: it opens nothing, but still closes
    """

    name: str
    accounts: tuple[str, ...]
    strategy: str = ""
    symbols: tuple[str, ...] = ()
    rules: RouteRules = RouteRules()
    per_account: dict[str, RouteRules] = {}
    dry_run: bool = False
    no_rails: bool = False
    enabled: bool = True
    version: int = 1

    def takes(self, strategy: str, symbol: str) -> bool:
        """Whether an alert of this strategy and symbol is this route's."""
        return self.strategy in ("", strategy) and (not self.symbols or symbol in self.symbols)

    def rules_for(self, account: str) -> RouteRules:
        """The rules that hold for one of its accounts, rails removed where the route says so."""
        return self._effective.get(account) or self._effective[""]

    @cached_property
    def _effective(self) -> Mapping[str, RouteRules]:
        """By account, and under the empty name for all others: read with every alert."""
        all_rules = {**self.per_account, "": self.rules}
        return {name: without_rails(rules) for name, rules in all_rules.items()} if self.no_rails else all_rules


def without_rails(rules: RouteRules) -> RouteRules:
    """The same rules without the default rails; an explicit limit is not a default and stays."""
    defaults = RouteRules()
    off = {name: None for name in RAILS if getattr(rules, name) == getattr(defaults, name)}
    return msgspec.structs.replace(rules, **off)


def rules_from_toml(table: Mapping[str, Any]) -> RouteRules:
    """The rules in a parsed TOML table; ``false`` for a rail switches it off, as TOML has no null.

    :raises Malformed: BAD_CONFIG; unknown keys are named, all at once
    """
    known = RouteRules.__struct_fields__
    unknown = sorted(set(table) - set(known))
    if unknown:
        hint = "known rules: " + ", ".join(sorted(known))
        raise Malformed("BAD_CONFIG", "unknown rules: " + ", ".join(unknown), hint=hint, value=unknown)
    given = {key: None if value is False and key in RAILS else value for key, value in table.items()}
    try:
        rules = msgspec.convert(given, RouteRules, strict=False)
    except (msgspec.ValidationError, ArithmeticError, ValueError) as e:
        raise Malformed("BAD_CONFIG", f"rules: {e}", hint="known rules: " + ", ".join(sorted(known))) from e
    _check(rules)
    return rules


_POSITIVE: Final = (
    "size_value",
    "lots_per_contract",
    "max_lots",
    "max_notional",
    "tp_close_ratio",
    "entry_ttl_s",
    "exit_ttl_s",
    "window_s",
    "quote_age_ms",
    "max_spread_pips",
    "price_collar_percent",
    "max_exposure_lots",
    "max_daily_loss",
    "max_daily_loss_percent",
    "max_spread_percent",
)
_NOT_NEGATIVE: Final = ("breakeven_offset_pips", "cooldown_s", "max_orders", "max_orders_per_day", "max_positions")
_COUNTS: Final = ("pyramiding", "max_backlog", "max_losing_streak", "duplicate_window_s")


def _check(rules: RouteRules) -> None:
    for name in _POSITIVE:
        value = getattr(rules, name)
        if value is not None and (not Decimal(value).is_finite() or not 0 < value <= MAX_AMOUNT):
            raise Malformed("BAD_CONFIG", f"{name}: expected a number over 0, got {value}", value=value)
    for name in _NOT_NEGATIVE + _COUNTS:
        value = getattr(rules, name)
        if value is not None and (not Decimal(value).is_finite() or not 0 <= value <= MAX_AMOUNT):
            raise Malformed("BAD_CONFIG", f"{name}: expected 0 or more, got {value}", value=value)
    if rules.tp_close_ratio > 1:
        raise Malformed("BAD_CONFIG", f"tp_close_ratio: expected at most 1, got {rules.tp_close_ratio}")
    if rules.risk_means is SizeUnit.RISK or rules.stops_in is LevelUnit.AUTO:
        raise Malformed("BAD_CONFIG", "risk_means and stops_in must name a unit, not RISK or AUTO")
    _check_levels(rules)
    _check_hours(rules)


def _check_levels(rules: RouteRules) -> None:
    for level in (rules.sl, *(tp.level for tp in rules.tps)):
        if level is not None and (not level.value.is_finite() or not 0 < level.value <= MAX_AMOUNT):
            raise Malformed("BAD_CONFIG", f"sl, tps: expected a distance over 0, got {level.value}")
    if any(not tp.share.is_finite() or not 0 < tp.share <= 1 for tp in rules.tps):
        raise Malformed("BAD_CONFIG", "tps: each share must be over 0 and at most 1")


def _check_hours(rules: RouteRules) -> None:
    try:
        ZoneInfo(rules.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise Malformed("BAD_CONFIG", f"zone: {rules.zone} is not a time zone", hint="e.g. Asia/Tokyo") from e
    for window in rules.windows:
        bad = [day for day in window.days if day not in DAYS]
        if bad:
            raise Malformed("BAD_CONFIG", f"windows: unknown days {bad}", hint="mon tue wed thu fri sat sun")
        minutes(window.start)
        minutes(window.end)


def minutes(clock: str) -> int:
    """``HH:MM`` as minutes since midnight, 0 to 1440.

    :raises Malformed: it is not such a time
    """
    hours, colon, rest = clock.partition(":")
    if colon and hours.isdecimal() and rest.isdecimal():
        total = int(hours) * 60 + int(rest)
        if int(rest) < 60 and total <= 1440:
            return total
    raise Malformed("BAD_CONFIG", f"windows: expected HH:MM up to 24:00, got {clock!r}", value=clock)
