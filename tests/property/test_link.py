"""Laws of the EA link that hold for every history of frames, losses and hours."""

import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

from linkdesk import Desk, cmd, deal, facts, row, sent

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.linkwords import Session
from kakehashi.domain.orders import State

tickets = st.sampled_from(["1001", "1002", "1003"])
instances = st.sampled_from(["A", "B"])
conns = st.sampled_from(["ws1", "ws2", "ws3"])
acts = st.one_of(
    st.tuples(st.just("hello"), conns, instances, st.booleans(), st.integers(1, 3)),
    st.tuples(st.just("lost"), conns),
    st.tuples(st.just("pass"), st.integers(1, 20_000)),
    st.tuples(st.just("change"), conns, tickets, st.booleans(), st.booleans()),
    st.tuples(st.just("snap"), conns, st.lists(tickets, unique=True, max_size=3), st.booleans(), st.booleans()),
    st.tuples(st.just("beat"), conns, st.booleans()),
    st.tuples(st.just("deliver"), st.integers(1, 6), st.sampled_from(["OPEN", "CLOSE", "MODIFY"])),
    st.tuples(st.just("ack"), conns, st.integers(1, 6)),
    st.tuples(st.just("evt"), conns, st.integers(1, 6), st.integers(1, 6), st.sampled_from(sorted(State))),
    st.tuples(st.just("qres"), conns, st.integers(1, 6), st.booleans()),
    st.tuples(st.just("halt"), st.booleans()),
    st.tuples(st.just("test"), conns, st.integers(1, 3)),
)


class World(Desk):
    """Frames on any connection, lost or not on their way; ``rows`` is what the terminal really holds."""

    def act(self, what: str, *rest: Any) -> Any:
        self.tick(1)
        return getattr(self, f"do_{what}")(*rest)

    def do_hello(self, conn: str, instance: str, succeeds: bool, boot: int) -> Any:
        self.boot = max(self.boot, boot)
        other = ({"A": "B", "B": "A"}[instance]) if succeeds else None
        return self.hello(conn, instance, prev=other, jhi=self.now, jchain=1)

    def do_lost(self, conn: str) -> Any:
        return self.step(w.Lost, conn=conn)

    def do_pass(self, ms: int) -> Any:
        return self.passes(ms)

    def do_change(self, conn: str, ticket: str, there: bool, arrives: bool) -> Any:
        self.conn = conn if arrives else "nowhere"
        return self.change(ticket, row(ticket) if there else None)

    def do_snap(self, conn: str, held: list[str], synced: bool, arrives: bool) -> Any:
        self.conn = conn if arrives else "nowhere"
        if synced:
            return self.snap(*(row(ticket) for ticket in held))
        return self.hear(f.Snap(boot=self.boot, sseq=self.sseq + 1, synced=False))

    def do_beat(self, conn: str, synced: bool) -> Any:
        self.conn = conn
        return self.beat(synced=synced)

    def do_deliver(self, number: int, op: str) -> Any:
        return self.deliver(cmd(number, op, target="1001" if op != "OPEN" else ""))

    def do_ack(self, conn: str, number: int) -> Any:
        return self.hear(f.Ack(id=f"c-{number}", j=1), conn)

    def do_evt(self, conn: str, n: int, number: int, state: State) -> Any:
        return self.hear(f.Evt(n=n, id=f"c-{number}", st=state.value), conn)

    def do_qres(self, conn: str, number: int, found: bool) -> Any:
        deals = (deal(str(number), magic=f"9{number:03}"),) if found else ()
        return self.hear(f.QueryResult(id=f"c-{number}", synced=True, hist_from=1, found=deals), conn)

    def do_halt(self, on: bool) -> Any:
        return self.step(w.SetHalt, on=on)

    def do_test(self, conn: str, number: int) -> Any:
        return self.hear(f.Test(id=f"alive-{number}", re=True), conn)


def _many(steps: Any) -> list[Any]:
    return steps if isinstance(steps, list) else [steps]


@settings(max_examples=150)
@given(st.lists(acts, max_size=60))
def test_a_command_is_sent_to_one_instance_only_and_never_after_its_end(history: list[tuple[Any, ...]]) -> None:
    world, bound, ended = World(), dict[str, str](), set[str]()
    world.come()
    epochs = [1]
    for act in history:
        for steps in _many(world.act(*act)):
            for moved in facts(steps, w.CommandMoved):
                if moved.after is State.SENT:
                    assert moved.before is State.QUEUED
                    bound[moved.id] = moved.instance
                if moved.after not in (State.SENT, State.ACKED):
                    ended.add(moved.id)
            for admitted in facts(steps, w.Admitted):
                epochs.append(admitted.epoch)
                assert admitted.epoch > epochs[-2] or not admitted.taken_over
            for frame in sent(steps, f.Cmd):
                assert bound[frame.id] == world.link.record.instance
                assert frame.id not in ended
                assert frame.ep == world.link.record.epoch
            for fact in facts(steps, w.EventBooked):
                assert sent(steps, f.EvtAck)[-1].n == fact.evt.n
        assert epochs == sorted(epochs)


@settings(max_examples=150)
@given(st.lists(acts, max_size=60))
def test_stale_is_never_called_fresh(history: list[tuple[Any, ...]]) -> None:
    """Fresh: some heartbeat of at most 6.5 s ago, synced, said what the mirror held, and nothing came out of turn since."""
    world = World()
    world.come()
    proofs = {(world.boot, world.sseq): world.now}
    for act in history:
        before = world.now
        world.act(*act)
        link = world.link
        if act[0] == "beat" and act[2] and act[1] == link.live:
            proofs[(world.boot, world.sseq)] = world.now
        if link.fresh(world.now):
            assert link.live is not None
            assert link.mirror.held is not None
            newest = max(proofs.values(), default=-1)
            assert world.now - newest <= world.settings.stale_ms
        if act[0] == "beat" and link.fresh(world.now) and act[1] == link.live and world.now == before + 1:
            assert link.mirror.positions == world.rows
        assert (link.session is Session.FRESH) <= link.fresh(world.now)


@settings(max_examples=60)
@given(st.lists(acts, max_size=40))
def test_the_same_history_gives_the_same_answers(history: list[tuple[Any, ...]]) -> None:
    one, other = World(), World()
    assert [_many(one.act(*act)) for act in history] == [_many(other.act(*act)) for act in history]
