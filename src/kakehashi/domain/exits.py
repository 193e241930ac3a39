"""Closing: which positions an exit means, how much of them, and what it has to wait for.

A position of a netting account is closed by its identifier too.
"""

from decimal import Decimal
from typing import Final

import msgspec

from kakehashi.domain.alerts import Action, Alert
from kakehashi.domain.codes import refused
from kakehashi.domain.decision import Decision, Intent
from kakehashi.domain.orders import IN_FLIGHT, Op, Order, State
from kakehashi.domain.rules import CloseScope, Route, RouteRules
from kakehashi.domain.values import ZERO, Instrument, Lots, Millis, Side, round_down
from kakehashi.domain.views import AccountView, BrokerPosition, RouteMemory, Signal

ONLY: Final = {
    **dict.fromkeys((Action.CLOSE_LONG, Action.TP_LONG, Action.CANCEL_LONG, Action.MODIFY_LONG), Side.BUY),
    **dict.fromkeys((Action.CLOSE_SHORT, Action.TP_SHORT, Action.CANCEL_SHORT, Action.MODIFY_SHORT), Side.SELL),
}
"""The side an action is limited to."""

UNMIRRORED_MS: Final = 60_000
"""So long after an entry a flat mirror is not proof that there is nothing to close."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that one decision looks at."""

    signal: Signal
    route: Route
    rules: RouteRules
    view: AccountView
    memory: RouteMemory
    at: Millis
    symbol: str

    @property
    def alert(self) -> Alert:
        return self.signal.alert

    def positions(self, side: Side | None = None, scope: CloseScope | None = None) -> tuple[BrokerPosition, ...]:
        """Positions on the symbol in the scope of closing, in the order in which they were reported."""
        scope = scope or self.rules.close_scope
        return tuple(
            p
            for p in self.view.positions
            if p.symbol == self.symbol and side in (None, p.side) and self._covers(scope, self.view.magics.get(p.magic))
        )

    def _covers(self, scope: CloseScope, owner: str | None) -> bool:
        if scope is CloseScope.ALL:
            return True
        return owner == self.route.name or (scope is CloseScope.OWN and owner is not None)

    def entries(self, side: Side | None = None) -> tuple[Order, ...]:
        """Our entries on the symbol, in the scope of closing, that have not ended."""
        own = self.rules.close_scope is CloseScope.ROUTE
        found = self.view.orders.entries(self.symbol, side)
        return tuple(o for o in found if o.route == self.route.name) if own else found

    def older_exits(self) -> tuple[str, ...]:
        """Exits that a new entry must not overtake: they could close it, or (netting) merge with it."""
        netting = self.view.account.margin_mode == "netting"
        return tuple(
            o.id
            for o in self.view.orders.exits(self.symbol)
            if o.op in (Op.CLOSE, Op.CLOSE_PARTIAL) and (netting or not o.target)
        )


def close_all(case: Case, side: Side | None, ttl_ms: Millis) -> Decision:
    """Close everything in scope: cancel unsent entries, wait for sent ones, then close what filled.

    The last intent is held behind sent entries: what they opened is known only afterwards.
    :raises Refused: NOTHING_TO_CLOSE
    """
    positions, entries = case.positions(side), case.entries(side)
    cancels = tuple(o.id for o in entries if o.state is State.QUEUED)
    sent = tuple(o.id for o in entries if o.state in IN_FLIGHT and o.state is not State.PLACED)
    intents = [_close(case, p, ttl_ms) for p in positions]
    intents += [_cancel(o, ttl_ms) for o in entries if o.state is State.PLACED]
    if not case.view.reported:
        return Decision(intents=(_blind(case, side, ttl_ms),), cancels=cancels)
    if sent:
        intents.append(_blind(case, side, ttl_ms, after=sent))
    if not intents and not cancels:
        if not _may_be_unmirrored(case):
            raise refused("NOTHING_TO_CLOSE", symbol=case.symbol)
        intents.append(_blind(case, side, ttl_ms))
    return Decision(intents=tuple(intents), cancels=cancels)


def close_part(case: Case, side: Side | None, ttl_ms: Millis) -> Decision:
    """Close a share of each position in scope; behind entries that are still under way.

    :raises Refused: NOTHING_TO_CLOSE, BELOW_MIN_VOLUME
    """
    ratio = part_of(case)
    if ratio >= 1:
        return close_all(case, side, ttl_ms)
    if not case.view.reported:
        return Decision(intents=(_blind(case, side, ttl_ms, ratio=ratio),))
    # An UNKNOWN or PLACED entry may stay so for long: the part of what is known must not wait for it.
    under_way = tuple(o.id for o in case.entries(side) if o.state not in (State.UNKNOWN, State.PLACED))
    if under_way:
        return Decision(intents=(_blind(case, side, ttl_ms, ratio=ratio, after=under_way),))
    positions = case.positions(side)
    if not positions:
        if not _may_be_unmirrored(case):
            raise refused("NOTHING_TO_CLOSE", symbol=case.symbol)
        return Decision(intents=(_blind(case, side, ttl_ms, ratio=ratio),))
    notes: list[str] = []
    intents = [intent for p in positions if (intent := _close_part(case, p, ratio, ttl_ms, notes))]
    if not intents:
        instrument = case.view.instrument
        raise refused("BELOW_MIN_VOLUME", volume=positions[0].volume * ratio, minimum=instrument and instrument.vol_min)
    return Decision(intents=tuple(intents), notes=tuple(notes))


def part_of(case: Case) -> Decimal:
    """The share of the CURRENT volume a TP signal closes.

    The alert's ratio, else the share of its target: shares are of the INITIAL volume, so the n-th closes
    ``share_n / (1 - shares before)`` of what is left when those before it were taken. Else the route's ratio.
    """
    alert, rules = case.alert, case.rules
    if alert.close_ratio is not None:
        return alert.close_ratio
    tps, index = alert.tps or rules.tps, alert.tp_index
    if index is None or not 1 <= index <= len(tps):
        return rules.tp_close_ratio
    total = sum((tp.share for tp in tps), Decimal(0))
    shares = [tp.share / total if total > 1 else tp.share for tp in tps]
    left = 1 - sum(shares[: index - 1], Decimal(0))
    last = total >= 1 and index == len(tps)  # thirds do not sum to 1 in decimals
    return Decimal(1) if last or left <= 0 else min(Decimal(1), shares[index - 1] / left)


def close_volume(case: Case, wanted: Lots, positions: tuple[BrokerPosition, ...], ttl_ms: Millis) -> Decision:
    """Close ``wanted`` lots of these positions, oldest first; a remainder below the minimum goes too, recorded."""
    intents: list[Intent] = []
    notes: list[str] = []
    left = wanted
    for position in positions:
        if left <= 0:
            break
        part = min(left, position.volume)
        intent = _closing(case, position, part, ttl_ms, notes)
        if intent is not None:
            intents.append(intent)
            left -= intent.volume or part
    return Decision(intents=tuple(intents), notes=tuple(notes))


def _close_part(case: Case, p: BrokerPosition, ratio: Decimal, ttl_ms: Millis, notes: list[str]) -> Intent | None:
    if case.view.instrument is None:
        intent = _close(case, p, ttl_ms)
        notes.append("NOT_CHECKED: volume step (no specification): the share is left to the executor")
        return msgspec.structs.replace(intent, op=Op.CLOSE_PARTIAL, volume=None, volume_ratio=ratio)
    return _closing(case, p, p.volume * ratio, ttl_ms, notes)


def _closing(case: Case, p: BrokerPosition, part: Lots, ttl_ms: Millis, notes: list[str]) -> Intent | None:
    """A close of ``part`` lots rounded down; of all where no remainder could stand; None below the minimum."""
    whole = _close(case, p, ttl_ms)
    closed = part_closed(p.volume, part, case.view.instrument)
    minimum = case.view.instrument and case.view.instrument.vol_min
    if closed == p.volume:
        if part < p.volume:
            notes.append(f"CLOSES_ALL: less than {minimum} lots of {p.ident} would be left")
        return whole
    if not closed:
        notes.append(f"BELOW_MIN_VOLUME: the part of {p.ident} is below {minimum} lots")
        return None
    return msgspec.structs.replace(whole, op=Op.CLOSE_PARTIAL, volume=closed, volume_ratio=closed / p.volume)


def part_closed(volume: Lots, part: Lots, instrument: Instrument | None) -> Lots:
    """How many of ``volume`` lots are closed where ``part`` should be: rounded down, all of them where no remainder could
    stand, 0 where the part is below the minimum.
    """
    if part >= volume or instrument is None:
        return min(part, volume)
    part = round_down(part, instrument.vol_step)
    if volume - part < instrument.vol_min or volume < 2 * instrument.vol_min:
        return volume
    return part if part >= instrument.vol_min else ZERO


def _close(case: Case, p: BrokerPosition, ttl_ms: Millis) -> Intent:
    return Intent(
        op=Op.CLOSE,
        symbol=case.symbol,
        ttl_ms=ttl_ms,
        side=p.side,
        volume=p.volume,
        target=p.ident,
        expect_vol=p.volume,
        comment=case.alert.comment or "",
    )


def _cancel(order: Order, ttl_ms: Millis) -> Intent:
    return Intent(op=Op.CANCEL, symbol=order.symbol, ttl_ms=ttl_ms, side=order.side, target=order.ticket or order.id)


def _blind(
    case: Case, side: Side | None, ttl_ms: Millis, *, ratio: Decimal | None = None, after: tuple[str, ...] = ()
) -> Intent:
    """An exit that can name no position. Behind entries it is held, and decided again when they have ended."""
    return Intent(
        op=Op.CLOSE if ratio is None else Op.CLOSE_PARTIAL,
        symbol=case.symbol,
        ttl_ms=ttl_ms,
        side=side,
        volume_ratio=ratio,
        opened_before=case.at - (case.at - case.signal.received_at) - max(0, case.signal.age_ms or 0),
        comment=case.alert.comment or "",
        after=after,
        held=bool(after),
    )


def _may_be_unmirrored(case: Case) -> bool:
    """Whether something of ours may be open that the mirror does not show, and nothing foreign would be hit."""
    if case.rules.close_scope is not CloseScope.ALL and case.positions(scope=CloseScope.ALL):
        return False
    last = case.memory.entries[-1] if case.memory.entries else None
    return not case.view.fresh or (last is not None and case.at - last < UNMIRRORED_MS)


def cancel_entries(case: Case, side: Side | None, ttl_ms: Millis) -> Decision:
    """Withdraw entries that have not filled; unsent ones end here, placed ones at the broker.

    :raises Refused: NOTHING_TO_CLOSE
    """
    entries = case.entries(side)
    cancels = tuple(o.id for o in entries if o.state is State.QUEUED)
    intents = tuple(_cancel(o, ttl_ms) for o in entries if o.state in (State.PLACED, State.PARTIAL))
    if not intents and not cancels:
        raise refused("NOTHING_TO_CLOSE", symbol=case.symbol)
    return Decision(intents=intents, cancels=cancels)
