"""How old an order is when it leaves over the link, whatever somebody does to the hub's wall clock (R9)."""

from decimal import Decimal

from kakehashi.domain import linkwords as w
from kakehashi.domain.frames import Hello
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.domain.orders import Op, Order
from kakehashi.domain.values import Account, Side
from kakehashi.engine.engine import Engine, EngineSettings
from kakehashi.engine.links import Links

AT = 1_790_000_000_000
HOUR_MS = 3_600_000


def entry(created_at: int = AT) -> Order:
    return Order(
        id="o", seq=1, account="a", route="r", signal_id="s", trace_id="t", op=Op.OPEN, symbol="EURUSD", side=Side.BUY,
        magic=1, created_at=created_at, expires_at=created_at + 30_000, updated_at=created_at, volume=Decimal("0.10"),
    )  # fmt: skip


class Desk:
    """Links whose EA came once, and has gone."""

    def __init__(self) -> None:
        self.engine = Engine(EngineSettings(prefix=1))
        self.engine.accounts["a"] = Account(name="a", number="77")
        self.links = Links(self.engine, LinkSettings())
        self.come("ws1", now=1_000, at=AT)
        self.links.step("a", w.Lost(now=1_000, at=AT, conn="ws1"))

    def come(self, conn: str, *, now: int, at: int) -> None:
        hello = Hello(account="77", instance="A", boot=1, jhi=1, jchain=1, margin_mode="hedging", trade_mode="demo")
        self.links.step("a", w.Arrived(now=now, at=at, conn=conn, frame=hello))

    def ages(self, *, now: int, at: int) -> list[int]:
        return [e.age_ms for e in self.links.wishes("a", now=now, at=at) if isinstance(e, w.Deliver)]


def test_an_order_goes_on_ageing_when_the_wall_clock_is_set_back() -> None:
    desk = Desk()
    desk.engine.book.put(entry())
    assert desk.ages(now=2_000, at=AT) == []
    desk.come("ws2", now=42_000, at=AT - HOUR_MS)
    assert desk.ages(now=42_000, at=AT - HOUR_MS) == [40_000]


def test_an_entry_of_the_future_has_outlived_its_time() -> None:
    desk = Desk()
    desk.engine.book.put(entry(created_at=AT + HOUR_MS))
    desk.come("ws2", now=2_000, at=AT)
    assert desk.ages(now=2_000, at=AT) == [30_001]
