"""The EA's link on the simulated broker's own rules: what the terminal then shows is what is told."""

from decimal import Decimal

import pytest
from tests.unit.terminal.link_desk import D, Ea, frames, only

from kakehashi.domain.frames import Cmd, Evt
from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.link_words import Answered, Look, Output, Seen, Trade, View
from kakehashi.terminal.core.rows import deal_row, order_row, position_row
from kakehashi.terminal.core.words import AccountSpec

AT = 1_790_553_600_000 + 3_600_000


class Terminal(Ea):
    """A shell over a real book. ``deaf`` loses the answers of OrderSend, after the broker has acted."""

    def __init__(self) -> None:
        self.broker = Broker(seed=7, at=AT)
        self.book: Book = self.broker.open_account(AccountSpec(account="a", number="77", server="Demo"))
        self.price("1.10000")
        self.deaf = False
        super().__init__()
        self.view = self.read()
        self.connect()

    def price(self, bid: str) -> None:
        self.broker.market.pin("EURUSD", Decimal(bid), None, AT)
        self.broker.act(AT)

    def read(self) -> View:
        return View(
            connected=True,
            login="77",
            server="Demo",
            broker_time=AT,
            positions=tuple(position_row(p) for p in self.book.positions.values()),
            orders=tuple(order_row(o) for o in self.book.orders.values()),
            deals=tuple(deal_row(d) for d in self.book.deals if d.ticket > self.link.memory.deal_hi),
        )

    def carry_out(self, out: list[Output]) -> list[Output]:
        """What a shell does: trades and looks, whose answers lead to more."""
        told = list(out)
        for o in out:
            if isinstance(o, Trade):
                result = self.broker.order_send("a", o.request, AT)
                self.view = self.read()
                told += self.carry_out(self.do(Answered(id=o.id, result=None if self.deaf else result)))
            elif isinstance(o, Look):
                told += self.carry_out(self.do(self.view))
                seen = Seen(
                    id=o.id,
                    n=o.n,
                    working=tuple(
                        x for x in self.book.orders.values() if o.magic in (x.magic, 0) or x.ticket == o.order
                    ),
                    ended=tuple(x for x in self.book.done if o.magic == x.magic or x.ticket == o.order),
                    deals=tuple(deal_row(d) for d in self.book.deals if o.magic == d.magic or d.order == o.order),
                )
                told += self.carry_out(self.do(seen))
        return told

    def order(self, cmd: Cmd) -> list[Evt]:
        return frames(self.carry_out(self.do(cmd)), Evt)

    def later(self, ms: int = 2_000) -> list[Evt]:
        self.view = self.read()
        told: list[Evt] = []
        for _ in range(ms // 250):
            told += frames(self.carry_out(self.wait(250)), Evt)
        return told


@pytest.mark.parametrize("deaf", [False, True], ids=["answered", "answers lost"])
def test_an_order_lives_from_open_to_close(deaf: bool) -> None:
    t = Terminal()
    t.deaf = deaf
    opened = t.order(t.cmd(1, sl=D("1.09")))[0]
    assert (opened.st, opened.vol, opened.deals[0].entry) == ("FILLED", D("0.10"), "IN")
    ticket = opened.deals[0].position
    assert [e.st for e in t.order(t.cmd(2, op="MODIFY", target=ticket, sl=D("1.095")))][-1] == "DONE"
    part = t.order(t.cmd(3, op="CLOSE_PARTIAL", target=ticket, vol=D("0.04"), expect_vol=D("0.10")))[-1]
    assert (part.st, part.vol) == ("FILLED", D("0.04"))
    closed = t.order(t.cmd(4, op="CLOSE", target=ticket, vol=D(0), expect_vol=D("0.06")))[-1]
    assert (closed.st, closed.vol, closed.deals[0].entry) == ("FILLED", D("0.06"), "OUT")
    assert not t.book.positions
    assert len(t.book.deals) == 3


def test_a_stop_loss_and_a_triggered_order_are_told_as_they_happen() -> None:
    t = Terminal()
    placed = t.order(t.cmd(1, op="PENDING", kind="LIMIT", price=D("1.09"), sl=D("1.08")))[-1]
    assert placed.st == "PLACED"
    t.price("1.08900")
    assert [(e.id, e.st) for e in t.later() if e.n > placed.n][:1] == [("c-1", "FILLED")]
    t.price("1.07900")
    stop = next(e for e in t.later() if e.n > placed.n + 1)
    assert (stop.id, stop.st, stop.deals[0].reason, stop.deals[0].entry) == ("", "DEAL", "SL", "OUT")


def test_a_cancel_ends_both_commands() -> None:
    t = Terminal()
    placed = t.order(t.cmd(1, op="PENDING", kind="LIMIT", price=D("1.09")))[-1]
    t.order(t.cmd(2, op="CANCEL", target=placed.order))
    t.later()
    works = t.link.memory.works
    assert (works["c-1"].state, works["c-2"].state) == ("CANCELLED", "DONE")


def test_a_refusal_of_the_broker_is_told_with_its_code() -> None:
    t = Terminal()
    assert [(e.st, e.retcode) for e in t.order(t.cmd(1, vol=D("0.001")))] == [("REJECTED", 10014)]
    assert not only(t.out, Look)


def test_what_fills_in_part_ends_with_what_was_filled() -> None:
    t = Terminal()
    t.broker.liquidity["EURUSD"] = D("0.04")
    ended = t.order(t.cmd(1))[-1]
    assert (ended.st, ended.vol) == ("CANCELLED", D("0.04"))
