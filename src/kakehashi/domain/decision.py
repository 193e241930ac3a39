"""What decide() answers: what is to be done on one account, or why nothing is."""

import msgspec

from kakehashi.domain.alerts import OrderKind, Target
from kakehashi.domain.orders import Op
from kakehashi.domain.values import Lots, Millis, Price, Side


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to be done. The shell makes an Order of it: ids and times are not decided here.

    :ivar symbol: the broker's name
    :ivar side: of an entry, its own; of an exit, of the position it closes; None is either side
    :ivar volume: lots; None leaves it to the executor, or (held) to the second decision
    :ivar volume_ratio: of the position's volume at execution, for a CLOSE_PARTIAL
    :ivar sl: of a MODIFY both levels are set; 0 is "none"
    :ivar target: the position's identifier, or the ticket of the pending order a CANCEL means
    :ivar expect_vol: the volume the position had at the decision
    :ivar opened_before: an exit without target touches nothing younger
    :ivar ttl_ms: how long it stays valid, from ``at``
    :ivar tightening: a MODIFY that only lowers risk, privileged like an exit
    :ivar waits: it must follow the earlier intents of this decision, each of them ended
    :ivar held: not to be offered: :func:`~kakehashi.domain.decide.redecide` says what becomes of it when all that
        it waits for has ended
    :ivar after: ids of earlier orders that must have ended first
    """

    op: Op
    symbol: str
    ttl_ms: Millis
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
    tightening: bool = False
    comment: str = ""
    waits: bool = False
    held: bool = False

    @property
    def is_entry(self) -> bool:
        return self.op in (Op.OPEN, Op.PENDING)

    after: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be done on one account, in this order.

    With a ``code`` and no intents it is refused; with both, the exits go and what would open was refused. With neither
    there was nothing to do, and the notes say why.

    :ivar values: what fills the code's text (:func:`~kakehashi.domain.codes.render`)
    :ivar notes: stable words first: ``NOT_CHECKED: ...``, ``CLAMPED: ...``
    :ivar cancels: ids of our undelivered orders that end with this decision
    :ivar target: the target that was taken, to be remembered (target mode)
    :ivar pause: the route is to be paused (True) or resumed (False)
    """

    intents: tuple[Intent, ...] = ()
    code: str = ""
    values: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    cancels: tuple[str, ...] = ()
    target: Target | None = None
    pause: bool | None = None

    @property
    def refused(self) -> bool:
        return bool(self.code) and not self.intents and not self.cancels
