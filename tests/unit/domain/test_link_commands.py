"""Commands on their way: said until acknowledged, asked after in doubt, ended by evidence, never given to another."""

from decimal import Decimal
from typing import Any

import pytest
from linkdesk import DAY, WALL, Desk, alarms, cmd, deal, facts, moves, row, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w

D = Decimal


def linked(*rows: f.PositionRow, **settings: int) -> Desk:
    desk = Desk(**settings)
    desk.come("ws1", "A", *rows)
    return desk


def in_doubt(command: f.Cmd, *rows: f.PositionRow, ack: bool = True) -> Desk:
    """A command that instance A had, and B now holds the lease."""
    desk = linked(*rows)
    desk.deliver(command)
    if ack:
        desk.hear(f.Ack(id=command.id, j=11))
    desk.step(w.Lost, conn="ws1")
    desk.come("ws2", "B", *rows, prev="A", jhi=12)
    return desk


def read(command: f.Cmd, **more: Any) -> f.QueryResult:
    return f.QueryResult(**({"id": command.id, "synced": True, "hist_from": WALL - 2 * DAY} | more))


def test_a_command_is_marked_sent_in_the_facts_that_come_with_its_frame() -> None:
    desk = linked()
    steps = desk.deliver(cmd(1))
    assert moves(steps) == [("c-1", "QUEUED", "SENT")]
    assert facts(steps, w.CommandMoved)[0].instance == "A"
    assert [(c.id, c.ep) for c in sent(steps, f.Cmd)] == [("c-1", 1)]


def test_it_is_said_every_two_seconds_until_it_is_acknowledged() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    assert len(sent(desk.passes(6_000), f.Cmd)) == 3
    assert moves(desk.hear(f.Ack(id="c-1", j=11))) == [("c-1", "SENT", "ACKED")]
    assert sent(desk.passes(5_000), f.Cmd) == []


def test_every_transmission_says_anew_how_old_it_is_by_the_last_heartbeat() -> None:
    desk = linked()
    desk.tick(1_200)
    first = sent(desk.deliver(cmd(1), age_ms=300), f.Cmd)[0]
    again = sent(desk.passes(2_000), f.Cmd)[0]
    assert (first.age_ms, first.hn, first.hn_ago_ms) == (300, 1, 1_200)
    assert (again.age_ms, again.hn, again.hn_ago_ms) == (2_300, 1, 3_200)


def test_the_age_follows_the_clock_that_says_more() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.at += 60_000  # the machine slept: only the wall clock saw it
    assert sent(desk.passes(2_000), f.Cmd)[0].age_ms == 62_000


def test_an_unsent_command_expires_by_itself_and_a_sent_one_only_by_the_eas_word() -> None:
    desk = Desk()
    desk.deliver(cmd(1, ttl_ms=30_000), age_ms=10_000)
    assert moves(desk.passes(20_000)) == []
    assert moves(desk.passes(1)) == [("c-1", "QUEUED", "EXPIRED")]
    gone = linked()
    gone.deliver(cmd(1, ttl_ms=1_000))
    assert moves(gone.passes(5_000)) == []
    assert moves(gone.hear(f.Evt(n=1, id="c-1", st="EXPIRED"))) == [("c-1", "SENT", "EXPIRED")]


def test_no_command_goes_before_a_heartbeat_by_which_its_age_can_be_told() -> None:
    desk = Desk()
    desk.hello("ws1")
    desk.snap(row())
    assert sent(desk.deliver(cmd(1, "CLOSE", target="1001")), f.Cmd) == []
    assert [c.id for c in sent(desk.beat(synced=False), f.Cmd)] == ["c-1"]


@pytest.mark.parametrize(
    ("command", "goes"),
    [
        (cmd(1, "OPEN"), False),
        (cmd(1, "PENDING"), False),
        (cmd(1, "CLOSE", target="1001"), True),
        (cmd(1, "CANCEL", target="5"), True),
        (cmd(1, "MODIFY", target="1001", sl=D("1.08")), True),
        (cmd(1, "MODIFY", target="1001", sl=D("1.06")), False),
        (cmd(1, "MODIFY", target="1001"), False),
    ],
    ids=lambda value: value.op if isinstance(value, f.Cmd) else value,
)
@pytest.mark.parametrize("why", ["stale", "halted"])
def test_on_a_stale_or_halted_account_only_what_lowers_risk_goes(command: f.Cmd, *, goes: bool, why: str) -> None:
    desk = linked(row(sl=D("1.07")))
    if why == "stale":
        desk.beat(synced=False)
    else:
        desk.step(w.SetHalt, on=True)
    assert bool(sent(desk.deliver(command), f.Cmd)) is goes


def test_exits_go_before_entries() -> None:
    desk = Desk()
    desk.deliver(cmd(1))
    desk.deliver(cmd(2, "CLOSE", target="1001"))
    desk.hello("ws1")
    desk.snap(row())
    assert [c.id for c in sent(desk.beat(), f.Cmd)] == ["c-2", "c-1"]


def test_one_command_at_a_time_works_on_a_target_but_a_close_overtakes_a_modify() -> None:
    desk = linked(row())
    desk.deliver(cmd(1, "MODIFY", target="1001", sl=D("1.08")))
    assert sent(desk.deliver(cmd(2, "MODIFY", target="1001", sl=D("1.081"))), f.Cmd) == []
    assert [c.id for c in sent(desk.deliver(cmd(3, "CLOSE", target="1001")), f.Cmd)] == ["c-3"]
    desk.hear(f.Evt(n=1, id="c-3", st="REJECTED"))
    assert [c.id for c in sent(desk.hear(f.Evt(n=2, id="c-1", st="DONE")), f.Cmd)] == ["c-2"]


def test_with_a_hundred_unacknowledged_commands_entries_are_refused_and_exits_go_on() -> None:
    desk = linked(max_unacked=2)
    desk.deliver(cmd(1))
    desk.deliver(cmd(2))
    refused = desk.deliver(cmd(3))
    assert moves(refused) == [("c-3", "QUEUED", "REJECTED")]
    assert facts(refused, w.CommandMoved)[0].code == "BACKLOG"
    assert [c.id for c in sent(desk.deliver(cmd(4, "CLOSE")), f.Cmd)] == ["c-4"]


def test_an_acknowledged_command_without_a_result_is_asked_after() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.hear(f.Ack(id="c-1", j=11))
    assert sent(desk.lives(7_999), f.Query) == []
    assert [q.id for q in sent(desk.passes(2_001), f.Query)] == ["c-1", "c-1"]


@pytest.mark.parametrize("ack", [False, True])
def test_another_instance_never_gets_it_it_is_in_doubt_and_asked_after_at_once(*, ack: bool) -> None:
    desk = linked()
    desk.deliver(cmd(1))
    if ack:
        desk.hear(f.Ack(id="c-1", j=11))
    desk.step(w.Lost, conn="ws1")
    first = desk.come("ws2", "B", prev="A", jhi=12)
    assert [m[2] for m in moves(first)] == ["UNKNOWN"]
    assert [q.id for q in sent(first, f.Query)] == ["c-1"]
    assert sent(desk.lives(60_000), f.Cmd) == []


def test_what_was_not_sent_to_anybody_goes_to_the_new_instance() -> None:
    desk = linked()
    desk.step(w.Lost, conn="ws1")
    desk.deliver(cmd(1))
    desk.hello("ws2", "B", prev="A", jhi=12)
    desk.snap()
    assert [(c.id, c.ep) for c in sent(desk.beat(), f.Cmd)] == [("c-1", 2)]


def test_deals_that_carry_its_magic_end_the_doubt() -> None:
    entry = cmd(1)
    desk = in_doubt(entry)
    part = desk.hear(read(entry, found=(deal("61", magic="9001", volume=D("0.04"), order="1002"),)))
    assert moves(part) == [("c-1", "UNKNOWN", "PARTIAL")]
    rest = desk.hear(f.Evt(n=1, st="DEAL", deals=(deal("62", magic="9001", volume=D("0.06"), order="1002"),)))
    assert moves(rest) == [("c-1", "PARTIAL", "FILLED")]
    assert facts(rest, w.CommandMoved)[0].filled == D("0.10")


def test_absence_counts_only_after_the_flight_window_twice_in_one_sync() -> None:
    entry = cmd(1)
    desk = in_doubt(entry)
    assert moves([*desk.lives(190_000), desk.hear(read(entry))]) == []  # lease 15 s + no answer 180 s
    desk.lives(10_000)
    assert moves(desk.hear(read(entry))) == []
    desk.tick(4_999)
    desk.beat()
    assert moves(desk.hear(read(entry))) == []
    desk.tick(1)
    last = desk.hear(read(entry))
    assert moves(last) == [("c-1", "UNKNOWN", "NOT_EXECUTED")]
    assert sent([last, *desk.lives(60_000)], f.Cmd) == []


@pytest.mark.parametrize(
    "weak",
    [{"synced": False}, {"hist_from": 0}, {"hist_from": WALL - DAY // 2}, {"working": True}],
    ids=["unsynced", "unread", "short", "an order works on"],
)
def test_a_weak_read_of_history_proves_nothing(weak: dict[str, int]) -> None:
    entry = cmd(1)
    desk = in_doubt(entry)
    desk.lives(300_000)
    for _ in range(3):
        assert moves(desk.hear(read(entry, **weak))) == []
        desk.lives(10_000)


def test_a_position_with_its_magic_is_no_absence() -> None:
    entry = cmd(1)
    desk = in_doubt(entry, row("1002", magic="9001"))
    desk.lives(300_000)
    for _ in range(3):
        assert moves(desk.hear(read(entry))) == []
        desk.lives(10_000)


def test_not_executed_is_taken_back_only_by_the_venue_and_a_person_is_told() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.hear(f.Evt(n=1, id="c-1", st="NOT_EXECUTED", reason="LEASE"))
    late = desk.hear(f.Evt(n=2, st="DEAL", deals=(deal("61", magic="9001"),)))
    assert moves(late) == [("c-1", "NOT_EXECUTED", "FILLED")]
    assert alarms(late) == ["EXECUTED_AFTER_ALL"]


def test_two_results_that_contradict_each_other_are_shown_and_the_first_stays() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    desk.hear(f.Evt(n=1, id="c-1", st="REJECTED", retcode=10019))
    second = desk.hear(f.Evt(n=2, id="c-1", st="FILLED", vol=D("0.10")))
    assert (moves(second), alarms(second)) == ([], ["RESULT_CONFLICT"])


def test_a_modify_in_doubt_is_done_when_the_account_shows_its_stop() -> None:
    change = cmd(1, "MODIFY", target="1001", sl=D("1.08"))
    desk = in_doubt(change, row(sl=D("1.08")))
    assert moves(desk.hear(read(change))) == [("c-1", "UNKNOWN", "DONE")]


def test_only_its_own_instance_can_acknowledge_a_command() -> None:
    desk = in_doubt(cmd(1), ack=False)
    assert moves(desk.hear(f.Ack(id="c-1", j=13))) == []


def test_the_same_command_delivered_twice_is_one() -> None:
    desk = linked()
    desk.deliver(cmd(1))
    assert (moves(desk.deliver(cmd(1))), sent(desk.deliver(cmd(1)), f.Cmd)) == ([], [])


def test_a_withdrawn_command_does_not_go_and_a_sent_one_cannot_be_withdrawn() -> None:
    desk = Desk()
    desk.deliver(cmd(1))
    assert moves(desk.step(w.Withdraw, id="c-1")) == [("c-1", "QUEUED", "CANCELLED")]
    other = linked()
    other.deliver(cmd(2))
    assert moves(other.step(w.Withdraw, id="c-2")) == []


def test_an_event_of_an_unknown_command_is_booked_and_acknowledged_all_the_same() -> None:
    desk = linked()
    steps = desk.hear(f.Evt(n=1, id="c-99", st="FILLED"))
    assert [(fact.evt.id, fact.known) for fact in facts(steps, w.EventBooked)] == [("c-99", False)]
    assert sent(steps, f.EvtAck) == [f.EvtAck(n=1)]


def test_on_a_netting_account_one_exit_a_symbol_is_alive() -> None:
    desk = Desk()
    desk.come("ws1", "A", row(), margin_mode="netting")
    desk.deliver(cmd(1, "CLOSE", target="1001"))
    assert sent(desk.deliver(cmd(2, "CLOSE_PARTIAL")), f.Cmd) == []


def test_a_whole_close_is_not_held_up_by_one_in_doubt() -> None:
    desk = in_doubt(cmd(1, "CLOSE", target="1001"), row())
    assert sent(desk.deliver(cmd(2, "CLOSE_PARTIAL", target="1001")), f.Cmd) == []
    assert [c.id for c in sent(desk.deliver(cmd(3, "CLOSE", target="1001")), f.Cmd)] == ["c-3"]
