"""The EA's side of the link, rule by rule: what goes in, what comes out, in which order."""

from typing import Any

import msgspec
import pytest
from tests.unit.terminal.link_desk import (
    PREFIX,
    WALL,
    D,
    Ea,
    closing,
    deal,
    frames,
    notes,
    only,
    order,
    position,
    resting,
    results,
    see,
    welcome,
)

from kakehashi.domain.frames import (
    Ack,
    Delta,
    Err,
    Evt,
    EvtAck,
    FromEa,
    Halt,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Query,
    QueryResult,
    Refuse,
    ReqSnap,
    Resend,
    Resume,
    Snap,
)
from kakehashi.domain.frames import (
    Test as Probe,
)
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.link_words import (
    Answered,
    Connected,
    Disconnected,
    Drop,
    Look,
    Passed,
    Seen,
    Send,
    Stopping,
    Trade,
)
from kakehashi.terminal.core.words import (
    ZERO,
    MarginMode,
    OrderState,
    OrderType,
    Result,
    TradeAction,
)

# -- R2: journal before act --------------------------------------------------------------------------------------


def test_the_ack_follows_the_intent_and_the_order_follows_the_sent_line() -> None:
    out = Ea().connect().command()
    shape = [type(o).__name__ if not isinstance(o, Send) else type(o.frame).__name__ for o in out]
    assert shape[:4] == ["Append", "Ack", "Append", "Trade"]
    assert notes(out) == ["INTENT", "SENT"]


def test_a_result_and_its_outbox_row_are_one_line() -> None:
    ea = Ea().connect()
    ea.command()
    out = ea.do(Answered(id="c-1", result=Result(retcode=10009, order=3001), deals=(deal("9"),)))
    assert notes(out) == ["TOLD"]
    again = journal.read(ea.raw)
    assert again.works["c-1"].final
    assert [e.st for e, _ in again.outbox.values()] == ["FILLED"]
    assert frames(out, Evt)[0].j == again.line


def test_a_clean_stop_keeps_the_instance_and_a_death_takes_a_new_one() -> None:
    ea = Ea().connect()
    first = ea.link.memory.instance
    ea.do(Stopping())
    kept = Ea(ea.raw)
    assert (kept.link.memory.instance, kept.link.memory.boot) == (first, 2)
    died = Ea(kept.raw)
    assert died.link.memory.instance != first
    assert (died.link.memory.prev, died.link.memory.boot) == (first, 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-9],
        lambda raw: raw.replace(b"INTENT", b"INTEND"),
        lambda raw: b"".join(raw.splitlines(keepends=True)[1:]),
        lambda raw: b"\n".join([*raw.splitlines()[:2], *raw.splitlines()[3:], b""]),
        lambda _: b"",
    ],
    ids=["torn", "changed", "head missing", "a line missing", "gone"],
)
def test_a_journal_off_its_chain_takes_a_new_instance(damage: Any) -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Stopping())
    assert journal.read(ea.raw).clean
    assert not journal.read(damage(ea.raw)).clean


def test_the_hub_that_has_seen_a_later_journal_is_answered_with_a_new_instance() -> None:
    ea = Ea().connect()
    old = ea.link.memory.instance
    ea.do(Disconnected())
    ea.do(Connected(fresh="second"))
    assert ea.link.memory.instance == old
    assert only(ea.do(Refuse(reason="JOURNAL_BACK", retry_ms=100)), Drop)[0].retry_ms == 100
    hello = frames(ea.do(Connected(fresh="third")), Hello)[0]
    assert (hello.instance, hello.prev, hello.boot) == ("third", old, 2)


def test_an_instance_that_was_never_let_in_is_not_named_as_the_one_succeeded() -> None:
    ea = Ea().connect()
    unheard = Ea(ea.raw)
    assert Ea(unheard.raw).link.memory.prev == ea.link.memory.instance


# -- R3, R4: once, and told until acked --------------------------------------------------------------------------


def test_a_known_id_is_acked_again_and_not_executed_again() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10013)))
    ea.do(EvtAck(n=1))
    out = ea.command()
    assert not only(out, Trade)
    assert frames(out, Ack)
    assert results(out) == [("REJECTED", "BROKER")]


def test_the_same_id_with_other_content_is_an_error() -> None:
    ea = Ea().connect()
    ea.command()
    out = ea.command(vol=D("0.20"))
    assert [e.code for e in frames(out, Err)] == ["SAME_ID"]
    assert not frames(out, Ack)


def test_an_event_is_told_every_two_seconds_until_it_is_acked_and_again_on_request() -> None:
    ea = Ea().connect()
    ea.command(ttl_ms=1, age_ms=5)
    assert len(frames(ea.wait(4_250), Evt)) == 2
    assert notes(ea.do(EvtAck(n=1))) == ["EVTA"]
    assert not frames(ea.wait(4_250), Evt)
    assert len(frames(ea.do(Resend(start=1)), Evt)) == 1


def test_events_are_told_at_the_welcome_and_survive_a_death() -> None:
    ea = Ea().connect()
    ea.command(ttl_ms=1, age_ms=5)
    again = Ea(ea.raw)
    again.do(Connected(fresh="x"))
    assert results(again.do(welcome(6))) == [("EXPIRED", "TTL")]


# -- R5, R9, R20: lease, clocks, epochs --------------------------------------------------------------------------


def test_nothing_starts_before_a_heartbeat_was_answered() -> None:
    ea = Ea()
    ea.do(Connected(fresh="x"))
    ea.do(welcome())
    ea.wait(7_000, beats=False)
    assert not only(ea.command(), Trade)
    assert only(ea.do(HeartbeatAck(n=ea.beat, ep=5)), Trade)


def test_the_lease_counts_from_when_the_heartbeat_was_sent() -> None:
    ea = Ea().connect()
    sent = ea.link._beats[ea.beat]
    while ea.now + 250 < sent + 15_000:
        ea.wait(250, beats=False)
        ea.do(ReqSnap())  # the hub is there, it just answers no heartbeat
    assert only(ea.command(1), Trade)
    ea.wait(250, beats=False)
    assert not only(ea.command(2, sym="USDJPY"), Trade)


def test_an_acked_command_that_lost_its_lease_is_not_executed() -> None:
    ea = Ea().connect()
    ea.show(connected=False)
    ea.command(ttl_ms=60_000)
    ea.do(Disconnected())
    ea.wait(15_500)
    ea.do(Connected(fresh="x"))
    assert results(ea.do(welcome())) == [("NOT_EXECUTED", "LEASE")]


def test_a_command_of_another_epoch_is_not_taken() -> None:
    out = Ea().connect().command(ep=4)
    assert [e.code for e in frames(out, Err)] == ["EPOCH"]
    assert not notes(out)


def test_a_welcome_below_the_kept_epoch_is_refused() -> None:
    again = Ea(Ea().connect().raw)
    again.do(Connected(fresh="x"))
    out = again.do(welcome(4))
    assert [d.reason for d in only(out, Drop)] == ["EPOCH_BACK"]


def test_age_counts_the_time_a_command_lay_in_a_buffer() -> None:
    ea = Ea().connect()
    late = ea.cmd(ttl_ms=2_000, age_ms=100)
    ea.wait(2_000)
    assert results(ea.do(late)) == [("EXPIRED", "TTL")]


def test_after_a_pause_nothing_starts_before_an_answer_to_a_later_heartbeat() -> None:
    ea = Ea().connect()
    before = ea.beat
    ea.now += 1_500
    ea.do(Passed())
    ea.do(HeartbeatAck(n=before, ep=5))
    assert not only(ea.command(), Trade)
    assert only(ea.do(HeartbeatAck(n=ea.beat, ep=5)), Trade)


def test_a_paused_machine_counts_the_pause_in_what_it_holds_and_in_what_waited_in_its_socket() -> None:
    ea = Ea().connect()
    ea.show(connected=False)
    buffered = ea.cmd(2)
    ea.command(1)
    ea.skew += 31_000  # its timer stood still
    assert results(ea.wait(250)) == [("EXPIRED", "TTL")]
    assert ("EXPIRED", "TTL") in results(ea.do(buffered))


def test_a_wall_clock_that_jumped_is_a_pause_too() -> None:
    ea = Ea().connect()
    ea.skew = 3_000
    ea.do(Passed())
    assert not only(ea.command(), Trade)


def test_a_wall_clock_that_was_set_back_may_hide_a_pause_so_what_is_held_is_too_old() -> None:
    ea = Ea().connect()
    ea.show(connected=False)
    ea.command(1)
    ea.skew -= 20_000
    assert results(ea.wait(250)) == [("EXPIRED", "TTL")]


# -- R7: doubt ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retcode", [10004, 10006, 10013, 10018, 10019, 10024, 10030, 10035, 10046])
def test_a_definite_refusal_is_a_result(retcode: int) -> None:
    ea = Ea().connect()
    ea.command()
    assert results(ea.do(Answered(id="c-1", result=Result(retcode=retcode)))) == [("REJECTED", "BROKER")]


@pytest.mark.parametrize("retcode", [0, 10008, 10009, 10011, 10012, 10023, 10028, 10031, 10039, 19999])
def test_every_other_answer_is_looked_for(retcode: int) -> None:
    ea = Ea().connect()
    ea.command()
    out = ea.do(Answered(id="c-1", result=Result(retcode=retcode)))
    assert not frames(out, Evt)
    assert [(k.magic, k.since) for k in only(out, Look)] == [(PREFIX | 1, WALL - 86_400_000)]


def test_a_refusal_that_names_an_order_is_none() -> None:
    ea = Ea().connect()
    ea.command()
    assert not frames(ea.do(Answered(id="c-1", result=Result(retcode=10006, order=3001))), Evt)


def test_filled_takes_the_deals_sum() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10009, order=3001), deals=(deal("9", volume=D("0.04")),)))
    assert results(see(ea, working=(order(OrderState.PARTIAL),), deals=(deal("9", volume=D("0.04")),))) == [
        ("PARTIAL", "")
    ]
    ea.wait(30_250)
    both = (deal("9", volume=D("0.04")), deal("10", volume=D("0.06"), price=D("1.09")))
    evt = frames(see(ea, ended=(order(OrderState.FILLED, volume_current=ZERO),), deals=both), Evt)[0]
    assert (evt.st, evt.vol, evt.price) == ("FILLED", D("0.10"), D("1.086"))


def test_silence_for_five_seconds_is_doubt_and_absence_takes_two_late_reads() -> None:
    ea = Ea().connect()
    ea.command()
    start = ea.now
    assert not only(ea.wait(4_750), Look)
    told: list[Evt] = []
    while not told and ea.now < start + 300_000:
        looks = only(ea.wait(250), Look)
        told = [e for look in looks for e in frames(ea.do(Seen(id=look.id, n=look.n)), Evt)]
    assert [(e.st, e.reason) for e in told] == [("NOT_EXECUTED", "ABSENT")]
    assert 185_000 <= ea.now - start < 195_000


def test_absence_counts_for_nothing_while_the_terminal_is_not_settled() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10028)))
    for _ in range(60):  # the broker's connection breaks every 14 s: synced after 5 s, never for 10
        ea.show(connected=False)
        ea.show(connected=True)
        for look in only(ea.wait(14_000), Look):
            assert not frames(ea.do(Seen(id=look.id, n=look.n)), Evt)


def test_after_a_death_an_intent_without_sent_is_doubt_too() -> None:
    ea = Ea().connect()
    ea.show(connected=False)
    ea.command()
    again = Ea(ea.raw)
    again.wait(7_000)
    assert only(again.out, Look)
    see(again, ended=(order(OrderState.FILLED, volume_current=ZERO),), deals=(deal("9"),))
    again.do(Connected(fresh="x"))
    assert results(again.do(welcome(6))) == [("FILLED", "")]


def test_a_modify_is_done_when_the_levels_are_there_and_leaves_no_deal() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    ea.command(op="MODIFY", target="1001", sl=D("1.07"))
    ea.do(Answered(id="c-1", result=Result(retcode=10012)))
    assert not frames(see(ea), Evt)
    ea.show(positions=(position(sl=D("1.0700")),))
    ea.wait(1_000)
    assert results(see(ea)) == [("DONE", "")]
    ea.command(2, op="MODIFY", target="1001", sl=D("1.08"))
    assert results(ea.do(Answered(id="c-2", result=Result(retcode=10025))))[-1] == ("DONE", "NO_CHANGES")


def test_a_cancel_is_told_by_the_orders_history() -> None:
    for state, result in ((OrderState.CANCELED, "DONE"), (OrderState.FILLED, "REJECTED")):
        ea = Ea().connect()
        ea.show(orders=(resting("3001"),))
        ea.command(op="CANCEL", target="3001")
        ea.do(Answered(id="c-1", result=Result(retcode=10009)))
        ea.show(orders=())
        assert [st for st, _ in results(see(ea, ended=(order(state),)))] == [result]


def test_a_pending_order_is_placed_then_followed_to_its_end() -> None:
    ea = Ea().connect()
    ea.command(op="PENDING", kind="LIMIT", price=D("1.05"))
    ea.do(Answered(id="c-1", result=Result(retcode=10009, order=3001)))
    assert results(see(ea, working=(order(OrderState.PLACED, type=OrderType.BUY_LIMIT),))) == [("PLACED", "")]
    ea.do(EvtAck(n=1))
    ea.show(orders=(resting("3001"),))
    see(ea, working=(order(OrderState.PLACED, type=OrderType.BUY_LIMIT),))
    ea.show(orders=())
    assert results(see(ea, ended=(order(OrderState.EXPIRED),))) == [("EXPIRED", "EXPIRED")]


def test_an_exit_on_a_position_that_is_gone_looks_for_its_deal_first() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    closing(ea)
    ea.do(Answered(id="c-1", result=Result(retcode=10036)))
    ea.show(positions=())
    assert results(see(ea)) == [("DONE", "ALREADY_FLAT")]


# -- R8: status --------------------------------------------------------------------------------------------------


def test_a_query_is_answered_from_the_journal_and_then_from_the_venue() -> None:
    ea = Ea().connect()
    ea.command()
    assert [q.jst for q in frames(ea.do(Query(id="c-1", magic=str(PREFIX | 1))), QueryResult)] == ["SENT"]
    ea.do(Query(id="c-7", magic=str(PREFIX | 7)))
    found = frames(see(ea, deals=(deal("9", 7), deal("10", 7, reason="SL"))), QueryResult)[0]
    assert (found.jst, [d.ticket for d in found.found], found.synced, found.working) == ("", ["9"], True, False)
    ea.do(Query(id="c-7", magic=str(PREFIX | 7)))
    rest = frames(see(ea, working=(order(OrderState.PARTIAL, 7),)), QueryResult)[0]
    assert rest.working, "what is left of a market order that was filled in part is in no list of pending orders"


def test_a_query_after_a_position_brings_the_deal_that_closed_it() -> None:
    ea = Ea().connect()
    look = only(ea.do(Query(position="1001", magic="7")), Look)[0]
    assert (look.position, look.magic) == (1001, 0)
    closed = deal("9", magic="0", position="1001", entry="OUT", reason="SL")
    answers = frames(see(ea, deals=(closed,)), QueryResult)
    assert [(q.id, q.position, q.found) for q in answers] == [("", "1001", (closed,))]


# -- R10, R18, R19, R21: what is refused, and what waits ---------------------------------------------------------


def test_a_close_trades_no_more_than_is_there_and_than_was_expected() -> None:
    for actual, expected, traded in (("0.10", "0.04", "0.04"), ("0.03", "0.10", "0.03")):
        ea = Ea().connect()
        ea.show(positions=(position(volume=D(actual)),))
        request = only(closing(ea, expect_vol=D(expected)), Trade)[0].request
        assert (request.volume, request.type, request.position) == (D(traded), OrderType.SELL, 1001)
        assert (request.magic, request.comment) == (PREFIX | 1, "c-1")


def test_an_exit_sends_nothing_without_a_matching_position() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(side="S"),))
    for number, target in ((1, "1001"), (2, "555")):
        out = closing(ea, number, target=target) + ea.wait(6_000)
        assert not only(out, Trade)
        assert results(out)[-1] == ("DONE", "ALREADY_FLAT")
    assert results(closing(ea, 3, op="CLOSE_PARTIAL", side="S", vol=D("0.05"), expect_vol=D("0.2")))[-1] == (
        "REJECTED",
        "PRECOND",
    )


def test_an_exit_without_target_takes_nothing_younger_than_its_alert_and_nothing_foreign() -> None:
    ea = Ea().connect()
    young, foreign, old = (
        position("1"),
        position("2", opened=WALL - 90_000, magic="7"),
        position("3", opened=WALL - 9_000),
    )
    ea.show(positions=(young, foreign, old))
    assert only(closing(ea, target="", opened_before=WALL - 6_000), Trade)[0].request.position == 3


def test_an_exit_waits_for_a_terminal_that_is_synced() -> None:
    ea = Ea().connect()
    ea.show(connected=False)
    ea.show(connected=True, positions=())
    assert not results(closing(ea))
    ea.view = msgspec.structs.replace(ea.view, positions=(position(),))
    assert only(ea.wait(7_000), Trade)


def test_a_command_below_the_highest_started_on_its_target_is_superseded() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    ea.command(6, op="MODIFY", target="1001", sl=D("1.07"))
    ea.do(Answered(id="c-6", result=Result(retcode=10025)))
    late = ea.command(5, op="MODIFY", target="1001", sl=D("1.01"))
    assert results(late)[-1] == ("REJECTED", "SUPERSEDED")
    assert not only(late, Trade)


def test_a_second_command_waits_until_the_first_on_its_target_is_over() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    ea.command(1, op="MODIFY", target="1001", sl=D("1.07"))
    assert not only(closing(ea, 2), Trade)
    assert only(ea.do(Answered(id="c-1", result=Result(retcode=10025))), Trade)


def test_on_netting_a_symbol_has_one_live_exit() -> None:
    ea = Ea(margin_mode=MarginMode.NETTING).connect()
    ea.show(positions=(position("1001"), position("1002")))
    assert only(closing(ea, 1), Trade)
    assert not only(closing(ea, 2, target="1002"), Trade)


def test_a_magic_that_is_no_positive_long_opens_nothing() -> None:
    ea = Ea().connect()
    for number, magic in ((1, "0"), (2, str(1 << 63))):
        assert results(ea.command(number, magic=magic))[-1] == ("REJECTED", "BAD_MAGIC")


def test_halt_outlives_a_death_cancels_pending_orders_and_lets_only_risk_out() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(sl=D("1.07")),), orders=(resting(), resting("2002", magic="7")))
    trades = only(ea.do(Halt(gen=3)), Trade)
    assert [(t.request.action, t.request.order) for t in trades] == [(TradeAction.REMOVE, 2001)]
    again = Ea(ea.raw).connect(6)
    again.show(positions=ea.view.positions)
    assert results(again.command(1))[-1] == ("REJECTED", "HALTED")
    assert results(again.command(2, op="MODIFY", target="1001", sl=D("1.06")))[-1] == ("REJECTED", "HALTED")
    assert only(again.command(3, op="MODIFY", target="1001", sl=D("1.08")), Trade)
    again.do(Answered(id="c-3", result=Result(retcode=10025)))
    assert only(closing(again, 4), Trade)
    again.do(Resume(gen=3))
    assert results(again.command(5))[-1] == ("REJECTED", "HALTED")
    again.do(Resume(gen=4))
    assert only(again.command(6), Trade)


# -- R11, R12, R13: state ----------------------------------------------------------------------------------------


def test_snap_and_delta_count_up_and_the_heartbeat_follows_half_a_second_later() -> None:
    ea = Ea().connect()
    base = ea.link._mirror.sseq
    delta = frames(ea.show(positions=(position("1001", open=D("1.08550"), magic="7"),)), Delta)[0]
    assert (delta.sseq, delta.rows[0].ticket) == (base + 1, "1001")
    assert not frames(ea.wait(250), Heartbeat)
    hb = frames(ea.wait(250), Heartbeat)[0]
    assert (hb.sseq, hb.crc, hb.npos, hb.synced) == (base + 1, 478750638, 1, True)
    assert frames(ea.do(ReqSnap()), Snap)[0].sseq == base + 2


def test_an_exit_waits_for_a_position_whose_deal_was_told_before_the_terminal_showed_it() -> None:
    ea = Ea().connect()
    assert results(closing(ea)) == []
    assert [t.request.position for t in only(ea.show(positions=(position(),)), Trade)] == [1001]


def test_a_position_that_does_not_appear_is_gone() -> None:
    ea = Ea().connect()
    closing(ea)
    assert results(ea.wait(4_000)) == []
    assert results(ea.wait(2_000)) == [("DONE", "ALREADY_FLAT")]


def test_a_terminal_that_loses_its_broker_says_so_at_once() -> None:
    ea = Ea().connect()
    ea.wait(1_000)
    assert [hb.synced for hb in frames(ea.show(connected=False), Heartbeat)] == [False]


def test_profit_alone_is_no_change() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    assert not frames(ea.show(positions=(position(profit=D(5)),)), Delta)


def test_many_changes_are_one_snap_in_parts_that_fit() -> None:
    ea = Ea().connect()
    parts = frames(ea.show(positions=tuple(position(str(i)) for i in range(1, 252))), Snap)
    assert [(p.part, p.of) for p in parts] == [(1, 3), (2, 3), (3, 3)]
    assert len({p.sseq for p in parts}) == 1
    assert all(len(msgspec.json.encode(p)) < 65_536 for p in parts)


def test_a_terminal_that_just_started_is_not_believed() -> None:
    ea = Ea()
    ea.do(Connected(fresh="x"))
    assert [s.synced for s in frames(ea.do(welcome()) + ea.do(ea.view), Snap)] == [False]
    assert not frames(ea.show(positions=(position(),)), Delta)
    settled = frames(ea.wait(7_000), Snap)
    assert [(s.synced, len(s.positions)) for s in settled] == [(True, 1)]
    ea.show(login="78")
    assert frames(ea.wait(5_000), Heartbeat)[-1].synced is False


# -- R17, R22: outbox, deals -------------------------------------------------------------------------------------


def test_a_full_outbox_opens_nothing_and_still_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakehashi.terminal.core.executions.OUTBOX_CAP", 1)
    ea = Ea().connect()
    ea.show(positions=(position(),), deals=(deal("9", magic="0", reason="SL"),))
    assert results(ea.command(1))[-1] == ("REJECTED", "OUTBOX_FULL")
    assert only(closing(ea, 2), Trade)


def test_a_deal_nobody_asked_for_is_told_once_ever() -> None:
    ea = Ea().connect()
    stop_out = deal("9", 900, entry="OUT", reason="SO")
    assert [(e.id, e.st) for e in frames(ea.show(deals=(stop_out,)), Evt)] == [("", "DEAL")]
    ea.do(EvtAck(n=1))
    assert not frames(ea.wait(3_000), Evt)
    again = Ea(ea.raw).connect(6)
    assert again.link.memory.deal_hi == 9
    assert not frames(again.show(deals=(stop_out,)), Evt)


def test_a_commands_own_deal_comes_with_its_result_and_hides_no_other() -> None:
    ea = Ea().connect()
    ea.command()
    out = ea.show(deals=(deal("9"), deal("10", magic="0", reason="TP")))
    assert [e.id for e in frames(out, Evt)] == [""]
    assert ea.link.memory.deal_hi == 0
    see(ea, ended=(order(OrderState.FILLED, volume_current=ZERO),), deals=(deal("9"),))
    ea.do(ea.view)
    assert ea.link.memory.deal_hi == 10
    assert len(ea.link.memory.outbox) == 2


def test_a_deal_after_not_executed_corrects_it() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10028)))
    while not ea.link.memory.works["c-1"].final:
        for look in only(ea.wait(250), Look):
            ea.do(Seen(id=look.id, n=look.n))
    assert results(ea.out)[0] == ("NOT_EXECUTED", "ABSENT")
    assert ("FILLED", "LATE") in results(ea.show(deals=(deal("9"),)))
    assert ("DEAL", "") in results(ea.show(deals=(deal("9"), deal("10"))))


# -- the connection ----------------------------------------------------------------------------------------------


def test_a_test_is_answered_at_once_and_a_silent_hub_is_dropped() -> None:
    ea = Ea().connect()
    answer: list[FromEa] = list(frames(ea.do(Probe(id="t")), Probe))
    assert answer == [Probe(id="t", re=True)]
    assert [d.reason for d in only(ea.wait(12_500, beats=False), Drop)] == ["DEAD"]
