"""Exits that opened something, and the corrections that the EA makes of them (R10).

On a netting account an exit is an opposite deal; where a trade by hand, a stop or a target was faster, it opens a position.
The EA takes that back at once, by an act of its own, and tells it as the result of ``fixN-ID``: the N-th correction of the
exit ID. A person is told of both.
"""

from collections.abc import Iterable
from typing import Final

from kakehashi.domain.frames import DealRow, Evt
from kakehashi.domain.linkwords import Alarm

EXIT_OPENED: Final = "EXIT_OPENED"
_OPENS: Final = frozenset({"IN", "INOUT"})


def opens(rows: Iterable[DealRow]) -> bool:
    """Whether an exit's deals did more than close."""
    return any(row.entry.upper() in _OPENS for row in rows)


def opened(command: str, rows: Iterable[DealRow]) -> Alarm:
    """What a person is told of an exit that opened something."""
    told = (f"{row.entry} {row.side} {row.volume} {row.symbol} at {row.price}" for row in rows if opens((row,)))
    return Alarm(code=EXIT_OPENED, subject=command, text="; ".join(told)[:300])


def corrected(evt: Evt) -> Alarm | None:
    """What became of a correction; None: the event is of no correction, or not its end."""
    head, _, exit_id = evt.id.partition("-")
    if head[:3] != "fix" or not head[3:].isdigit() or not exit_id or evt.st in ("PLACED", "PARTIAL"):
        return None
    if opens(evt.deals):
        return opened(exit_id, evt.deals)
    why = " ".join(part for part in (evt.st, evt.reason, str(evt.retcode or "")) if part)
    text = f"taken back: {evt.vol} at {evt.price}" if evt.vol else "nothing was left of it" if evt.st == "DONE" else ""
    return Alarm(code=EXIT_OPENED, subject=exit_id, text=(text or f"not taken back: {why}")[:300])
