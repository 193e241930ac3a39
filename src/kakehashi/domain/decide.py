"""From an alert to what is to be done on one account. Pure: the same inputs give the same decision (law 3).

Exits skip every rail (law 6); what opens passes all of them; nothing ends without a code (law 7).
"""

import msgspec

from kakehashi.domain.alerts import Action, Alert
from kakehashi.domain.codes import Refused, refused
from kakehashi.domain.decision import Decision, Intent
from kakehashi.domain.entries import enter
from kakehashi.domain.exits import ONLY, Case, cancel_entries, close_all, close_part
from kakehashi.domain.gates import check_account, time_left
from kakehashi.domain.orders import Op, Order
from kakehashi.domain.reversal import enter_after_exit, reverse, reverse_into
from kakehashi.domain.rules import Route
from kakehashi.domain.stops import breakeven, level_price, tightens
from kakehashi.domain.targets import aim
from kakehashi.domain.values import ZERO, Millis, Price, Side
from kakehashi.domain.views import AccountView, BrokerPosition, RouteMemory, Signal

__all__ = ["Decision", "Intent", "decide", "redecide"]


def decide(
    signal: Signal, route: Route, view: AccountView, memory: RouteMemory, *, at: Millis, symbol: str
) -> Decision:
    """What this alert means for this account.

    :param at: now, ms UTC
    :param symbol: the broker's name of the alert's symbol
    """
    case = _case(signal, route, view, memory, at, symbol)
    try:
        check_account(view)
        return _act(case)
    except Refused as no:
        return Decision(code=no.code, values=no.values)


def redecide(
    order: Order, signal: Signal, route: Route, view: AccountView, memory: RouteMemory, *, at: Millis
) -> Decision:
    """What becomes of a held order, now that all it waited for has ended: every check is made again.

    The entry of a reversal opens if nothing of the old side is left, else REVERSAL_INCOMPLETE. An exit closes what
    the entries before it opened. ``view`` must already show the fills of what was waited for, and not ``order``.
    """
    own = order.created_at  # the order's own first acceptance is no earlier entry
    entries = tuple(then for then in memory.entries if then != own)
    last = None if memory.last_entry is not None and memory.last_entry[2] == own else memory.last_entry
    memory = msgspec.structs.replace(memory, entries=entries, last_entry=last)
    case = _case(signal, route, view, memory, at, order.symbol)
    try:
        check_account(view)
        if order.is_entry and order.side is not None:
            return enter_after_exit(case, order.side, order.volume)
        ttl_ms = time_left(signal, case.rules.exit_ttl_s, at, "EXPIRED_EXIT")
        side = order.side
        return close_part(case, side, ttl_ms) if order.op is Op.CLOSE_PARTIAL else close_all(case, side, ttl_ms)
    except Refused as no:
        return Decision(code=no.code, values=no.values)


def _case(signal: Signal, route: Route, view: AccountView, memory: RouteMemory, at: Millis, symbol: str) -> Case:
    rules = route.rules_for(view.account.name)
    return Case(signal=signal, route=route, rules=rules, view=view, memory=memory, at=at, symbol=symbol)


def _act(case: Case) -> Decision:
    action = case.alert.action
    if action in (Action.BUY, Action.SELL):
        return _open(case, Side(action.value))
    if action is Action.REVERSE:
        return reverse(case)
    if action is Action.TARGET:
        return aim(case)
    if action in (Action.PAUSE, Action.RESUME):
        return Decision(pause=action is Action.PAUSE)
    ttl_ms = time_left(case.signal, case.rules.exit_ttl_s, case.at, "EXPIRED_EXIT")
    side = ONLY.get(action)
    if action.startswith("CLOSE"):
        return close_part(case, side, ttl_ms) if case.alert.close_ratio is not None else close_all(case, side, ttl_ms)
    if action.startswith("TP"):
        return close_part(case, side, ttl_ms)
    if action.startswith("CANCEL"):
        return cancel_entries(case, side, ttl_ms)
    return _modify(case, side, ttl_ms)


def _open(case: Case, side: Side) -> Decision:
    if case.rules.reverse:
        against = case.positions(side.opposite) or case.entries(side.opposite)
        if against or not case.view.reported:
            return reverse_into(case, side)
    return enter(case, side)


def _modify(case: Case, side: Side | None, ttl_ms: Millis) -> Decision:
    """New stops for each position in scope. What tightens is privileged; what loosens needs a healthy account.

    :raises Refused: VENUE_UNSUPPORTED, NOTHING_TO_CLOSE, KILLED, STALE_ACCOUNT, and those of the levels
    """
    if not case.view.reported:
        raise refused("VENUE_UNSUPPORTED", what="a change of stops")
    positions = case.positions(side)
    if not positions:
        raise refused("NOTHING_TO_CLOSE", symbol=case.symbol)
    intents: list[Intent] = []
    notes: list[str] = []
    blocked = ""
    for position in positions:
        sl, tp = _levels(case, position)
        tightening = tightens(position, sl, tp)
        if (sl, tp) == (position.sl, position.tp):
            notes.append(f"UNCHANGED: {position.ident} has these levels already")
        elif case.alert.action is Action.BREAKEVEN and not (tightening and _passed(case, position, sl)):
            notes.append(f"NOT_YET: break-even would not protect {position.ident}")
        elif not tightening and (case.view.killed or not case.view.fresh):
            blocked = "KILLED" if case.view.killed else "STALE_ACCOUNT"
        else:
            intents.append(_change(case, position, sl=sl, tp=tp, ttl_ms=ttl_ms, tightening=tightening))
    return Decision(intents=tuple(intents), code=blocked, notes=tuple(notes))


def _levels(case: Case, position: BrokerPosition) -> tuple[Price, Price]:
    """The position's new stop and target; what was not sent stays, a sent 0 removes."""
    alert = case.alert
    if alert.action is Action.BREAKEVEN:
        return breakeven(position, case.rules.breakeven_offset_pips, case.view), position.tp
    sl = position.sl
    if alert.sl is not None:
        sl = _price(case, alert, position, -1)
    tp = position.tp
    if alert.tps:
        tp = _price(case, alert, position, 1)
    return sl, tp


def _price(case: Case, alert: Alert, position: BrokerPosition, toward: int) -> Price:
    level = alert.sl if toward < 0 else alert.tps[-1].level
    if level is None or level.value == 0:
        return ZERO
    return level_price(
        level,
        position.side,
        toward,
        alert,
        case.rules,
        case.view,
        symbol=case.symbol,
        entry=position.open_price,
        sl=position.sl or None,
    )


def _passed(case: Case, position: BrokerPosition, sl: Price) -> bool:
    """Whether the market is beyond the new stop; unknown counts as yes: the broker refuses what is not."""
    quote = case.view.quote
    return quote is None or (quote.entry(position.side.opposite) - sl) * position.side.sign > 0


def _change(case: Case, position: BrokerPosition, *, sl: Price, tp: Price, ttl_ms: Millis, tightening: bool) -> Intent:
    return Intent(
        op=Op.MODIFY,
        symbol=case.symbol,
        ttl_ms=ttl_ms,
        side=position.side,
        sl=sl,
        tp=tp,
        target=position.ident,
        expect_vol=position.volume,
        tightening=tightening,
    )
