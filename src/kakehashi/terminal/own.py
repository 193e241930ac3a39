"""A trade server in the terminal's own process, for a script that is alone, and for tests that want a world in their hands."""

import math
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kakehashi.terminal.accounts import World
from kakehashi.terminal.clock import Clock
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.doors import Lost, NotUnderstood, Unplayable
from kakehashi.terminal.server import TradeServer
from kakehashi.terminal.ticks import Playback, Recording

T = TypeVar("T")
SEED: Final = "KAKEHASHI_MT5_SEED"
TICKS: Final = "KAKEHASHI_MT5_TICKS"
SPEED: Final = "KAKEHASHI_MT5_SPEED"


class OwnServer:
    """A trade server without a process of its own: prices move when somebody looks.

    :param now_ms: the server's clock: the real one, or a :class:`~kakehashi.terminal.clock.Clock` that a test steps
    :param playback: recorded ticks in the place of seeded prices and of the clock
    :ivar used: the login that was used last, under ``""``
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        world: World | None = None,
        now_ms: Callable[[], int] | None = None,
        strict: bool = False,
        playback: Playback | None = None,
    ) -> None:
        world = world or World()
        now_ms = playback.clock.now_ms if playback else now_ms or Clock().now_ms
        self.broker = Broker(seed=seed, at=now_ms(), symbols=world.symbols, strict=strict, faults=world.faults)
        for spec in world.accounts:
            self.broker.open_account(spec)
        self._server = TradeServer(self.broker, None, now_ms)
        self._playback, self._unplayable = playback, ""
        self.used: dict[str, int] = {}

    def ask(self, method: str, params: Any, kind: type[T]) -> T:
        self._move()
        trading = self._account(params) if method == "order_send" else ""
        dice = self.broker.dice
        if trading and dice.drops_request(trading):
            raise Lost("the request was lost", sent=True)
        if trading and (pause_s := dice.delay_s(trading)):
            time.sleep(pause_s)
        try:
            answer: T = self._server.perform(method, params)
        except (ValueError, ArithmeticError, msgspec.ValidationError) as e:
            raise NotUnderstood(str(e)) from e
        if trading and dice.loses_answer(trading):
            raise Lost("the answer was lost", sent=True)
        return answer

    def close(self) -> None:
        """A terminal has gone; what it sent stays."""

    def _move(self) -> None:
        """:raises Unplayable: the recording is wrong where it has come to; so it stays"""
        if self._playback is None:
            self._server.catch_up()
            return
        if not self._unplayable:
            try:
                self._playback.play(self._server.hear)
            except ValueError as e:
                self._unplayable = str(e)
        if self._unplayable:
            raise Unplayable(self._unplayable)

    def _account(self, params: dict[str, Any]) -> str:
        book = self.broker.find(str(params.get("account")))
        return book.spec.account if book else ""


_own: OwnServer | None = None


def own_server() -> OwnServer:
    """This process's trade server: made when first asked for, from ``KAKEHASHI_MT5_SEED`` (a number or a word) and
    ``KAKEHASHI_MT5_TICKS`` (a recording, played ``KAKEHASHI_MT5_SPEED`` times faster), there until the process ends.

    :raises ValueError: the recording cannot be read, or the speed is none
    """
    global _own  # noqa: PLW0603  what a terminal sent must outlive the terminal
    if _own is None:
        said = os.environ.get(SEED) or "1"
        seed = int(said) if said.isdecimal() else zlib.crc32(said.encode())
        _own = OwnServer(seed=seed, playback=_playback())
    return _own


def _playback() -> Playback | None:
    path = os.environ.get(TICKS)
    if not path:
        return None
    said = os.environ.get(SPEED) or "1"
    try:
        speed = float(said)
    except ValueError:
        speed = math.nan
    if not 0.001 <= speed <= 1e9:
        raise ValueError(f"{SPEED}: expected 0.001 to 1e9, got {said}")
    try:
        return Playback(Recording(Path(path)), speed)
    except OSError as e:
        raise ValueError(f"{TICKS}: {e}") from None


def use_own_server(server: OwnServer | None) -> None:
    """Give this process's terminals another world; None is a fresh one. Terminals started before keep theirs."""
    global _own  # noqa: PLW0603
    _own = server
