"""What a report proves about an exit whose outcome is not known."""

from decimal import Decimal

import msgspec

from kakehashi.domain.messages import AccountReport, Deal, OrderReported
from kakehashi.domain.orders import Happening, Op, Order, State
from kakehashi.domain.reconcile import evidence
from kakehashi.domain.values import Side
from kakehashi.domain.views import BrokerPosition

AT, OURS, OTHER = 1_790_000_000_000, 71, 72
POSITION = BrokerPosition(
    account="a", ident="5", ticket="5", symbol="EURUSD", side=Side.BUY, volume=Decimal("0.1"), open_price=Decimal("1.1")
)
EXIT = Order(
    id="o", seq=1, account="a", route="r", signal_id="s", trace_id="t", op=Op.CLOSE, symbol="EURUSD", magic=OURS,
    created_at=AT, updated_at=AT, expires_at=AT, target="5", expect_vol=Decimal("0.1"), state=State.UNKNOWN,
)  # fmt: skip


def out_deal(magic: int) -> Deal:
    return Deal(
        ticket="d1", symbol="EURUSD", side=Side.SELL, entry="OUT", volume=Decimal("0.1"), price=Decimal("1.2"),
        time=AT, position="5", magic=magic,
    )  # fmt: skip


def proof(*deals: Deal, before: bool = True) -> tuple[Happening, Decimal]:
    """What is concluded when the position is gone now."""
    report = AccountReport(at=AT, account="a", positions=(), deals=deals)
    known = {"5": POSITION} if before else {}
    found: tuple[OrderReported, ...] = evidence([EXIT], report, known, deals, frozenset({OURS, OTHER}))
    return found[0].happening, found[0].volume


def test_a_deal_with_its_magic_or_with_no_magic_of_ours_fills_it() -> None:
    assert proof(out_deal(OURS)) == (Happening.FILLED, Decimal("0.1"))
    assert proof(out_deal(0)) == (Happening.FILLED, Decimal("0.1"))


def test_a_deal_of_another_order_of_ours_is_not_booked_twice() -> None:
    assert proof(out_deal(OTHER)) == (Happening.DONE, Decimal(0))


def test_without_deals_a_position_that_has_just_gone_was_closed_and_one_gone_before_was_not_by_us() -> None:
    assert proof() == (Happening.FILLED, Decimal("0.1"))
    assert proof(before=False) == (Happening.DONE, Decimal(0))


def test_a_resting_order_is_filled_by_its_magic_for_as_much_as_the_report_shows() -> None:
    resting = msgspec.structs.replace(EXIT, op=Op.PENDING, target="", volume=Decimal("0.2"), state=State.PLACED)
    for magic, volume, expected in (
        (OURS, "0.2", [Happening.FILLED]),
        (OURS, "0.1", [Happening.FILLED_PART]),
        (OTHER, "0.2", []),
    ):
        position = msgspec.structs.replace(POSITION, magic=magic, volume=Decimal(volume))
        report = AccountReport(at=AT, account="a", positions=(position,))
        found = evidence([resting], report, {}, (), frozenset({OURS, OTHER}))
        assert [(f.happening, f.volume) for f in found] == [(h, Decimal(volume)) for h in expected]
