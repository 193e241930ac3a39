"""Who may trade: admission, lease, epoch, heartbeats, and what is told before it is written."""

import pytest
from linkdesk import WALL, Desk, alarms, cmd, deal, facts, moves, row, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.errors import Rejected
from kakehashi.domain.linkwords import LinkSettings, Session


def test_the_other_timers_follow_the_heartbeat_and_their_order_is_checked() -> None:
    slow = LinkSettings.scaled(30_000)
    assert (slow.stale_ms, slow.dead_ms, slow.lease_ms) == (39_000, 72_000, 90_000)
    assert LinkSettings.scaled(5_000) == LinkSettings()
    with pytest.raises(Rejected, match="heartbeat < stale < dead < lease must hold, got 30000 < 39000 < 90000 < 15000"):
        LinkSettings.scaled(30_000, dead_ms=90_000, lease_ms=15_000)


def test_the_epoch_is_among_the_facts_before_welcome_tells_it() -> None:
    steps = Desk().hello("ws1")
    assert [kept.record.epoch for kept in facts(steps, w.RecordKept)] == [1]
    assert [welcome.ep for welcome in sent(steps, f.Welcome)] == [1]


def test_the_first_frame_is_hello_for_this_account() -> None:
    desk = Desk()
    assert desk.hear(f.Heartbeat(n=1), "ws1").closes == [("ws1", 1008, "HELLO first")]
    wrong = desk.hello("ws2", account="78")
    assert sent(wrong, f.Refuse)[0].reason == "UNKNOWN_ACCOUNT"
    assert wrong.closes[0][:2] == ("ws2", 4001)
    assert desk.link.record.epoch == 0


def test_another_server_than_the_first_is_refused() -> None:
    desk = Desk()
    desk.hello("ws1", server="Demo-1")
    desk.step(w.Lost, conn="ws1")
    other = desk.hello("ws2", server="Live-1")
    assert sent(other, f.Refuse)[0].reason == "SERVER_MISMATCH"
    assert alarms(other) == ["SERVER_MISMATCH"]


def test_a_heartbeat_is_answered_once_with_its_number_and_epoch() -> None:
    desk = Desk()
    desk.hello("ws1")
    first = desk.beat()
    assert sent(first, f.HeartbeatAck) == [f.HeartbeatAck(n=1, ep=1)]
    desk.n = 0
    assert sent(desk.beat(), f.HeartbeatAck) == []


def test_another_instance_waits_for_the_last_receipt_and_a_lease() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    desk.step(w.Lost, conn="ws1")
    desk.tick(14_999)
    early = desk.hello("ws2", "B")
    assert sent(early, f.Refuse) == [f.Refuse(reason="LEASE_HELD", retry_ms=250)]
    assert early.closes[0][:2] == ("ws2", 4001)
    desk.tick(1)
    assert [welcome.ep for welcome in sent(desk.hello("ws3", "B"), f.Welcome)] == [2]


def test_a_holder_that_is_heard_keeps_the_account_for_ever() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    desk.lives(60_000)
    assert sent(desk.hello("ws2", "B"), f.Refuse)[0].reason == "LEASE_HELD"
    assert desk.link.live == "ws1"


@pytest.mark.parametrize(
    ("hello", "admitted"),
    [
        ({"prev": "A", "jhi": 12, "jchain": 9}, True),
        ({"prev": "A", "jhi": 10, "jchain": 5}, True),
        ({"prev": "A", "jhi": 10, "jchain": 6}, False),
        ({"prev": "A", "jhi": 9, "jchain": 4}, False),
        ({"prev": "X", "jhi": 12, "jchain": 9}, False),
        ({"prev": None, "jhi": 12, "jchain": 9}, False),
    ],
)
def test_a_successor_with_the_holders_journal_comes_in_at_once(hello: dict[str, object], *, admitted: bool) -> None:
    desk = Desk()
    desk.come("ws1", "A")
    desk.step(w.Lost, conn="ws1")
    assert bool(sent(desk.hello("ws2", "B", **hello), f.Welcome)) is admitted


def test_a_successor_waits_while_the_holder_has_a_connection() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    assert sent(desk.hello("ws2", "B", prev="A"), f.Refuse)[0].reason == "LEASE_HELD"


def test_after_a_hub_restart_the_old_holder_keeps_its_right_for_one_lease() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    again = desk.restarted()
    again.tick(14_999)
    assert sent(again.hello("ws2", "B"), f.Refuse)
    assert [welcome.ep for welcome in sent(again.hello("ws3", "A"), f.Welcome)] == [1]


@pytest.mark.parametrize(
    "hello", [{"jhi": 9}, {"jhi": 10, "jchain": 6}, {"boot": 0}, {"jhi": 12, "evt_hi": 0}], ids=str
)
def test_a_journal_that_went_back_is_refused(hello: dict[str, int]) -> None:
    desk = Desk()
    desk.come("ws1", "A", evt_hi=1)
    desk.hear(f.Evt(n=1, st="DEAL", deals=(deal("1"),), j=10))
    desk.step(w.Lost, conn="ws1")
    back = desk.hello("ws2", "A", **({"evt_hi": 1} | hello))
    assert sent(back, f.Refuse)[0].reason == "JOURNAL_BACK"
    assert alarms(back) == ["JOURNAL_BACK"]
    assert desk.link.live is None


@pytest.mark.parametrize("told", [f.Ack(id="c-9", j=11), f.Evt(n=1, st="DEAL", j=11)], ids=["ack", "event"])
def test_lines_told_by_acks_and_events_count_as_seen(told: f.FromEa) -> None:
    desk = Desk()
    desk.come("ws1", "A", evt_hi=1)
    desk.hear(told)
    desk.step(w.Lost, conn="ws1")
    assert sent(desk.hello("ws2", "A", jhi=10, evt_hi=1), f.Refuse)[0].reason == "JOURNAL_BACK"


def test_a_connection_that_came_back_is_let_in_when_the_old_one_does_not_answer() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    claim = desk.hello("ws2", "A")
    assert [(conn, type(frame)) for conn, frame in claim.frames] == [("ws1", f.Test)]
    assert desk.link.session is Session.PROBING
    after = desk.passes(1_000)
    assert after[-1].closes[0][:2] == ("ws1", 4002)
    assert [(conn, type(frame)) for conn, frame in after[-1].frames] == [("ws2", f.Welcome)]
    assert desk.link.record.epoch == 1


def test_an_old_connection_that_was_silent_for_long_is_not_asked() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    desk.passes(7_000)
    assert sent(desk.hello("ws2", "A"), f.Welcome)


def test_one_instance_alive_on_two_connections_is_refused_on_both_for_good() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    probe = sent(desk.hello("ws2", "A"), f.Test)[0]
    found = desk.hear(f.Test(id=probe.id, re=True), "ws1")
    assert [(conn, frame.reason) for conn, frame in found.frames if isinstance(frame, f.Refuse)] == [
        ("ws1", "INSTANCE_CLONED"),
        ("ws2", "INSTANCE_CLONED"),
    ]
    assert "INSTANCE_CLONED" in alarms(found)
    desk.tick(100_000)
    assert sent(desk.hello("ws3", "A"), f.Refuse)[0].reason == "INSTANCE_CLONED"
    assert sent(desk.hello("ws4", "B", prev="A", jhi=12), f.Welcome)


def test_neither_of_two_clones_succeeds_at_once_by_naming_the_other() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    probe = sent(desk.hello("ws2", "A"), f.Test)[0]
    desk.hear(f.Test(id=probe.id, re=True), "ws1")
    assert sent(desk.hello("ws3", "B", prev="A", jhi=12), f.Refuse)[0].reason == "LEASE_HELD"


def test_nothing_is_answered_to_either_connection_while_it_is_not_known_which_lives() -> None:
    desk = Desk()
    desk.come("ws1", "A")
    desk.hello("ws2", "A")
    desk.deliver(cmd(1, "CLOSE"))
    for conn in ("ws1", "ws2"):
        assert desk.hear(f.Heartbeat(n=50, boot=1), conn).frames == []
    assert not desk.link.fresh(desk.now)


@pytest.mark.parametrize("hello", [{"ep": 5}, {"evt_acked": 3, "evt_hi": 3}, {"cmd_hi": 44}], ids=str)
def test_a_hub_older_than_its_ea_does_not_trade_until_a_person_confirms(hello: dict[str, int]) -> None:
    desk = Desk()
    first = desk.come("ws1", "A", **hello)
    assert alarms(first) == ["HUB_RESTORED"]
    assert sent(first, f.Welcome)[0].ep > hello.get("ep", 0)
    assert sent(first, f.Resend) == [f.Resend(start=1)]
    assert sent(desk.deliver(cmd(45)), f.Cmd) == []
    assert sent(desk.deliver(cmd(46, "CLOSE")), f.Cmd) == []
    confirmed = desk.step(w.Confirm)
    assert sent(confirmed, f.Cmd) == [], "its newer self may have sent them"
    assert [q.id for q in sent(confirmed, f.Query)] == ["c-45", "c-46"]
    assert len(sent(desk.deliver(cmd(47)), f.Cmd)) == 1


def test_a_silent_peer_is_asked_shown_stale_and_given_up() -> None:
    desk = Desk()
    desk.come()
    steps = desk.passes(12_000)
    assert [frame.id[:5] for frame in sent(steps, f.Test)] == ["quiet"]
    assert [(m.before, m.after) for m in facts(steps, w.SessionMoved)] == [
        (Session.FRESH, Session.STALE),
        (Session.STALE, Session.AWAY),
    ]
    assert steps[-1].closes[0][0] == "ws1"


def test_a_peer_with_work_is_asked_after_a_second_and_doubted_after_another() -> None:
    desk = Desk()
    desk.come()
    desk.deliver(cmd(1))
    steps = desk.passes(2_000)
    assert [frame.id[:5] for frame in sent(steps, f.Test)] == ["quiet"]
    assert [m.after for m in facts(steps, w.SessionMoved)] == [Session.STALE]
    again = desk.hear(f.Ack(id="c-1", j=2))
    assert [m.after for m in facts(again, w.SessionMoved)] == [Session.FRESH]


def test_a_peer_that_answers_at_once_is_asked_again_after_the_next_silence() -> None:
    """The answer may come within the millisecond in which the question went out."""
    desk = Desk()
    desk.come()
    for _ in range(3):
        [asked] = sent(desk.passes(desk.settings.test_ms), f.Test)
        assert not desk.hear(f.Test(id=asked.id, re=True)).closes


def test_a_planned_stop_is_not_an_outage() -> None:
    desk = Desk()
    desk.come()
    bye = desk.hear(f.Bye(reason="terminal closes"))
    assert (desk.link.session, bye.closes) == (Session.LEFT, [("ws1", 1000, "BYE")])
    desk.step(w.Lost, conn="ws1")
    assert desk.link.session is Session.LEFT
    assert sent(desk.hello("ws2"), f.Welcome)


def test_a_test_is_answered_at_once() -> None:
    desk = Desk()
    desk.come()
    assert sent(desk.hear(f.Test(id="x")), f.Test) == [f.Test(id="x", re=True)]


def test_too_many_bad_frames_end_the_connection() -> None:
    desk = Desk(max_errors=2)
    desk.come()
    answers = [desk.step(w.Garbled, conn="ws1", code="BAD_JSON") for _ in range(3)]
    assert [len(sent(a, f.Err)) for a in answers] == [1, 1, 1]
    assert answers[-1].closes == [("ws1", 1008, "too many errors")]


def test_events_are_booked_in_order_once_and_acknowledged_together_with_their_fact() -> None:
    desk = Desk()
    desk.come()
    first = f.Evt(n=1, st="DEAL", deals=(deal("1"),))
    booked = desk.hear(first)
    assert [fact.evt.n for fact in facts(booked, w.EventBooked)] == [1]
    assert sent(booked, f.EvtAck) == [f.EvtAck(n=1)]
    again = desk.hear(first)
    assert (facts(again, w.EventBooked), sent(again, f.EvtAck)) == ([], [f.EvtAck(n=1)])
    gap = desk.hear(f.Evt(n=3, st="DEAL"))
    assert (facts(gap, w.EventBooked), sent(gap, f.Resend)) == ([], [f.Resend(start=2)])
    assert sent(desk.hello("ws1"), f.Welcome)[0].evt_ack == 1


def test_events_that_no_longer_exist_are_given_up_with_an_alarm() -> None:
    desk = Desk()
    desk.come()
    steps = []
    for _ in range(6):
        steps.append(desk.hear(f.Evt(n=3, st="DEAL")))
        desk.lives(2_000)
    assert alarms(steps) == ["EVENTS_LOST"]
    assert desk.link.record.seen["A"].evt_hi == 3


def test_halt_is_said_before_queued_commands_and_again_until_its_gen_is_echoed() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    desk.deliver(cmd(1, "CLOSE", target="1001"))
    halt = desk.step(w.SetHalt, on=True)
    assert sent(halt, f.Halt) == [f.Halt(gen=1)]
    assert facts(halt, w.RecordKept)[0].record.halted
    assert sent(desk.deliver(cmd(2)), f.Cmd) == []
    assert sent(desk.passes(4_000), f.Halt) == [f.Halt(gen=1)] * 2
    desk.beat(gen=1)
    assert sent(desk.passes(4_000), f.Halt) == []
    watch = desk.step(w.Watch, symbols=("EURUSD",))
    assert sent(watch, f.Set) == [f.Set(gen=2, symbols=("EURUSD",))]
    assert sent(desk.step(w.SetHalt, on=False), f.Resume) == [f.Resume(gen=3)]


def test_a_new_holder_is_told_of_the_halt_anew() -> None:
    desk = Desk()
    desk.come()
    desk.step(w.SetHalt, on=True)
    desk.beat(gen=1)
    desk.step(w.Lost, conn="ws1")
    assert sent(desk.hello("ws2", "B", prev="A", jhi=12), f.Halt) == [f.Halt(gen=1)]


def test_a_halt_this_hub_does_not_know_of_is_not_lifted() -> None:
    desk = Desk()
    desk.come()
    beat = desk.beat(gen=4)
    assert alarms(beat) == ["HUB_RESTORED"]
    assert (sent(beat, f.Resume), desk.link.record.suspended) == ([], True)


def test_prices_are_the_latest_of_each_symbol_and_need_no_commit() -> None:
    desk = Desk()
    desk.come()
    old, new = (
        ("EURUSD", deal("1").price, deal("1").price, WALL),
        ("EURUSD", deal("1").price, deal("1").price, WALL + 1),
    )
    steps = desk.hear(f.Price(q=(old, new)))
    assert [fact.rows for fact in facts(steps, w.Quoted)] == [(new,)]
    assert all(isinstance(fact, w.Quoted) for fact in steps.facts)


def test_every_state_of_a_session_can_be_reached_and_left() -> None:
    reached = {after for turns in w.TRANSITIONS.values() for after in turns.values()}
    assert reached == set(Session) == set(w.TRANSITIONS)


def test_a_command_of_before_the_restart_goes_on_to_the_same_instance() -> None:
    desk = Desk()
    desk.come()
    desk.deliver(cmd(1))
    again = desk.restarted()
    first = again.hello("ws2", "A")
    assert (moves(first), sent(first, f.Cmd)) == ([], [])
    again.snap()
    assert [frame.id for frame in sent(again.beat(), f.Cmd)] == ["c-1"]
