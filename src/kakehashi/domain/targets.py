"""Target-position mode: bring the route's own share to where the strategy stands, whatever was missed.

Reducing is always allowed. An increase needs certainty: any doubt about what is held refuses it, and the next alert,
which carries the whole target again, heals the difference.
"""

from decimal import Decimal

import msgspec

from kakehashi.domain.alerts import Standing, Target
from kakehashi.domain.codes import refused
from kakehashi.domain.decision import Decision
from kakehashi.domain.entries import enter
from kakehashi.domain.exits import Case, close_all, close_volume
from kakehashi.domain.gates import time_left
from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.reversal import reverse_into
from kakehashi.domain.rules import CloseScope, OnGap
from kakehashi.domain.sizing import factor
from kakehashi.domain.values import ZERO, Lots, Side, round_down

_DOUBTFUL = frozenset({State.UNKNOWN, State.UNCONFIRMED})


def aim(case: Case) -> Decision:
    """What brings the position to the alert's target. The target is remembered even if its increase was refused.

    :raises Refused: STALE_TARGET, NO_FACTOR, EXPIRED_EXIT, and where only an increase was left, why it was refused
    """
    # Target mode settles its own share only: what other routes or people hold is no part of it.
    case = msgspec.structs.replace(case, rules=msgspec.structs.replace(case.rules, close_scope=CloseScope.ROUTE))
    target = case.alert.target
    if target is None:
        raise refused("BAD_TARGET")
    _refuse_stale(case)
    wanted = _wanted(case, target)
    return msgspec.structs.replace(_difference(case, target, wanted), target=target)


def _refuse_stale(case: Case) -> None:
    fired, last = case.alert.fired_at, case.memory.target_fired_at
    if fired is not None and last is not None and fired < last:
        raise refused("STALE_TARGET")


def _wanted(case: Case, target: Target) -> Lots | None:
    """Signed lots, rounded down to the step; None: this side, as the route sizes."""
    if target.position is Standing.FLAT or target.size == 0:
        return ZERO
    if target.size is None:
        return None
    lots = abs(target.size) * factor(case.rules)
    if case.rules.max_lots is not None:
        lots = min(lots, case.rules.max_lots)
    if case.view.instrument is not None:
        lots = round_down(lots, case.view.instrument.vol_step)
    return lots if target.position is Standing.LONG else -lots


def _difference(case: Case, target: Target, wanted: Lots | None) -> Decision:
    positions, entries = case.positions(), case.entries()
    if wanted == 0 and target.size != 0 and target.position is not Standing.FLAT and not positions:
        minimum = case.view.instrument.vol_min if case.view.instrument else ""
        raise refused("BELOW_MIN_VOLUME", volume=abs(target.size or ZERO) * factor(case.rules), minimum=minimum)
    if wanted == 0:
        return _flatten(case)
    side = Side.BUY if target.position is Standing.LONG else Side.SELL
    if any(p.side is side.opposite for p in positions) or any(o.side is side.opposite for o in entries):
        return reverse_into(case, side, lots=None if wanted is None else abs(wanted), blocked=_blocked(case, target))
    held = sum((p.volume for p in positions), ZERO) - closing(
        case.view.orders.exits(case.symbol), {p.ident for p in positions}
    )
    under_way = sum(((o.volume or ZERO) - o.filled_volume for o in entries), ZERO)
    if wanted is None:
        if positions or entries:
            return Decision(notes=("AT_TARGET: it already stands on this side",))
        return _increase(case, target, side, None)
    gap = abs(wanted) - held - under_way
    if gap > 0:
        return _increase(case, target, side, gap)
    return _reduce(case, abs(wanted), held, entries) if gap < 0 else Decision(notes=("AT_TARGET: nothing to do",))


def closing(orders: tuple[Order, ...], idents: set[str]) -> Lots:
    """Lots of these positions that exits under way will close."""
    exits = (o for o in orders if o.op in (Op.CLOSE, Op.CLOSE_PARTIAL) and o.target in idents)
    return sum(((o.volume or ZERO) - o.filled_volume for o in exits), ZERO)


def _flatten(case: Case) -> Decision:
    ttl_ms = time_left(case.signal, case.rules.exit_ttl_s, case.at, "EXPIRED_EXIT")
    if case.view.reported and case.view.fresh and not case.positions() and not case.entries():
        return Decision(notes=("AT_TARGET: flat",))
    return close_all(case, None, ttl_ms)


def _increase(case: Case, target: Target, side: Side, lots: Lots | None) -> Decision:
    blocked = _blocked(case, target)
    if blocked is not None:
        return blocked
    return enter(case, side, lots=lots)


def _reduce(case: Case, wanted: Lots, held: Lots, entries: tuple[Order, ...]) -> Decision:
    """Cancel what is unsent, then close what is too much, oldest first; what was sent counts when it filled."""
    ttl_ms = time_left(case.signal, case.rules.exit_ttl_s, case.at, "EXPIRED_EXIT")
    cancels = tuple(o.id for o in entries if o.state is State.QUEUED)
    excess = held - wanted
    if excess <= 0:
        return Decision(cancels=cancels, notes=("AT_TARGET: entries under way were withdrawn where possible",))
    busy = {o.target for o in case.view.orders.exits(case.symbol) if o.op in (Op.CLOSE, Op.CLOSE_PARTIAL)}
    free = tuple(p for p in case.positions() if p.ident not in busy) or case.positions()
    return msgspec.structs.replace(close_volume(case, excess, free, ttl_ms), cancels=cancels)


def _blocked(case: Case, target: Target) -> Decision | None:
    """Why nothing may be increased, or None."""
    doubt = _doubt(case)
    if doubt:
        return _no("TARGET_IN_DOUBT", doubt=doubt)
    memory = case.memory
    if memory.closed_by_other and memory.target is not None and _place(memory.target) == _place(target):
        return _no("CLOSED_BY_OTHER")
    if case.rules.on_gap is OnGap.HEAL or target.prev_position is None:
        return None
    last = (Standing.FLAT, ZERO) if memory.target is None else _place(memory.target)
    prev = _place(Target(position=target.prev_position, size=target.prev_size))
    sizes = None not in (last[1], prev[1])
    if prev[0] is not last[0] or (sizes and prev[1] != last[1]):
        return _no("TARGET_GAP", prev=_words(prev), last=_words(last))
    return None


def _no(code: str, **values: object) -> Decision:
    return Decision(code=code, values={key: str(value) for key, value in values.items()})


def _doubt(case: Case) -> str:
    """What is not certain about the route's share; empty: nothing."""
    if not case.view.reported:
        return "the account never reported"
    orders = (*case.view.orders.entries(case.symbol), *case.view.orders.exits(case.symbol))
    ours = [o for o in orders if o.route == case.route.name]
    unsure = [o.id for o in ours if o.state in _DOUBTFUL or (o.is_entry and o.volume is None)]
    if unsure:
        return "no result yet of " + ", ".join(unsure)
    return "longs and shorts are both open" if len({p.side for p in case.positions()}) > 1 else ""


def _place(target: Target) -> tuple[Standing, Decimal | None]:
    if target.position is Standing.FLAT or target.size == 0:
        return Standing.FLAT, ZERO
    return target.position, None if target.size is None else abs(target.size)


def _words(place: tuple[Standing, Decimal | None]) -> str:
    return place[0] if not place[1] else f"{place[0]} {place[1]}"
