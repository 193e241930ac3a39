"""The mirror of an account: applied in order, proven by its sync version, and never called fresh when it may be wrong."""

from decimal import Decimal

import pytest
from linkdesk import DAY, WALL, Desk, alarms, cmd, deal, facts, positions, row, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.linkwords import Session

D = Decimal


def test_a_mirror_is_fresh_from_the_first_heartbeat_that_matches() -> None:
    desk = Desk()
    desk.hello("ws1")
    assert positions(desk.snap(row())) == [("OPENED", "1001")]
    assert not desk.link.fresh(desk.now)
    steps = desk.beat()
    assert desk.link.fresh(desk.now)
    assert [(m.before, m.after) for m in facts(steps, w.SessionMoved)] == [(Session.SYNCING, Session.FRESH)]


def test_it_is_stale_6_5_seconds_after_that_heartbeat_and_a_snapshot_is_asked_for() -> None:
    desk = Desk()
    desk.come()
    desk.passes(6_500)
    assert desk.link.fresh(desk.now)
    steps = desk.passes(1)
    assert not desk.link.fresh(desk.now)
    assert sent(steps, f.ReqSnap) == [f.ReqSnap(reason="STALE")]


@pytest.mark.parametrize("beat", [{"synced": False}, {"sseq": 9}, {"crc": 1}, {"ocrc": 1}], ids=str)
def test_a_heartbeat_that_does_not_prove_the_mirror_makes_it_stale_at_once(beat: dict[str, int]) -> None:
    desk = Desk()
    desk.come()
    steps = desk.beat(**beat)
    assert not desk.link.fresh(desk.now)
    assert desk.link.session is Session.STALE
    assert len(sent(steps, f.ReqSnap)) == 1


def test_a_heartbeat_of_an_older_state_than_is_held_says_nothing() -> None:
    desk = Desk()
    desk.come()
    desk.change("1001", row())
    old = desk.beat(sseq=desk.sseq - 1, crc=0)
    assert (sent(old, f.ReqSnap), desk.link.fresh(desk.now)) == ([], True)
    desk.passes(6_501)
    assert not desk.link.fresh(desk.now)


def test_a_snapshot_that_is_not_synced_changes_nothing() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    assert positions(desk.snap(synced=False)) == []
    assert list(desk.link.mirror.positions) == ["1001"]


def test_a_delta_is_applied_only_right_after_what_is_held() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    assert positions(desk.change("1002", row("1002"))) == [("OPENED", "1002")]
    desk.sseq -= 1
    assert positions(desk.change("1001", None)) == []  # the same number again: older
    desk.sseq += 1
    gap = desk.change("1003", row("1003"))
    assert (positions(gap), sent(gap, f.ReqSnap)) == ([], [f.ReqSnap(reason="GAP")])
    assert not desk.link.fresh(desk.now)


def test_a_snapshot_older_than_what_is_held_is_ignored() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    assert positions(desk.snap(sseq=1)) == []
    assert list(desk.link.mirror.positions) == ["1001"]


def test_a_snapshot_in_parts_counts_only_whole() -> None:
    desk = Desk()
    desk.hello("ws1")
    rows = (row("1001"), row("1002"))
    crc = f.position_crc(rows)
    parts = [f.Snap(boot=1, sseq=5, part=n, of=2, positions=(rows[n - 1],), crc=crc, synced=True) for n in (1, 2)]
    assert positions(desk.hear(parts[1])) == []
    assert positions(desk.hear(parts[0])) == [("OPENED", "1001"), ("OPENED", "1002")]


def test_parts_of_two_snapshots_are_never_mixed() -> None:
    desk = Desk()
    desk.hello("ws1")
    first = f.Snap(boot=1, sseq=5, part=1, of=2, positions=(row("1001"),), synced=True)
    other = f.Snap(boot=1, sseq=6, part=2, of=2, positions=(row("1002"),), synced=True)
    assert positions([desk.hear(first), desk.hear(other)]) == []


def test_rows_that_do_not_have_the_sync_version_they_claim_are_refused() -> None:
    desk = Desk()
    desk.hello("ws1")
    steps = desk.snap(row(), crc=1)
    assert [e.code for e in sent(steps, f.Err)] == ["BAD_FRAME"]
    assert desk.link.mirror.positions == {}
    no_number = f.Snap(boot=1, sseq=9, positions=(row("12a"),), synced=True)
    assert [e.code for e in sent(desk.hear(no_number), f.Err)] == ["BAD_FRAME"]


def test_two_mismatches_running_with_a_snapshot_between_them_raise_an_alarm_and_one_does_not() -> None:
    desk = Desk()
    desk.come()
    assert alarms([desk.beat(crc=1), desk.beat(crc=1)]) == []
    desk.snap()
    assert alarms(desk.beat(crc=1)) == ["MIRROR_MISMATCH"]
    desk.snap()
    desk.beat()
    assert alarms(desk.beat(crc=1)) == []


def test_a_snapshot_is_asked_for_again_until_it_comes() -> None:
    desk = Desk()
    desk.come()
    assert len(sent([desk.step(w.Resync), *desk.passes(4_000)], f.ReqSnap)) == 3
    desk.snap()
    desk.beat()
    assert sent(desk.passes(4_000), f.ReqSnap) == []


def test_a_full_sync_that_does_not_come_by_itself_is_asked_for() -> None:
    desk = Desk()
    desk.come()
    assert [r.reason for r in sent(desk.lives(310_000), f.ReqSnap)][:1] == ["FULL_SYNC"]


def test_a_reconnect_of_the_same_instance_and_boot_goes_on_from_what_is_held() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    desk.step(w.Lost, conn="ws1")
    assert not desk.link.fresh(desk.now)
    desk.hello("ws2", "A")
    desk.beat()
    assert desk.link.fresh(desk.now)


def test_state_of_another_boot_than_hello_named_is_refused() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    assert sent(desk.hear(f.Snap(boot=2, sseq=9, synced=True)), f.Err)[0].code == "BAD_FRAME"
    assert list(desk.link.mirror.positions) == ["1001"]


def test_a_position_closes_with_the_deal_that_explains_it_whichever_comes_first() -> None:
    out = deal("51", position="1001", entry="OUT", side="S", reason="SL")
    desk = Desk()
    desk.come("ws1", "A", row())
    assert positions(desk.hear(f.Evt(n=1, st="DEAL", deals=(out,)))) == []
    closed = facts(desk.change("1001", None), w.PositionMoved)[0]
    assert (closed.change, closed.deals) == (w.Change.CLOSED, (out,))

    late = Desk()
    late.come("ws1", "A", row())
    assert positions(late.change("1001", None)) == [("MISSING", "1001")]
    assert positions(late.hear(f.Evt(n=1, st="DEAL", deals=(out,)))) == [("CLOSED", "1001")]


def test_the_deal_of_an_earlier_partial_close_does_not_explain_that_the_rest_is_gone() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    part = deal("51", position="1001", entry="OUT", side="S", volume=D("0.05"))
    desk.hear(f.Evt(n=1, st="DEAL", deals=(part,)))
    assert positions(desk.change("1001", row(volume="0.05"))) == [("CHANGED", "1001")]
    assert positions(desk.change("1001", None)) == [("MISSING", "1001")]


def test_a_position_without_a_deal_is_unexplained_only_after_a_minute_of_sync_and_two_reads() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    gone = desk.change("1001", None)
    assert positions(gone) == [("MISSING", "1001")]
    asked = sent(gone, f.Query)
    assert [(q.id, q.position) for q in asked] == [("", "1001")]
    read = f.QueryResult(position="1001", synced=True, hist_from=WALL - 2 * DAY)
    steps = desk.lives(59_000)
    steps += [desk.hear(read), desk.hear(f.QueryResult(position="1001"))]
    assert positions([*steps, *desk.lives(10_000)]) == []  # one whole read only
    again = desk.hear(read)
    assert positions(again) == [("UNEXPLAINED", "1001")]
    assert alarms(again) == ["CLOSED_UNEXPLAINED"]


def test_a_break_of_sync_starts_the_minute_again() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    desk.change("1001", None)
    read = f.QueryResult(position="1001", synced=True, hist_from=WALL - 2 * DAY)
    desk.hear(read)
    desk.hear(read)
    desk.lives(50_000)
    desk.beat(synced=False)
    desk.beat()
    assert positions(desk.lives(55_000)) == []
    assert positions(desk.lives(10_000)) == [("UNEXPLAINED", "1001")]


def test_a_missing_position_that_is_seen_again_is_found_and_until_then_nothing_is_added_on_its_symbol() -> None:
    desk = Desk()
    desk.come("ws1", "A", row())
    desk.change("1001", None)
    desk.beat()
    assert sent(desk.deliver(cmd(1)), f.Cmd) == []
    assert sent(desk.deliver(cmd(2, sym="USDJPY")), f.Cmd) != []
    found = desk.snap(row())
    assert positions(found) == [("FOUND", "1001")]
    assert [c.id for c in sent(found, f.Cmd)] == ["c-1"]


def test_a_deal_is_told_once_however_often_it_is_replayed() -> None:
    desk = Desk()
    desk.come()
    steps = [desk.hear(f.Evt(n=n, st="DEAL", deals=(deal("1"),))) for n in (1, 2)]
    assert [len(fact.rows) for fact in facts(steps, w.DealsTold)] == [1]


def test_positions_of_before_the_outage_are_compared_with_the_first_snapshot() -> None:
    desk = Desk()
    desk.come("ws1", "A", row("1001"), row("1002"))
    desk.step(w.Lost, conn="ws1")
    desk.hello("ws2", "A")
    assert positions(desk.snap(row("1002", "0.20"), row("1003"))) == [
        ("CHANGED", "1002"),
        ("OPENED", "1003"),
        ("MISSING", "1001"),
    ]
