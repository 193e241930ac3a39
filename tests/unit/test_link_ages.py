"""How old an order is when it leaves over the link, whatever somebody does to the hub's wall clock (R9)."""

from decimal import Decimal

from kakehashi.domain import linkwords as w
from kakehashi.domain.eras import Clocks, Eras
from kakehashi.domain.frames import Hello
from kakehashi.domain.linkwords import LinkSettings, LinkState
from kakehashi.domain.orders import Op, Order
from kakehashi.domain.values import Account, Side
from kakehashi.engine.engine import Engine
from kakehashi.engine.links import Links
from kakehashi.engine.state import EngineSettings

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


def test_an_order_goes_on_ageing_when_the_wall_clock_is_set_back_while_no_hub_runs() -> None:
    desk = Desk()
    waiting = entry()
    desk.engine.book.put(waiting)
    link = desk.links.get("a")
    assert link is not None
    kept = LinkState(record=link.record, session=link.session, since=AT)
    links = Links(desk.engine, LinkSettings())
    links.load("a", kept, [], now=42_000, at=AT - 60_000 + 40_000, set_back=lambda _: 60_000)
    hello = Hello(account="77", instance="A", boot=1, jhi=1, jchain=1, margin_mode="hedging", trade_mode="demo")
    links.step("a", w.Arrived(now=42_000, at=AT - 20_000, conn="ws2", frame=hello))
    assert [e.age_ms for e in links.wishes("a", now=42_000, at=AT - 20_000) if isinstance(e, w.Deliver)] == [40_000]


def machine(wall: int, monotonic_s: float, boot: str = "b1") -> Clocks:
    """What its clocks say; ``boot`` names the start of the machine."""
    return Clocks(boot=boot, wall_ahead=wall - int(monotonic_s * 1000))


def test_each_order_is_older_by_what_the_clock_was_set_back_after_it() -> None:
    eras = Eras().on(machine(AT, 100.0), 1)
    eras = eras.on(machine(AT + 10_200, 110.0), 5)  # kept right by small corrections
    eras = eras.on(machine(AT - 40_000, 120.0), 7)  # set back by a minute
    now = machine(AT - 30_000, 130.0)
    assert [eras.set_back_since(order, now) for order in (1, 6, 7, 9)] == [60_000, 60_000, 0, 0]
    assert eras.set_back_since(1, machine(AT - 30_000, 30.0, boot="b2")) == 0, "no clock counted through a restart"
    assert eras.set_back_since(1, machine(AT + 3_600_000, 130.0)) == 0, "set ahead: the wall clock tells it by itself"


def test_where_the_start_of_the_machine_has_no_name_nothing_is_claimed() -> None:
    eras = Eras().on(machine(AT, 100.0, boot=""), 1)
    assert eras.set_back_since(1, machine(AT - 60_000, 101.0, boot="")) == 0
