"""Each rule of the protocol removed in turn. What is left must be caught: by a few seeds of the simulation, or by a scene.

A mutant is a patch of the product's own code. Those that only a rare order of events would betray have a scene: the
smallest exchange that shows the rule, which holds with the rule and fails without it.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from kakehashi.domain import admission, linkstate
from kakehashi.domain import frames as f
from kakehashi.domain import link as hub_link
from kakehashi.domain import linkwords as w
from kakehashi.domain.commands import Commands
from kakehashi.domain.orders import State
from kakehashi.terminal.core import doubt, journal
from kakehashi.terminal.core import link as ea_link
from kakehashi.terminal.core.executions import Executions
from kakehashi.terminal.core.link import EaLink
from kakehashi.terminal.core.link_words import Append, Trade
from kakehashi.terminal.core.mirror import Mirror, Synced
from kakehashi.terminal.shell import EaShell

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

Patch = contextlib.AbstractContextManager[Any]


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar patches: the rule, removed

    :ivar weights: the faults that would show it; ``options`` of :func:`~tests.simulation.run.run_seed`
    :ivar scene: True where the rule was seen to hold; None: the simulation has to catch it
    """

    name: str
    patches: Callable[[], list[Patch]]
    weights: dict[str, float] = {}
    options: dict[str, Any] = {}
    scene: Callable[[], bool] | None = None


@contextlib.contextmanager
def removed(mutant: Mutant) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for one in mutant.patches():
            stack.enter_context(one)
        yield


# -- the EA's rules --------------------------------------------------------------------------------------------------


def _act_before_journal() -> list[Patch]:
    """The journal is written when everything else of the event is done."""
    really = EaLink.take

    def take(self: EaLink, event: Any, *, now: int, wall: int) -> list[Any]:
        out = really(self, event, now=now, wall=wall)
        return [o for o in out if not isinstance(o, Append)] + [o for o in out if isinstance(o, Append)]

    def beside(self: EaShell, work: Any, among: set[Any]) -> None:
        """A request leaves at once, as a call would."""
        with contextlib.suppress(StopIteration):
            coroutine = work
            first = coroutine.send(None)
            really_beside(self, _rest(coroutine, first), among)

    really_beside = EaShell._beside
    return [patch.object(EaLink, "take", take), patch.object(EaShell, "_beside", beside)]


async def _rest(coroutine: Any, first: Any) -> Any:
    """Go on with a coroutine that has been begun by hand."""
    waited = first
    while True:
        if waited is not None:
            waited._asyncio_future_blocking = False
            with contextlib.suppress(BaseException):
                await waited
        else:
            import asyncio

            await asyncio.sleep(0)
        try:
            waited = coroutine.send(None)
        except StopIteration as done:
            return done.value


def _no_sent_line() -> list[Patch]:
    really = Executions._send

    def send(self: Executions, work: Any, plan: Any, now: int) -> None:
        note = self._pen.note
        self._pen.note = lambda line: None if isinstance(line, journal.Sent) else note(line)  # type: ignore[method-assign]
        try:
            really(self, work, plan, now)
        finally:
            self._pen.note = note  # type: ignore[method-assign]

    return [patch.object(Executions, "_send", send)]


def _always_clean() -> list[Patch]:
    """An unclean end is not noticed, and a journal that was put back looks whole."""
    really = journal.read

    def read(raw: bytes) -> journal.Memory:
        memory = really(raw)
        memory.clean = bool(memory.instance)
        for work in [*memory.open_works.values()]:  # it was all on disk, as far as it believes: nothing to look for
            if work.sent is None:
                del memory.open_works[work.cmd.id], memory.works[work.cmd.id]
        return memory

    return [patch.object(journal, "read", read), patch.object(admission, "journal_back", lambda *_: "")]


def _executed_again() -> list[Patch]:
    """A known id is taken for a new one."""
    really = Executions.take

    def take(self: Executions, cmd: f.Cmd, *, born: int) -> None:
        known = self._works.get(cmd.id)
        if known is not None and cmd.id not in self._held:
            self._works.pop(cmd.id)
        really(self, cmd, born=born)

    return [patch.object(Executions, "take", take)]


def _no_settling() -> list[Patch]:
    """The first look that finds nothing is proof."""

    def proves(self: doubt.Absence, **_: Any) -> bool:
        return True

    return [patch.object(doubt.Absence, "proves", proves)]


def _outbox_in_memory() -> list[Patch]:
    """A result is on disk, what is to be told of it is not."""
    really = journal.read

    def read(raw: bytes) -> journal.Memory:
        memory = really(raw)
        memory.outbox.clear()
        return memory

    return [patch.object(journal, "read", read)]


def _no_age() -> list[Patch]:
    really = Executions._verdict_before

    def verdict(self: Executions, held: Any, now: int) -> Any:
        ageless = msgspec.structs.replace(held, born=now)
        return really(self, ageless, now)

    return [patch.object(Executions, "_verdict_before", verdict), patch.object(Commands, "expire", lambda *_: [])]


def _always_synced() -> list[Patch]:
    def read(self: Synced, view: Any, now: int) -> None:
        self.since = 0 if view.connected else None

    return [patch.object(Synced, "read", read)]


def _no_bump() -> list[Patch]:
    really = Mirror.snap

    def snap(self: Mirror, view: Any, **how: Any) -> Iterator[f.Snap]:
        self.sseq -= self.sseq > 0
        return really(self, view, **how)

    return [patch.object(Mirror, "snap", snap)]


def _deaf_to_death_ea() -> list[Patch]:
    return [patch.object(EaLink, "_check_peer", lambda *_: None)]


def _told_once() -> list[Patch]:
    return [patch.object(ea_link, "RESEND_MS", 10**9)]


# -- the hub's rules -------------------------------------------------------------------------------------------------


def _said_once() -> list[Patch]:
    """A command is said once, and again only at WELCOME."""
    really = Commands.send

    def send(self: Commands, *how: Any) -> Any:
        for d in self._live.values():
            if d.sent_now is not None:
                d.sent_now = 10**15
        return really(self, *how)

    return [patch.object(Commands, "send", send), patch.object(Commands, "resend_at_once", lambda _: None)]


def _unbound() -> list[Patch]:
    """What another instance was told is told to this one."""

    def doubt_no_more(self: Commands, instance: str, free_from: int) -> list[Any]:
        for d in self._live.values():
            if d.instance and d.state in (State.SENT, State.ACKED):
                d.instance, d.state, d.sent_now = instance, State.SENT, None
        return []

    return [patch.object(Commands, "doubt", doubt_no_more)]


def _never_asked() -> list[Patch]:
    return [patch.object(Commands, "_query_at", lambda *_: None)]


def _deaf_to_death_hub() -> list[Patch]:
    def silence(self: hub_link.Link, now: int, at: int) -> None:
        pass

    really = hub_link.Link.next_deadline

    def next_deadline(self: hub_link.Link) -> int | None:
        heard, self._quiet.heard_at = (
            self._quiet.heard_at,
            10**15,
        )  # else it would want to be woken for what it no longer does
        try:
            return really(self)
        finally:
            self._quiet.heard_at = heard

    return [
        patch.object(hub_link.Link, "_silence", silence),
        patch.object(hub_link.Link, "next_deadline", next_deadline),
    ]


def _compared_always() -> list[Patch]:
    """The sync version is compared whatever state it is of."""
    really = linkstate.Mirror.beat

    def beat(self: linkstate.Mirror, hb: f.Heartbeat, now: int) -> Any:
        if self.held is not None:
            hb = msgspec.structs.replace(hb, boot=self.held[0], sseq=self.held[1])
        return really(self, hb, now)

    return [patch.object(linkstate.Mirror, "beat", beat)]


# -- scenes ----------------------------------------------------------------------------------------------------------


def _hub() -> Any:
    from linkdesk import Desk

    desk = Desk()
    desk.come()
    return desk


def _another_chain_is_refused() -> bool:
    desk = _hub()
    desk.step(w.Lost, conn="ws1")
    desk.tick(60_000)
    return any(isinstance(frame, f.Refuse) for _, frame in desk.hello("ws2", "A", jhi=10, jchain=6).frames)


def _no_chain() -> list[Patch]:
    really = admission.journal_back
    return [
        patch.object(
            admission,
            "journal_back",
            lambda seen, hello: really(seen, msgspec.structs.replace(hello, jchain=seen.jchain)),
        )
    ]


def _a_silent_ack_is_asked_after() -> bool:
    from linkdesk import cmd, sent

    desk = _hub()
    desk.deliver(cmd(1))
    desk.hear(f.Ack(id="c-1", j=11))
    return any(q.id == "c-1" for q in sent(desk.lives(15_000), f.Query))


def _no_status() -> list[Patch]:
    really = Commands._query_at
    return [
        patch.object(
            Commands, "_query_at", lambda self, d, mirror: None if d.state is State.ACKED else really(self, d, mirror)
        )
    ]


def _an_old_halt_changes_nothing() -> bool:
    from tests.unit.terminal.link_desk import Ea

    ea = Ea().connect()
    ea.do(f.Resume(gen=2))
    ea.do(f.Halt(gen=1))
    return not ea.link.memory.control.halted


def _no_gen() -> list[Patch]:
    really = EaLink._control

    def control(self: EaLink, frame: Any, now: int) -> None:
        was = self.memory.control
        really(self, msgspec.structs.replace(frame, gen=max(frame.gen, was.gen + 1)), now)

    return [patch.object(EaLink, "_control", control)]


def _a_late_stop_does_not_loosen_a_newer_one() -> bool:
    from tests.unit.terminal.link_desk import D, Ea, position, results

    ea = Ea().connect()
    ea.show(positions=(position(),))
    ea.command(2, op="MODIFY", target="1001", sl=D("1.07"))
    ea.show(positions=(position(sl=D("1.07")),))
    ea.wait(12_000)
    return results(ea.command(1, op="MODIFY", target="1001", sl=D("1.06"))) == [("REJECTED", "SUPERSEDED")]


def _no_supersede() -> list[Patch]:
    really = Executions._verdict_before

    def verdict(self: Executions, held: Any, now: int) -> Any:
        found = really(self, held, now)
        return None if found is not None and found.reason == "SUPERSEDED" else found

    return [patch.object(Executions, "_verdict_before", verdict)]


def _no_correction() -> list[Patch]:
    return [patch.object(Executions, "_owe", lambda *_: None)]


def _another_instance_is_not_told() -> bool:
    from linkdesk import cmd, sent

    desk = _hub()
    desk.deliver(cmd(1))
    desk.step(w.Lost, conn="ws1")
    desk.come("ws2", "B", prev="A", jhi=20)
    return not sent(desk.lives(10_000), f.Cmd)


def _what_waited_too_long_is_not_started() -> bool:
    from tests.unit.terminal.link_desk import Ea, only

    ea = Ea().connect()
    ea.show(connected=False)
    ea.command()
    ea.wait(31_000)
    ea.show(connected=True)
    return not only(ea.wait(12_000), Trade)


LOSSY = {"loss": 0.08}
DEADLY = {"power_cut": 6.0, "kill_ea_at_write": 10.0, "kill_ea": 3.0, "by_hand": 3.0, "kill_hub": 2.0}
HALF_OPEN = {"power_cut": 6.0, "cut": 6.0, "blackhole": 3.0}

SIDES = {"netting": True, "blind": True}

MUTANTS = (
    Mutant(name="journal before act", patches=_act_before_journal),
    Mutant(name="SENT before the call", patches=_no_sent_line),
    Mutant(name="CLEAN mark", patches=_always_clean, weights={"power_cut": 6.0, "kill_ea_at_write": 12.0}),
    Mutant(name="chain check", patches=_no_chain, scene=_another_chain_is_refused),
    Mutant(name="id de-duplication", patches=_executed_again, weights={"by_hand": 1.0}, options=LOSSY),
    Mutant(name="query on doubt", patches=_never_asked, weights=DEADLY),
    Mutant(name="settle window", patches=_no_settling, weights=DEADLY),
    Mutant(name="atomic outbox", patches=_outbox_in_memory, weights=DEADLY),
    Mutant(name="retransmission of commands", patches=_said_once, weights={"by_hand": 1.0}, options=LOSSY),
    Mutant(name="retransmission of events", patches=_told_once, weights={"by_hand": 1.0}, options={"loss": 0.3}),
    Mutant(name="binding with fencing", patches=_unbound, scene=_another_instance_is_not_told),
    Mutant(name="TTL", patches=_no_age, scene=_what_waited_too_long_is_not_started),
    Mutant(name="status request", patches=_no_status, scene=_a_silent_ack_is_asked_after),
    Mutant(name="sseq in compare", patches=_compared_always, weights={"by_hand": 8.0}, options=LOSSY),
    Mutant(name="synced in freshness", patches=_always_synced, weights={"broker_away": 4.0, "by_hand": 1.0}),
    Mutant(name="dead-peer timer of the hub", patches=_deaf_to_death_hub, weights=HALF_OPEN),
    Mutant(name="dead-peer timer of the EA", patches=_deaf_to_death_ea, weights={"cut": 1.0}),
    Mutant(name="snapshot bump", patches=_no_bump, weights={"by_hand": 6.0, "outage": 3.0}),
    Mutant(name="gen", patches=_no_gen, scene=_an_old_halt_changes_nothing),
    Mutant(name="corrected exits", patches=_no_correction, weights={"by_hand": 3.0}, options=SIDES),
    Mutant(name="supersede", patches=_no_supersede, scene=_a_late_stop_does_not_loosen_a_newer_one),
)
