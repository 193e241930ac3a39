"""What goes wrong between a script and its simulated terminal, on request and from a seed.

What goes wrong at the broker (requotes, partial fills, closed markets, delays) is asked for there:
:class:`~kakehashi.terminal.core.faults.Faults`. Here the terminal itself misbehaves. Ask for it by :func:`cause`, for one
call by :func:`next_call`, or by ``KAKEHASHI_MT5_TROUBLES="seed=7,hang=0.001"``, read when a terminal is started.
"""

import os
import random
import time
from collections import deque
from enum import StrEnum
from typing import Final

import msgspec

from kakehashi.terminal.core.faults import Chance, require_sane

VARIABLE: Final = "KAKEHASHI_MT5_TROUBLES"


class Trouble(StrEnum):
    """IPC_TIMEOUT: the call ends with -10005; an order_send may have been carried out or not.
    LOSE_ANSWER: order_send is carried out, and ends with -10005. RESTART: the terminal closes, every call ends with
    -10004 until ``initialize()``. HANG: the call does not come back. DISCONNECT: the terminal loses its trade server for
    a while: prices stand still, requests are answered with 10031.
    """

    IPC_TIMEOUT = "ipc_timeout"
    LOSE_ANSWER = "lose_answer"
    RESTART = "restart"
    HANG = "hang"
    DISCONNECT = "disconnect"


class Troubles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often for each call, from 0 (never) to 1 (always), and for how many seconds."""

    seed: int = 1
    ipc_timeout: Chance = 0.0
    lose_answer: Chance = 0.0
    restart: Chance = 0.0
    hang: Chance = 0.0
    disconnect: Chance = 0.0
    ipc_timeout_s: float = 0.0
    hang_s: float = 86_400.0
    disconnect_s: float = 5.0

    def __post_init__(self) -> None:
        require_sane(self, "troubles", Trouble, ("ipc_timeout_s", "hang_s", "disconnect_s"))


class Gremlin:
    """Draws the troubles of one process: the same calls meet the same ones."""

    def __init__(self, troubles: Troubles) -> None:
        self.troubles = troubles
        self._dice = random.Random(troubles.seed)

    def draw(self, *kinds: Trouble) -> Trouble | None:
        """Which of these, if any, meets this call."""
        if _asked and _asked[0] in kinds:
            return _asked.popleft()
        chances = ((kind, getattr(self.troubles, kind)) for kind in kinds)
        return next((kind for kind, chance in chances if chance and self._dice.random() < chance), None)

    def coin(self) -> bool:
        return self._dice.random() < 0.5

    def hang(self) -> None:
        time.sleep(self.troubles.hang_s)


_asked: deque[Trouble] = deque()
_gremlin = Gremlin(Troubles())
_read: str = ""


def cause(troubles: Troubles | None) -> None:
    """From now on these; None ends them all, also what :func:`next_call` asked for."""
    global _gremlin  # noqa: PLW0603  one terminal for the process
    _asked.clear()
    _gremlin = Gremlin(troubles or Troubles())


def next_call(trouble: Trouble) -> None:
    """Let the next call meet it; asked for several times, the next calls one after the other."""
    _asked.append(Trouble(trouble))


def gremlin() -> Gremlin:
    return _gremlin


def read_environment() -> None:
    """Take ``KAKEHASHI_MT5_TROUBLES`` into account, once for each value.

    :raises ValueError: an unknown name, or a value that is none
    """
    global _read  # noqa: PLW0603
    said = os.environ.get(VARIABLE, "")
    if said != _read:
        _read = said
        cause(parsed(said))


def parsed(said: str) -> Troubles:
    """``seed=7,hang=0.001``.

    :raises ValueError: an unknown name, or a value that is none
    """
    pairs = {
        name: value for name, _, value in (part.partition("=") for part in said.replace(" ", "").split(",")) if name
    }
    try:
        return msgspec.convert(pairs, Troubles, strict=False)
    except msgspec.ValidationError as e:
        raise ValueError(f"{VARIABLE}: {e}") from None
