"""An order's life, from the decision to the fill. The words of a venue stay in its module.

Source: PROTOCOL section 3 (states), laws 4 and 5.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from kakehashi.domain.alerts import OrderKind
from kakehashi.domain.errors import IllegalTransition
from kakehashi.domain.values import ZERO, Lots, Millis, Money, Price, Side


class Op(StrEnum):
    OPEN = "OPEN"
    CLOSE = "CLOSE"
    CLOSE_PARTIAL = "CLOSE_PARTIAL"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    PENDING = "PENDING"


class State(StrEnum):
    QUEUED = "QUEUED"
    """Durable, not yet told to anyone."""
    SENT = "SENT"
    """Leased to an executor, which may or may not act."""
    ACKED = "ACKED"
    UNCONFIRMED = "UNCONFIRMED"
    """Taken by an executor that does not report results; the next position report resolves it."""
    UNKNOWN = "UNKNOWN"
    """The lease ended without a result: only evidence moves it on."""
    PLACED = "PLACED"
    PARTIAL = "PARTIAL"
    TAKEN = "TAKEN"
    """Taken by an executor from which no reports ever come: the last that can be known."""
    FILLED = "FILLED"
    DONE = "DONE"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_EXECUTED = "NOT_EXECUTED"
    CANCELLED = "CANCELLED"
    DEAD = "DEAD"
    """In the dead letters: a person decides."""


TERMINAL: Final = frozenset(
    {
        State.TAKEN,
        State.FILLED,
        State.DONE,
        State.REJECTED,
        State.EXPIRED,
        State.NOT_EXECUTED,
        State.CANCELLED,
        State.DEAD,
    }
)
IN_FLIGHT: Final = frozenset({State.SENT, State.ACKED, State.UNCONFIRMED, State.UNKNOWN, State.PLACED, State.PARTIAL})


class Happening(StrEnum):
    """What may befall an order."""

    LEASED = "leased"
    ACKED = "acked"
    """On the executor's record: it may act from now on."""
    TAKEN = "taken"
    PLACED = "placed"
    FILLED_PART = "filled_part"
    FILLED = "filled"
    DONE = "done"
    REJECTED = "rejected"
    NACKED = "nacked"
    LEASE_ENDED = "lease_ended"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ABSENT = "absent"
    """Evidence that the executor never acted."""
    UNREPORTED = "unreported"
    """Nobody will ever report on it."""
    GIVEN_UP = "given_up"
    RETRIED = "retried"
    DISCARDED = "discarded"


H = Happening
_RESULTS: Final = {
    H.PLACED: State.PLACED,
    H.FILLED_PART: State.PARTIAL,
    H.FILLED: State.FILLED,
    H.DONE: State.DONE,
    H.REJECTED: State.REJECTED,
}
_EVIDENCE: Final = {**_RESULTS, H.ABSENT: State.NOT_EXECUTED, H.GIVEN_UP: State.DEAD}
_ENDS: Final = {H.CANCELLED: State.CANCELLED, H.EXPIRED: State.EXPIRED}

TRANSITIONS: Final[Mapping[State, Mapping[Happening, State]]] = {
    State.QUEUED: {
        H.LEASED: State.SENT,
        H.EXPIRED: State.EXPIRED,
        H.CANCELLED: State.CANCELLED,
        H.REJECTED: State.REJECTED,
        H.GIVEN_UP: State.DEAD,
    },
    State.SENT: {
        **_EVIDENCE,
        **_ENDS,
        H.ACKED: State.ACKED,
        H.TAKEN: State.UNCONFIRMED,
        H.NACKED: State.QUEUED,
        H.LEASE_ENDED: State.UNKNOWN,
        H.UNREPORTED: State.TAKEN,
    },
    State.ACKED: {**_EVIDENCE, **_ENDS, H.LEASE_ENDED: State.UNKNOWN},
    State.UNCONFIRMED: {**_EVIDENCE, H.UNREPORTED: State.TAKEN},
    State.UNKNOWN: {**_EVIDENCE, **_ENDS, H.LEASED: State.SENT, H.TAKEN: State.UNCONFIRMED},
    State.PLACED: {**_EVIDENCE, **_ENDS},
    State.PARTIAL: {
        H.FILLED_PART: State.PARTIAL,
        H.FILLED: State.FILLED,
        H.DONE: State.FILLED,
        H.REJECTED: State.REJECTED,
        H.GIVEN_UP: State.DEAD,
        **_ENDS,
    },
    State.DEAD: {**_RESULTS, H.RETRIED: State.QUEUED, H.DISCARDED: State.CANCELLED},
    State.TAKEN: {**_RESULTS},
    State.EXPIRED: {},
    State.CANCELLED: {H.FILLED: State.FILLED},
    State.NOT_EXECUTED: {H.FILLED: State.FILLED, H.FILLED_PART: State.PARTIAL},
}
"""(state, happening) to the next state; every other pair is illegal."""


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One command to one account. The same ``id`` twice is one act (law 5).

    :ivar seq: the command number within the installation; ``magic`` carries it (R18)
    :ivar symbol: the broker's name
    :ivar side: of an entry its own, of an exit the position's; None is either
    :ivar volume: lots; None leaves it to the executor (only where the account never reported)
    :ivar volume_ratio: share of the current volume a CLOSE_PARTIAL closes
    :ivar target: the position's identifier an exit means, or empty
    :ivar opened_before: an exit without target touches nothing younger (ms UTC)
    :ivar waits_for: order ids that must end before this one is offered
    :ivar held: the entry of a reversal: every check is made again when its exits have filled
    :ivar remembers: the executor it was leased to declared that it remembers ids and looks up ``magic``
    :ivar linked: it went out over the EA link, which alone says what became of it
    :ivar code: the reason code of its end, where it has one
    :ivar repeats: how many exits before this one were overtaken by the world and decided again
    :ivar past: every state it came into, and when, oldest first
    """

    id: str
    seq: int
    account: str
    route: str
    signal_id: str
    trace_id: str
    op: Op
    symbol: str
    magic: int
    created_at: Millis
    expires_at: Millis
    updated_at: Millis
    signal: str = ""
    timeframe: str = ""
    bar_time: Millis | None = None
    alert_price: Price | None = None
    signal_symbol: str = ""
    side: Side | None = None
    kind: OrderKind = OrderKind.MARKET
    volume: Lots | None = None
    volume_ratio: Lots | None = None
    price: Price | None = None
    sl: Price | None = None
    tp: Price | None = None
    target: str = ""
    expect_vol: Lots | None = None
    opened_before: Millis | None = None
    comment: str = ""
    state: State = State.QUEUED
    waits_for: tuple[str, ...] = ()
    held: bool = False
    attempt: int = 0
    instance: str = ""
    lease_until: Millis | None = None
    remembers: bool = False
    linked: bool = False
    filled_volume: Lots = ZERO
    filled_price: Price | None = None
    ticket: str = ""
    retcode: int | None = None
    code: str = ""
    reason: str = ""
    past: tuple[tuple[State, Millis], ...] = ()
    repeats: int = 0

    @property
    def key(self) -> str:
        """What the mailbox acknowledges by."""
        return self.id

    @property
    def is_entry(self) -> bool:
        return self.op in (Op.OPEN, Op.PENDING)

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether others need not wait for it any more: it has ended, or rests in the market for as long as it takes."""
        return self.terminal or (self.op is Op.PENDING and self.state is State.PLACED)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue executed for an order. ``id`` is deterministic, so a repeated report is one fill."""

    id: str
    order_id: str
    account: str
    symbol: str
    side: Side | None
    op: Op
    volume: Lots
    price: Price
    at: Millis
    ticket: str = ""
    profit: Money = ZERO


def step(order: Order, happening: Happening) -> State:
    """The state that follows.

    :raises IllegalTransition: ``happening`` cannot befall an order in this state
    """
    after = TRANSITIONS.get(order.state, {}).get(happening)
    if after is None:
        raise IllegalTransition(
            "ILLEGAL_TRANSITION",
            f"order {order.id} is {order.state}: {happening} cannot happen to it",
            hint="kakehashi trace " + order.id,
        )
    return after
