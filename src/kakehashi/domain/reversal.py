"""Reversal: close, wait until all of it has closed, then open the other way with every check made again."""

import msgspec

from kakehashi.domain.codes import Refused, refused
from kakehashi.domain.decision import Decision, Intent
from kakehashi.domain.entries import enter
from kakehashi.domain.exits import Case, close_all
from kakehashi.domain.gates import time_left
from kakehashi.domain.values import Lots, Side


def reverse_into(case: Case, side: Side, *, lots: Lots | None = None, blocked: Decision | None = None) -> Decision:
    """Close what is open against ``side``, then enter.

    The exits go even if the entry is refused: then the decision carries them and the entry's code.

    :param lots: the entry's volume, where target mode says it
    :param blocked: why the entry is refused already
    :raises Refused: EXPIRED_EXIT
    """
    ttl_ms = time_left(case.signal, case.rules.exit_ttl_s, case.at, "EXPIRED_EXIT")
    exits = close_all(case, side.opposite, ttl_ms)
    leaving = frozenset(i.target for i in exits.intents if i.target)
    if blocked is None:
        try:
            entry = enter(case, side, lots=lots, leaving=leaving, cancelled=frozenset(exits.cancels))
        except Refused as no:
            blocked = Decision(code=no.code, values=no.values)
    if blocked is not None:
        return msgspec.structs.replace(exits, code=blocked.code, values=blocked.values)
    return msgspec.structs.replace(
        exits, intents=(*exits.intents, *_behind(case, entry.intents, lots)), notes=(*exits.notes, *entry.notes)
    )


def _behind(case: Case, entries: tuple[Intent, ...], lots: Lots | None) -> tuple[Intent, ...]:
    """One held entry, sized when its time comes. An account without reports gets it at once, in order of arrival."""
    if not case.view.reported:
        return entries
    first = entries[0]
    volume = None if lots is None else sum((i.volume for i in entries if i.volume is not None), lots * 0)
    return (msgspec.structs.replace(first, volume=volume, sl=None, tp=None, waits=True, held=True),)


def reverse(case: Case) -> Decision:
    """REVERSE: whichever side is open, to the other. Nothing open is nothing to reverse.

    :raises Refused: NOTHING_TO_CLOSE, MIXED, EXPIRED_EXIT
    """
    sides = {p.side for p in case.positions()}
    if len(sides) > 1:
        raise refused("MIXED", symbol=case.symbol, what="what to reverse")
    if sides:
        return reverse_into(case, sides.pop().opposite)
    if not case.view.reported and case.memory.last_entry is not None:
        return reverse_into(case, case.memory.last_entry[0].opposite)
    raise refused("NOTHING_TO_CLOSE", symbol=case.symbol)


def enter_after_exit(case: Case, side: Side, lots: Lots | None) -> Decision:
    """The held entry's second decision: only if nothing of the old side is left.

    :raises Refused: REVERSAL_INCOMPLETE and everything an entry can be refused for
    """
    left = sum(p.volume for p in case.positions(side.opposite))
    if left:
        raise refused("REVERSAL_INCOMPLETE", volume=left)
    return enter(case, side, lots=lots)
