"""The checks an entry has to pass. Exits pass none of them but their own time (law 6)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from kakehashi.domain.codes import refused
from kakehashi.domain.orders import Order, State
from kakehashi.domain.rules import DAYS, Route, RouteRules, Window, minutes
from kakehashi.domain.stops import fresh_quote, pip_size
from kakehashi.domain.values import ZERO, Lots, Millis, Price, Side
from kakehashi.domain.views import AccountView, BrokerPosition, RouteMemory, Signal


def time_left(signal: Signal, ttl_s: int, at: Millis, code: str) -> Millis:
    """How much of its life the alert has left: from its own time where it is known, else from receipt.

    :raises Refused: ``code`` (EXPIRED_ENTRY or EXPIRED_EXIT): nothing
    """
    age = max(0, signal.age_ms or 0) + max(0, at - signal.received_at)
    left = ttl_s * 1000 - age
    if left <= 0:
        raise refused(code, age_s=age // 1000, ttl_s=ttl_s)
    return left


def check_account(view: AccountView) -> None:
    """What even an exit needs.

    :raises Refused: NOT_ARMED, ACCOUNT_DISABLED
    """
    account = view.account
    if not account.enabled:
        raise refused("ACCOUNT_DISABLED", account=account.name)
    if not account.may_trade:
        raise refused("NOT_ARMED", account=account.name)


def check_entry(
    route: Route, rules: RouteRules, view: AccountView, memory: RouteMemory, signal: Signal, side: Side, at: Millis
) -> tuple[str, ...]:
    """Everything about an entry that does not depend on its size.

    :returns: notes on checks that could not be made
    :raises Refused: KILLED, PAUSED, STALE_ACCOUNT, SYMBOL_NOT_ALLOWED, SIDE_NOT_ALLOWED, OUTSIDE_HOURS, COOLDOWN,
        TOO_MANY_ORDERS, BACKLOG, DAILY_LOSS, LOSING_STREAK, SPREAD_TOO_WIDE, NO_SPEC
    """
    if view.killed:
        raise refused("KILLED")
    if not route.enabled:
        raise refused("PAUSED", route=route.name)
    if view.reported and not view.fresh:
        raise refused("STALE_ACCOUNT")
    if rules.symbols and signal.alert.symbol not in rules.symbols:
        raise refused("SYMBOL_NOT_ALLOWED", symbol=signal.alert.symbol)
    if not rules.direction.allows(side):
        raise refused("SIDE_NOT_ALLOWED", direction=rules.direction, side=side)
    _check_hours(rules, at)
    _check_rate(rules, memory, view, at)
    return _check_losses(rules, view)


def _check_hours(rules: RouteRules, at: Millis) -> None:
    if not rules.windows:
        return
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(rules.zone))
    if not any(_inside(window, local) for window in rules.windows):
        raise refused("OUTSIDE_HOURS", local=f"{local:%a %H:%M}", zone=rules.zone)


def _inside(window: Window, local: datetime) -> bool:
    now, start, end = local.hour * 60 + local.minute, minutes(window.start), minutes(window.end)
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if start < end:
        return today in window.days and start <= now < end
    return (today in window.days and now >= start) or (yesterday in window.days and now < end)


def _check_rate(rules: RouteRules, memory: RouteMemory, view: AccountView, at: Millis) -> None:
    entries = memory.entries
    if rules.cooldown_s and entries and at - entries[-1] < rules.cooldown_s * 1000:
        raise refused("COOLDOWN", since_s=(at - entries[-1]) / 1000, limit_s=rules.cooldown_s)
    windows = ((rules.max_orders, rules.window_s), (rules.max_orders_per_day, 86_400))
    for limit, window_s in windows:
        if limit is None:
            continue
        count = sum(1 for then in entries if at - then < window_s * 1000)
        if count >= limit:
            raise refused("TOO_MANY_ORDERS", count=count, window_s=window_s, limit=limit)
    if rules.max_backlog is None:
        return
    queued = view.orders.count(State.QUEUED)
    if queued >= rules.max_backlog:
        raise refused("BACKLOG", count=queued, limit=rules.max_backlog)


def _check_losses(rules: RouteRules, view: AccountView) -> tuple[str, ...]:
    if rules.max_losing_streak and view.losing_streak >= rules.max_losing_streak:
        raise refused("LOSING_STREAK", count=view.losing_streak, limit=rules.max_losing_streak)
    if rules.max_daily_loss is None and rules.max_daily_loss_percent is None:
        return ()
    if view.day_profit is None:
        return ("NOT_CHECKED: daily loss (the account did not report its profit)",)
    limits = [] if rules.max_daily_loss is None else [rules.max_daily_loss]
    if rules.max_daily_loss_percent is not None and view.day_start_equity is not None:
        limits.append(view.day_start_equity * rules.max_daily_loss_percent / 100)
    if limits and -view.day_profit >= min(limits):
        raise refused("DAILY_LOSS", loss=-view.day_profit, limit=min(limits))
    return () if limits else ("NOT_CHECKED: daily loss (the day's first equity is not known)",)


def check_market(
    rules: RouteRules, view: AccountView, signal: Signal, *, symbol: str, price: Price | None, at: Millis
) -> tuple[str, ...]:
    """Spread, and the price against the last quote.

    :param price: what the sender saw, or a pending order's price
    :returns: notes on checks that could not be made
    :raises Refused: SPREAD_TOO_WIDE, PRICE_COLLAR, NO_SPEC
    """
    pips = [limit for limit in (rules.max_spread_pips, signal.alert.max_spread_pips) if limit is not None]
    if not pips and rules.max_spread_percent is None and rules.price_collar_percent is None:
        return ()
    quote = fresh_quote(view, rules, at)
    if quote is None:
        return ("NOT_CHECKED: spread and price collar (no quote that is young enough)",)
    spread = quote.ask - quote.bid
    if pips:
        in_pips = spread / pip_size(view, symbol)
        if in_pips > min(pips):
            raise refused("SPREAD_TOO_WIDE", spread=f"{in_pips:.1f} pips", limit=f"{min(pips)} pips")
    middle = (quote.ask + quote.bid) / 2
    percent = spread * 100 / middle if middle > 0 else ZERO
    if rules.max_spread_percent is not None and percent > rules.max_spread_percent:
        raise refused("SPREAD_TOO_WIDE", spread=f"{percent:.2f} %", limit=f"{rules.max_spread_percent} %")
    if rules.price_collar_percent is not None and price is not None and middle > 0:
        off = abs(price - middle) * 100 / middle
        if off > rules.price_collar_percent:
            limit = rules.price_collar_percent
            raise refused("PRICE_COLLAR", price=price, quote=middle, percent=f"{off:.2f}", limit=limit)
    return ()


def limits_room(rules: RouteRules) -> bool:
    """Whether :func:`check_room` has anything to check: it is the one that looks at every open order."""
    return any(limit is not None for limit in (rules.max_positions, rules.pyramiding, rules.max_exposure_lots))


def check_room(
    rules: RouteRules,
    own: Iterable[BrokerPosition],
    entries: Iterable[Order],
    *,
    symbol: str,
    side: Side,
    volume: Lots | None,
    parts: int,
) -> None:
    """Room for ``parts`` more positions and ``volume`` more lots.

    :param own: the route's positions on the account, without those that this decision closes
    :param entries: the route's entries under way, without those that this decision cancels
    :raises Refused: MAX_POSITIONS, EXPOSURE
    """
    held: list[tuple[str, Side | None, Lots]] = [(p.symbol, p.side, p.volume) for p in own]
    held += [(o.symbol, o.side, (o.volume or ZERO) - o.filled_volume) for o in entries]
    if rules.max_positions is not None and len(held) + parts > rules.max_positions:
        raise refused("MAX_POSITIONS", count=len(held) + parts, limit=rules.max_positions)
    same = [lots for name, way, lots in held if name == symbol and way is side]
    if rules.pyramiding is not None and len(same) + parts > rules.pyramiding:
        raise refused("MAX_POSITIONS", count=len(same) + parts, limit=rules.pyramiding)
    after = sum(same, Decimal(0)) + (volume or ZERO)
    if rules.max_exposure_lots is not None and after > rules.max_exposure_lots:
        raise refused("EXPOSURE", symbol=symbol, volume=after, limit=rules.max_exposure_lots)


def check_duplicate(rules: RouteRules, memory: RouteMemory, side: Side, volume: Lots | None, at: Millis) -> None:
    """The same side and volume again, too soon.

    :raises Refused: DUPLICATE_ORDER
    """
    if not rules.duplicate_window_s or memory.last_entry is None:
        return
    last_side, last_volume, then = memory.last_entry
    if (last_side, last_volume) == (side, volume) and at - then < rules.duplicate_window_s * 1000:
        raise refused("DUPLICATE_ORDER", side=side, volume=volume or "", since_s=(at - then) / 1000)
