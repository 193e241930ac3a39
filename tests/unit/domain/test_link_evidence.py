"""What the simulation taught: whose deal it is, what a resting order is worth, and two words for one end."""

from decimal import Decimal

import pytest
from linkdesk import DAY, WALL, Desk, alarms, cmd, deal, facts, moves, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w

D = Decimal
LIMIT = cmd(1, "PENDING", kind="LIMIT", price=D("1.05"))


def resting(magic: str = LIMIT.magic) -> f.OrderRow:
    return f.OrderRow(ticket="2001", symbol="EURUSD", type="BUY_LIMIT", volume=D("0.10"), price=D("1.05"), magic=magic)


def linked() -> Desk:
    desk = Desk()
    desk.come()
    return desk


def another_instance(desk: Desk, *, orders: tuple[f.OrderRow, ...] = ()) -> Desk:
    desk.step(w.Lost, conn="ws1")
    desk.orders = {o.ticket: o for o in orders}
    desk.come("ws2", "B", prev="A", jhi=20, evt_hi=1, evt_acked=1)
    return desk


@pytest.mark.parametrize("reason", ["SL", "TP", "SO"])
def test_a_stop_that_carries_the_magic_of_its_position_is_no_execution_of_the_command(reason: str) -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.hear(f.Ack(id="c-1", j=11))
    stop = deal("9", entry="OUT", side="S", reason=reason, magic=cmd(1).magic, position="3")
    assert moves(desk.hear(f.Evt(n=1, st="DEAL", deals=(stop,)))) == []
    assert moves(desk.hear(f.QueryResult(id="c-1", found=(stop,), synced=True))) == []


def test_an_order_placed_by_an_earlier_instance_is_asked_after_once_it_is_no_longer_shown() -> None:
    desk = linked()
    desk.deliver(LIMIT)
    desk.hear(f.Evt(n=1, id="c-1", st="PLACED", order="2001", retcode=10009))
    another_instance(desk, orders=(resting(),))
    assert sent(desk.lives(10_000), f.Query) == [], "it is shown: it works on"
    desk.orders = {}
    desk.snap()
    desk.beat()
    desk.lives(30_000)
    nothing = f.QueryResult(id="c-1", magic=LIMIT.magic, synced=True, hist_from=WALL - 2 * DAY)
    assert sent(desk.lives(2_000), f.Query) != []
    assert moves(desk.hear(nothing)) == []
    desk.lives(5_000)
    assert moves(desk.hear(nothing)) == [("c-1", "PLACED", "CANCELLED")]


def test_after_a_restart_of_the_hub_it_is_asked_after_as_well() -> None:
    desk = linked()
    desk.deliver(LIMIT)
    desk.hear(f.Evt(n=1, id="c-1", st="PLACED", order="2001"))
    again = another_instance(desk, orders=(resting(),)).restarted()
    again.come("ws3", "B", jhi=20, evt_hi=1, evt_acked=1)
    assert [q.id for q in sent(again.passes(0), f.Query)] == []
    assert "c-1" in [q.id for q in sent(again.lives(5_000), f.Query)]


def test_an_order_found_by_its_magic_is_known_by_its_ticket_so_that_it_can_be_cancelled() -> None:
    desk = linked()
    desk.deliver(LIMIT)
    desk.hear(f.Ack(id="c-1", j=11))
    another_instance(desk, orders=(resting(),))
    found = desk.hear(f.QueryResult(id="c-1", magic=LIMIT.magic, synced=True))
    assert [(m.after, m.ticket) for m in facts(found, w.CommandMoved)] == [("PLACED", "2001")]


def test_two_words_for_an_end_without_a_deal_are_no_conflict() -> None:
    desk = linked()
    desk.deliver(cmd(1, "CANCEL", target="5"))
    desk.hear(f.Evt(n=1, id="c-1", st="REJECTED"))
    assert alarms(desk.hear(f.Evt(n=2, id="c-1", st="DONE"))) == []
    desk.deliver(cmd(2))
    desk.hear(f.Evt(n=3, id="c-2", st="FILLED", vol=D("0.10")))
    assert alarms(desk.hear(f.Evt(n=4, id="c-2", st="NOT_EXECUTED"))) == ["RESULT_CONFLICT"]


def test_the_journals_word_that_nothing_was_done_ends_a_doubt() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.hear(f.Ack(id="c-1", j=11))
    another_instance(desk)
    said = desk.hear(f.QueryResult(id="c-1", magic=cmd(1).magic, jst="NOT_EXECUTED"))
    assert moves(said) == [("c-1", "UNKNOWN", "NOT_EXECUTED")]


def test_a_result_of_what_a_restored_hub_believes_unsent_is_taken() -> None:
    desk = Desk()
    desk.come("ws1", "A", evt_acked=3, evt_hi=4)
    desk.deliver(cmd(1))
    told = desk.hear(f.Evt(n=1, id="c-1", st="FILLED", vol=D("0.10"), deals=(deal("9", magic=cmd(1).magic),)))
    assert moves(told) == [("c-1", "QUEUED", "SENT"), ("c-1", "SENT", "FILLED")]
    assert alarms(told) == []
