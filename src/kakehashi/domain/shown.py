"""What the mirror alone says of a command: whether it lowers risk, and whether it was carried out (R7)."""

from typing import Final

from kakehashi.domain.frames import Cmd
from kakehashi.domain.linkstate import Mirror, ident
from kakehashi.domain.orders import State

EXITS: Final = frozenset({"CLOSE", "CLOSE_PARTIAL"})
LOWERING: Final = EXITS | {"CANCEL"}


def lowers_risk(cmd: Cmd, mirror: Mirror) -> bool:
    """Whether a command can only lower risk: exits, cancels, and a stop that moves the position's way and no further."""
    if cmd.op in LOWERING:
        return True
    if cmd.op != "MODIFY" or cmd.sl <= 0:
        return False
    row = next((row for row in mirror.positions.values() if ident(row) == cmd.target), None)
    if row is None:
        return False
    return row.sl == 0 or (cmd.sl >= row.sl if row.side == "B" else cmd.sl <= row.sl)


def shown(cmd: Cmd, mirror: Mirror) -> State | None:
    """What a fresh mirror alone proves of a command in doubt."""
    if cmd.op == "MODIFY":
        row = next((row for row in mirror.positions.values() if ident(row) == cmd.target), None)
        order = mirror.orders.get(cmd.target)
        if row is not None and (row.sl, row.tp) == (cmd.sl, cmd.tp):
            return State.DONE
        if order is not None and (order.sl, order.tp, order.price) == (cmd.sl, cmd.tp, cmd.price):
            return State.DONE
    if cmd.op == "PENDING" and resting_ticket(cmd, mirror):
        return State.PLACED
    if cmd.op == "CANCEL" and cmd.target not in mirror.orders:
        return State.DONE
    return None


def resting_ticket(cmd: Cmd, mirror: Mirror) -> str:
    """The pending order that this command placed, or empty: whoever cancels it later has to name it."""
    return next((row.ticket for row in mirror.orders.values() if row.magic == cmd.magic), "")
