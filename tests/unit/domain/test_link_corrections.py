"""An exit that opened something on a netting account, as the hub books it; and frames that an EA cannot take (R10, R2)."""

from decimal import Decimal

import pytest
from linkdesk import Desk, alarms, cmd, deal, facts, moves, row, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w

D = Decimal
EXIT = cmd(1, "CLOSE", target="1001", expect_vol=D("0.10"))


def exiting() -> Desk:
    desk = Desk()
    desk.come("ws1", "A", row(), margin_mode="netting")
    desk.deliver(EXIT)
    desk.hear(f.Ack(id="c-1", j=11))
    return desk


def ended(desk: Desk, entry: str) -> w.Steps:
    sold = deal("9", entry=entry, side="S", magic=EXIT.magic, position="1001", reason="EXPERT")
    return desk.hear(f.Evt(n=1, id="c-1", st="FILLED", deals=(sold,), vol=D("0.10"), order="3001"))


@pytest.mark.parametrize("entry", ["IN", "INOUT"])
def test_an_exit_that_opened_something_is_booked_as_executed_and_a_person_is_told(entry: str) -> None:
    steps = ended(exiting(), entry)
    (moved,) = facts(steps, w.CommandMoved)
    assert (moved.after, moved.filled, moved.code) == ("FILLED", D("0.10"), "EXIT_OPENED")
    (alarm,) = facts(steps, w.Alarm)
    assert (alarm.code, alarm.subject, alarm.text) == ("EXIT_OPENED", "c-1", f"{entry} S 0.10 EURUSD at 1.08551")


def test_an_exit_that_only_closed_is_nothing_to_tell() -> None:
    steps = ended(exiting(), "OUT")
    assert (alarms(steps), facts(steps, w.CommandMoved)[0].code) == ([], "")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"st": "FILLED", "vol": D("0.04"), "price": D("1.1")}, "taken back: 0.04 at 1.1"),
        ({"st": "DONE", "reason": "ALREADY_FLAT"}, "nothing was left of it"),
        ({"st": "REJECTED", "reason": "BROKER", "retcode": 10018}, "not taken back: REJECTED BROKER 10018"),
    ],
)
def test_what_became_of_the_correction_is_told_of_the_exit(told: dict[str, object], text: str) -> None:
    desk = exiting()
    ended(desk, "IN")
    steps = desk.hear(f.Evt(n=2, id="fix1-c-1", **told))  # type: ignore[arg-type]
    (alarm,) = facts(steps, w.Alarm)
    assert (alarm.code, alarm.subject, alarm.text) == ("EXIT_OPENED", "c-1", text)
    assert sent(steps, f.EvtAck) == [f.EvtAck(n=2)]


def test_the_deals_of_a_correction_explain_where_its_position_went() -> None:
    desk = exiting()
    ended(desk, "IN")
    desk.snap(row("3001", side="S"))
    back = deal("10", entry="OUT", position="3001", magic="99", reason="EXPERT")
    desk.hear(f.Evt(n=2, id="fix1-c-1", st="FILLED", deals=(back,), vol=D("0.10"), price=D("1.1")))
    (moved,) = facts(desk.change("3001", None), w.PositionMoved)
    assert (moved.change, moved.deals) == (w.Change.CLOSED, (back,))


def test_a_frame_that_its_ea_cannot_take_is_asked_after_and_not_sent_again() -> None:
    desk = Desk()
    desk.come()
    desk.deliver(cmd(1))
    steps = desk.hear(f.Err(code="BAD_FRAME", message="c-1: magic and target are numbers"))
    assert [q.id for q in sent(steps, f.Query)] == ["c-1"]
    assert not sent(desk.lives(20_000), f.Cmd)
    assert moves(desk.hear(f.QueryResult(id="c-1", synced=True))) == [("c-1", "SENT", "REJECTED")]


@pytest.mark.parametrize("error", ["EPOCH c-1 is of epoch 1, ours is 2", "BAD_FRAME c-2: of another", "BAD_FRAME "])
def test_an_error_of_another_kind_or_of_no_command_ends_nothing(error: str) -> None:
    code, _, message = error.partition(" ")
    desk = Desk()
    desk.come()
    desk.deliver(cmd(1))
    steps = desk.hear(f.Err(code=code, message=message))
    assert (sent(steps, f.Query), alarms(steps)) == ([], ["EA_ERROR"])
    assert sent(desk.lives(5_000), f.Cmd)


def test_what_was_acknowledged_before_is_not_ended_by_an_error() -> None:
    desk = Desk()
    desk.come()
    desk.deliver(cmd(1))
    desk.hear(f.Ack(id="c-1", j=11))
    assert not sent(desk.hear(f.Err(code="BAD_FRAME", message="c-1: again")), f.Query)
