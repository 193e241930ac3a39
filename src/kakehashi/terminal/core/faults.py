"""What may go wrong with a trade request, on request and from a seed: the same requests meet the same faults."""

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from kakehashi.terminal.core.words import Retcode, Side, Symbol

Chance = float
_COMMENTS: Final = {
    Retcode.REQUOTE: "requote",
    Retcode.PRICE_OFF: "no prices to process the request",
    Retcode.REJECT: "request rejected by the dealer",
}


def require_sane(told: msgspec.Struct, what: str, chances: Iterable[str], amounts: Iterable[str]) -> None:
    """
    :raises ValueError: a chance beyond 0 to 1, or an amount that is negative or huge
    """
    for name in chances:
        if not 0 <= getattr(told, name) <= 1:
            raise ValueError(f"{what}: {name} is a chance from 0 to 1, got {getattr(told, name)}")
    for name in amounts:
        if not 0 <= getattr(told, name) < 1e6:
            raise ValueError(f"{what}: {name} must not be negative or huge, got {getattr(told, name)}")


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """How often, from 0 (never) to 1 (always), and how badly.

    :ivar requote: a market order is answered with 10004 and new prices
    :ivar price_off: a market order is answered with 10021
    :ivar reject: a market or pending order is refused by the dealer, 10006
    :ivar partial: a market order that may be filled in part gets only some of its lots
    :ivar slippage: standard deviation of what market and stop orders pay or gain against the quote, in points
    :ivar delay: the server takes ``delay_s`` seconds over a trade request
    :ivar queue: a market order is answered with 10008 and dealt ``queue_s`` seconds later, or refused then
    :ivar drop: a trade request is lost with the connection before the server reads it
    :ivar lose_answer: a trade request is carried out, and the connection lost instead of its answer
    :ivar sides_only: on netting accounts a market order is judged by its side alone, whatever position it names: an exit that
        comes too late opens one
    :ivar accounts: only these; empty is all
    """

    requote: Chance = 0.0
    price_off: Chance = 0.0
    reject: Chance = 0.0
    partial: Chance = 0.0
    slippage: float = 0.0
    delay: Chance = 1.0
    delay_s: float = 0.0
    queue: Chance = 0.0
    queue_s: float = 1.0
    drop: Chance = 0.0
    lose_answer: Chance = 0.0
    sides_only: bool = False
    accounts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        chances = ("requote", "price_off", "reject", "partial", "delay", "queue", "drop", "lose_answer")
        require_sane(self, "faults", chances, ("slippage", "delay_s", "queue_s"))


class Dice:
    """Draws the faults. Dealing and sending draw apart, so that a slow wire does not change what is dealt."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._dealing = random.Random(f"{seed}:dealing")
        self._sending = random.Random(f"{seed}:sending")

    def refusal(self, account: str, *, market_order: bool) -> tuple[Retcode, str] | None:
        """Why this request is refused although nothing is wrong with it."""
        if not self._meant(account):
            return None
        f = self.faults
        chances = {Retcode.REJECT: f.reject}
        if market_order:
            chances |= {Retcode.REQUOTE: f.requote, Retcode.PRICE_OFF: f.price_off}
        for retcode, chance in chances.items():
            if chance and self._dealing.random() < chance:
                return retcode, _COMMENTS[retcode]
        return None

    def part_of(self, account: str, spec: Symbol, volume: Decimal) -> Decimal:
        """How much of these lots the market has after all: at least the symbol's least volume."""
        steps = int((volume - spec.vol_min) / spec.vol_step)
        if not self.faults.partial or steps < 1 or not self._meant(account):
            return volume
        if self._dealing.random() >= self.faults.partial:
            return volume
        return spec.vol_min + self._dealing.randrange(steps) * spec.vol_step

    def slipped(self, account: str, spec: Symbol, side: Side, price: Decimal) -> Decimal:
        """What an order on this side really gets, for better or worse; at least one point."""
        if not self.faults.slippage or not self._meant(account):
            return price
        points = round(self._dealing.gauss(0.0, self.faults.slippage))
        return max(spec.point, price + side.sign * points * spec.point)

    def queued_ms(self, account: str) -> int:
        """How long a market order waits after it was answered; 0 is not at all."""
        f = self.faults
        if not f.queue or not self._meant(account) or self._dealing.random() >= f.queue:
            return 0
        return max(1, round(f.queue_s * 1000))

    def drops_request(self, account: str) -> bool:
        chance = self.faults.drop
        return bool(chance) and self._meant(account) and self._sending.random() < chance

    def delay_s(self, account: str) -> float:
        f = self.faults
        if not f.delay_s or not self._meant(account):
            return 0.0
        return f.delay_s if self._sending.random() < f.delay else 0.0

    def loses_answer(self, account: str) -> bool:
        chance = self.faults.lose_answer
        return bool(chance) and self._meant(account) and self._sending.random() < chance

    def sides_only(self, account: str) -> bool:
        return self.faults.sides_only and self._meant(account)

    def _meant(self, account: str) -> bool:
        return not self.faults.accounts or account in self.faults.accounts
