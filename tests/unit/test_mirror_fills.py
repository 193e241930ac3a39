"""An execution may be told before or after the state that shows it; the mirror must not count it twice."""

from decimal import Decimal

import msgspec

from kakehashi.domain.messages import AccountReport, Deal
from kakehashi.domain.orders import Op, Order
from kakehashi.domain.values import Side
from kakehashi.domain.views import BrokerPosition
from kakehashi.engine.mirror import Mirror

D = Decimal
AT = 1_790_000_000_000


def held(volume: str) -> BrokerPosition:
    return BrokerPosition(
        account="a", ident="1001", ticket="1001", symbol="EURUSD", side=Side.BUY, volume=D(volume), open_price=D("1.1")
    )


def mirror(*positions: BrokerPosition) -> Mirror:
    mirror = Mirror(account="a")
    mirror.apply(AccountReport(at=AT, account="a", positions=positions))
    return mirror


def exit_of(volume: str, *, of: str) -> Order:
    """An exit that has filled ``volume`` lots of a position that had ``of``."""
    return Order(
        id="o", seq=1, account="a", route="r", signal_id="s", trace_id="t", op=Op.CLOSE_PARTIAL, symbol="EURUSD", magic=1,
        created_at=AT, expires_at=AT, updated_at=AT, target="1001", volume=D(volume), expect_vol=D(of),
        filled_volume=D(volume),
    )  # fmt: skip


def volumes(mirror: Mirror) -> list[Decimal]:
    return [p.volume for p in mirror.positions.values()]


def test_a_part_that_was_closed_counts_once_whichever_is_told_first() -> None:
    before, after = mirror(held("0.09")), mirror(held("0.05"))
    for seen in (before, after):
        seen.fill(exit_of("0.04", of="0.09"), D("0.04"))
    assert volumes(before) == volumes(after) == [D("0.05")]


def test_what_is_left_of_nothing_is_nothing() -> None:
    seen = mirror(held("0.09"))
    seen.fill(exit_of("0.09", of="0.09"), D("0.09"))
    assert volumes(seen) == []


def test_on_a_netting_account_an_entry_makes_no_position_beside_the_symbols_own() -> None:
    entry = msgspec.structs.replace(exit_of("0.06", of="0"), op=Op.OPEN, side=Side.BUY, ticket="1002", target="")
    netting, hedging = mirror(held("0.10")), mirror(held("0.10"))
    netting.fill(entry, D("0.06"), netting=True)
    hedging.fill(entry, D("0.06"))
    assert (volumes(netting), volumes(hedging)) == ([D("0.10")], [D("0.10"), D("0.06")])


def dealt(number: int) -> Deal:
    return Deal(
        ticket=str(number), symbol="EURUSD", side=Side.SELL, entry="OUT", volume=D("0.1"), price=D("1.1"),
        time=1_000 + number, profit=D(1),
    )  # fmt: skip


def test_a_deal_counts_once_however_often_and_however_late_it_is_told_again() -> None:
    mirror = Mirror(account="a")
    for first in range(0, 1_000, 50):
        mirror.apply(AccountReport(account="a", at=5_000, deals=tuple(map(dealt, range(first, first + 50)))))
    assert mirror.apply(AccountReport(account="a", at=5_000, deals=tuple(map(dealt, range(1_000))))) == ()
    assert mirror.day_profit == 1_000
    assert len(mirror.seen_deals) < 300, "what is kept is written with every fill"
