"""The EA's side of klink/1, without I/O, clock or chance: what happened goes in, what to do comes out.

This is the reference that the MQL5 Expert Advisor is held against. :meth:`EaLink.take` is its only door; the shell
carries out what it returns, strictly in order, and may die between any two of them. The parts:

- :mod:`~kakehashi.terminal.core.journal`: the lines, their chain, and the memory they add up to (R2)
- :mod:`~kakehashi.terminal.core.executions`: the commands' life (R3, R9, R10, R17, R19, R22), by
  :mod:`~kakehashi.terminal.core.acts` (what one means now) and :mod:`~kakehashi.terminal.core.doubt` (R7)
- :mod:`~kakehashi.terminal.core.mirror`: SNAP, DELTA and when the terminal may be believed (R11, R12, R13)
- here: connection, identity, lease, clocks, heartbeat, outbox (R4, R5, R9, R20, R21)

Source: PROTOCOL.
"""

from enum import Enum, auto
from itertools import islice
from typing import Final

from kakehashi.domain.frames import (
    Bye,
    Cmd,
    Err,
    EvtAck,
    Halt,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Price,
    Query,
    Refuse,
    ReqSnap,
    Resend,
    Resume,
    Set,
    Syms,
    Test,
    Welcome,
)
from kakehashi.domain.values import Millis
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.executions import Executions, Pen
from kakehashi.terminal.core.journal import Memory
from kakehashi.terminal.core.link_words import (
    DAY,
    Answered,
    Congested,
    Connected,
    Disconnected,
    Drop,
    Garbled,
    Identity,
    Input,
    Output,
    Passed,
    Quotes,
    Seen,
    Started,
    Stopping,
    Symbols,
    View,
    Watch,
)
from kakehashi.terminal.core.mirror import Mirror, Synced
from kakehashi.terminal.core.rows import parts
from kakehashi.terminal.core.words import ZERO

HELLO_MS: Final = 5_000
RESEND_MS: Final = 2_000
AFTER_CHANGE_MS: Final = 500
GAP_MS: Final = 1_000
SKEW_MS: Final = 2_000
SLEPT_MS: Final = 5_000
"""A gap after which the terminal's picture is as doubtful as after a start."""
RETRY_MS: Final = (250, 5_000)
EVENTS_IN_FLIGHT: Final = 100
SYMBOLS_OF_FRAME: Final = 100
"""Rows of one SYMS: below 64 KiB, whatever the symbols are called."""
QUOTES_OF_FRAME: Final = 400
UNKNOWN_MS: Final = 3_600_000
"""Counted for a pause of unknown length: longer than an entry lives, shorter than an exit."""
_STAMPS_MS: Final = 120_000
_NEW_INSTANCE: Final = frozenset({"JOURNAL_BACK", "INSTANCE_CLONED"})
"""REFUSE reasons that only another instance id answers (R2, R5)."""
_DEFAULT: Final = Welcome(ep=0, lease_ms=15_000, hb_ms=5_000, stale_ms=6_500, dead_ms=12_000)


class Phase(Enum):
    DOWN = auto()
    GREETING = auto()
    """HELLO is out."""
    UP = auto()


class EaLink:
    """One EA on one account, from :class:`Started` to :class:`Stopping`.

    :param memory: what :func:`~kakehashi.terminal.core.journal.read` made of the journal
    """

    def __init__(self, memory: Memory, identity: Identity) -> None:
        self.memory = memory
        self.phase = Phase.DOWN
        self._identity = identity
        self._pen = Pen(memory)
        self._executions = Executions(self._pen, identity)
        self._synced, self._mirror = Synced(identity), Mirror()
        self._view: View | None = None
        self._terms = _DEFAULT
        self._symbols: Symbols | None = None
        self._renew = not memory.clean
        self._retry_ms = RETRY_MS[0]
        self._greeted = self._heard = 0
        self._congested = self._snap_asked = False
        self._said: dict[int, Millis] = {}
        self._n = 0
        self._beats: dict[int, Millis] = {}
        self._beat_at: Millis | None = None
        self._changed: Millis | None = None
        self._lease_end: Millis | None = None
        self._last: tuple[Millis, Millis] | None = None
        self._gap_at: Millis | None = None

    @property
    def retry_ms(self) -> int:
        """When to connect again after :class:`Disconnected`, before jitter."""
        return self._retry_ms

    def take(self, event: Input, *, now: Millis, wall: Millis) -> list[Output]:
        """What to do about it. All of it is carried out, in order, before the next event is brought in.

        An answer of OrderSend waits until then too: brought in earlier, its journal lines would overtake those still to be
        written, and the chain would break.

        :param now: monotonic ms; ``wall`` the computer's clock, looked at only to notice that it slept (R16)
        """
        self._pen.out = []
        self._mind_the_gap(now, wall)
        if not self._from_shell(event, now):
            self._from_hub(event, now)
        if not isinstance(event, Stopping | Started):
            self._turn(now, wall)
        return self._pen.out

    # -- the shell's side ----------------------------------------------------------------------------------------

    def _from_shell(self, event: Input, now: Millis) -> bool:
        match event:
            case Started():
                self._boot(event.fresh)
                self._executions.begin(now)
            case Connected():
                self._greet(event.fresh, now)
            case Disconnected():
                self._down()
            case Stopping():
                self._stop()
            case Congested():
                self._congested = event.on
            case View():
                self._read(event, now)
            case Symbols() | Quotes():
                self._market(event)
            case Answered():
                self._executions.answered(event, now)
            case Seen():
                self._executions.seen(event, now)
            case Garbled():
                self._pen.say(Err(code=event.code))
            case Passed():
                pass
            case _:
                return False
        return True

    def _market(self, event: Symbols | Quotes) -> None:
        if isinstance(event, Symbols):
            changed, self._symbols = self._symbols != event, event
            self._executions.specs = {row.symbol: row for row in event.rows}
            if changed:
                self._tell_symbols(event)
        elif not self._congested:
            for part in parts(event.q, QUOTES_OF_FRAME):
                self._pen.say(Price(q=part))

    def _tell_symbols(self, symbols: Symbols) -> None:
        for part in parts(symbols.rows, SYMBOLS_OF_FRAME):
            self._pen.say(Syms(rows=part))

    def _boot(self, fresh: str) -> None:
        """A boot number of its own; after anything but a clean stop a new instance too (R2)."""
        memory = self.memory
        instance, prev = (fresh, memory.holder or None) if self._renew else (memory.instance, memory.prev)
        self._renew = False
        self._pen.note(journal.Booted(instance=instance, prev=prev, boot=memory.boot + 1))

    def _greet(self, fresh: str, now: Millis) -> None:
        memory, who = self.memory, self._identity
        if self._renew:
            self._boot(fresh)
            self._mirror = Mirror()
        self.phase, self._greeted, self._heard = Phase.GREETING, now, now
        self._pen.up = True
        self._pen.say(
            Hello(
                account=who.account,
                server=who.server,
                token=who.token,
                caps=who.caps,
                ver=who.ver,
                build=who.build,
                currency=who.currency,
                leverage=who.leverage,
                margin_mode=who.margin_mode.value,
                trade_mode=who.trade_mode,
                perms=who.perms,
                instance=memory.instance,
                prev=memory.prev,
                boot=memory.boot,
                jhi=memory.line,
                jchain=memory.chain,
                evt_hi=memory.evt_hi,
                evt_acked=memory.evt_acked,
                deal_hi=str(memory.deal_hi or ""),
                cmd_hi=memory.cmd_hi,
                ep=memory.ep,
                broker_time=self._view.broker_time if self._view else 0,
            )
        )
        self._pen.up = False

    def _down(self) -> None:
        self.phase, self._pen.up = Phase.DOWN, False
        self._retry_ms = min(self._retry_ms * 2, RETRY_MS[1])
        if self._lease_end is None:  # no heartbeat of ours was ever answered: what was acked has no lease to wait for
            self._executions.lease_lost()

    def _drop(self, reason: str, retry_ms: int | None = None) -> None:
        self._pen.out.append(Drop(reason=reason, retry_ms=retry_ms or self._retry_ms))
        self._down()

    def _stop(self) -> None:
        """BYE is a planned stop; CLEAN the last line, so that the next start may keep the instance."""
        self._executions.lease_lost()
        self._tell_events(0)
        self._pen.say(Bye(reason="STOP"))
        self._pen.note(journal.Clean())
        self.phase, self._pen.up = Phase.DOWN, False

    def _read(self, view: View, now: Millis) -> None:
        self._view = self._executions.view = view
        was_synced = self._synced.since is not None
        self._synced.read(view, now)
        if was_synced and self._synced.since is None:
            self._beat_at = None  # the hub calls the mirror fresh until it hears otherwise
        self._executions.viewed, self._executions.synced_since = now, self._synced.since
        if view.connected and view.broker_time and not (self.memory.deal_hi or self.memory.deals_since):
            self._pen.note(journal.DealsTold(ticket=0, since=max(1, view.broker_time - DAY)))
        if view.connected:
            self._executions.deals(view.deals, now)

    # -- the hub's side ------------------------------------------------------------------------------------------

    def _from_hub(self, frame: Input, now: Millis) -> None:
        if self.phase is Phase.DOWN:
            return
        self._heard = now
        match frame:
            case Welcome():
                self._welcome(frame, now)
            case Refuse():
                self._renew = self._renew or frame.reason in _NEW_INSTANCE
                self._drop(frame.reason, frame.retry_ms)
            case Test() if not frame.re:
                self._pen.say(Test(id=frame.id, re=True))
            case Bye():
                self._drop("BYE")
            case _ if self.phase is Phase.UP:
                self._in_session(frame, now)

    def _in_session(self, frame: Input, now: Millis) -> None:
        match frame:
            case HeartbeatAck():
                self._beat_answered(frame)
            case Cmd():
                self._command(frame, now)
            case EvtAck():
                self._acked(frame.n)
            case Resend():
                self._tell_again(frame.start)
            case Query():
                self._executions.query(frame, now)
            case ReqSnap():
                self._snap_asked = True
            case Halt() | Resume() | Set():
                self._control(frame, now)

    def _welcome(self, frame: Welcome, now: Millis) -> None:
        """The lease is offered; it begins with the first answered heartbeat (R5). Both outboxes are told at once (R4)."""
        self._pen.up = True
        if frame.ep < self.memory.ep:  # a hub put back from an old copy (R20)
            self._pen.say(Err(code="EPOCH_BACK", message=f"epoch {frame.ep} is below {self.memory.ep}"))
            self._drop("EPOCH_BACK", RETRY_MS[1])
            return
        if frame.ep > self.memory.ep:
            self._executions.lease_lost()
            self._lease_end = None
            self._pen.note(journal.Epoch(ep=frame.ep))
        self.phase, self._terms, self._retry_ms = Phase.UP, frame, RETRY_MS[0]
        self._executions.lease_ms = frame.lease_ms
        self._said.clear()
        self._acked(frame.evt_ack)
        self._beat_at, self._snap_asked = None, True
        if self._symbols is not None:
            self._tell_symbols(self._symbols)
        if self.memory.control.symbols:
            self._pen.out.append(Watch(self.memory.control.symbols))

    def _command(self, cmd: Cmd, now: Millis) -> None:
        """Only under the epoch we hold, and only if its age can be told (R5, R9)."""
        sent = self._greeted if cmd.hn == 0 else self._beats.get(cmd.hn)
        if cmd.ep != self.memory.ep:
            self._pen.say(Err(code="EPOCH", message=f"{cmd.id} is of epoch {cmd.ep}, ours is {self.memory.ep}"))
        elif sent is None:
            self._pen.say(Err(code="STAMP", message=f"{cmd.id} counts from heartbeat {cmd.hn}, which is not known"))
        elif not cmd.magic.isdigit() or not (cmd.target or "0").isdigit() or cmd.seq <= 0:
            self._pen.say(Err(code="BAD_FRAME", message=f"{cmd.id}: magic and target are numbers, seq is positive"))
        else:
            age = max(cmd.age_ms + (now - sent) - cmd.hn_ago_ms, cmd.age_ms)
            self._executions.take(cmd, born=now - age)
            work = self.memory.works.get(cmd.id)
            if work is not None and work.told is not None:  # told again, by the outbox's rules
                self._said.pop(work.told.n, None)
                if work.told.n in self.memory.acked:
                    self._pen.say(work.told)

    def _control(self, frame: Halt | Resume | Set, now: Millis) -> None:
        """A growing ``gen``; an equal or lower one changes nothing. HB's echo ends the hub's resending (R21)."""
        was = self.memory.control
        self._changed = now
        if frame.gen <= was.gen:
            return
        cancel = frame.cancel_pending_on_halt if isinstance(frame, Set) else was.cancel_pending
        symbols = frame.symbols if isinstance(frame, Set) else was.symbols
        halted = was.halted if isinstance(frame, Set) else isinstance(frame, Halt)
        self._pen.note(
            journal.Control(gen=frame.gen, halted=halted, cancel_pending=cancel, symbols=symbols),
        )
        if isinstance(frame, Halt) and cancel:
            self._executions.cancel_pending(frame.gen, now)
        if isinstance(frame, Set):
            self._pen.out.append(Watch(symbols))

    # -- lease and clocks ----------------------------------------------------------------------------------------

    def _mind_the_gap(self, now: Millis, wall: Millis) -> None:
        """After a pause nothing is started before an answer to a heartbeat that was sent after it (R9)."""
        if self._last is not None:
            passed, walked = now - self._last[0], wall - self._last[1]
            if passed > GAP_MS or abs(walked - passed) > SKEW_MS:
                self._gap_at, self._beat_at = now, None
            if walked - passed > SKEW_MS:
                self._age(walked - passed)
            elif passed - walked > SKEW_MS:  # set back, perhaps while the machine was paused: for how long nobody knows
                self._age(UNKNOWN_MS)
            if max(passed, walked) > SLEPT_MS:
                self._synced.broken()
                self._executions.synced_since = None
        self._last = (now, wall)

    def _age(self, ms: Millis) -> None:
        """A paused machine's timer stood still: whatever age is counted from lies that much further back (R9)."""
        self._greeted -= ms
        self._beats = {n: at - ms for n, at in self._beats.items()}
        self._executions.age(ms)

    def _beat_answered(self, frame: HeartbeatAck) -> None:
        sent = self._beats.get(frame.n)
        self._acked(frame.evt_ack)
        if sent is None or frame.ep != self.memory.ep:
            return
        self._lease_end = max(self._lease_end or 0, sent + self._terms.lease_ms)
        if self._gap_at is not None and sent >= self._gap_at:
            self._gap_at = None

    def _lease_turn(self, now: Millis) -> bool:
        """Whether a command may be started now."""
        if self._lease_end is not None and now >= self._lease_end:
            self._lease_end = None
            self._executions.lease_lost()
        return self._lease_end is not None and self._gap_at is None

    # -- what is due ---------------------------------------------------------------------------------------------

    def _turn(self, now: Millis, wall: Millis) -> None:
        self._check_peer(now)
        may_start = self._lease_turn(now)
        self._executions.turn(may_start=may_start, ep=self.memory.ep, now=now, wall=wall)
        if self.phase is Phase.UP:
            self._beat(now)
            self._tell_state(now)
            self._tell_events(now)

    def _check_peer(self, now: Millis) -> None:
        if self.phase is Phase.GREETING and now >= self._greeted + HELLO_MS:
            self._drop("NO_WELCOME")
        elif self.phase is Phase.UP and now >= self._heard + self._terms.dead_ms:
            self._drop("DEAD")

    def _beat(self, now: Millis) -> None:
        """Every ``hb_ms``, 0.5 s after the last change, at once after WELCOME, after a gap and when sync is lost."""
        due = self._beat_at is None or now >= self._beat_at + self._terms.hb_ms
        if not due and (self._changed is None or now < self._changed + AFTER_CHANGE_MS):
            return
        self._n += 1
        self._beat_at, self._changed = now, None
        self._beats = {n: at for n, at in self._beats.items() if at > now - _STAMPS_MS} | {self._n: now}
        view, mirror = self._view, self._mirror
        self._pen.say(
            Heartbeat(
                n=self._n,
                boot=self.memory.boot,
                sseq=mirror.sseq,
                crc=mirror.crc,
                ocrc=mirror.ocrc,
                npos=mirror.count,
                gen=self.memory.control.gen,
                synced=self._synced.since is not None,
                balance=view.balance if view else None,
                equity=view.equity if view else None,
                credit=view.credit if view else ZERO,
                margin=view.margin if view else ZERO,
                trade_allowed=view.trade_allowed if view else False,
                inflight=self._executions.in_flight,
            )
        )

    def _tell_state(self, now: Millis) -> None:
        """A SNAP where one is due; else, once the terminal may be believed, what changed (R11)."""
        view, mirror, synced = self._view, self._mirror, self._synced.since is not None
        if view is None or self._congested:
            return
        collapsed = synced and mirror.collapsed(view)
        if self._snap_asked or collapsed or mirror.snap_due(synced=synced, now=now):
            self._snap_asked = False
            for part in mirror.snap(view, boot=self.memory.boot, synced=synced, now=now):
                self._pen.say(part)
            self._changed = now
        elif synced and (delta := mirror.delta(view, boot=self.memory.boot)) is not None:
            self._pen.say(delta)
            self._changed = now

    # -- the outbox ----------------------------------------------------------------------------------------------

    def _tell_events(self, now: Millis) -> None:
        """Oldest first, none before those ahead of it; again every 2 s until acked (R4)."""
        for n, (evt, _) in islice(self.memory.outbox.items(), EVENTS_IN_FLIGHT):
            if n not in self._said or now >= self._said[n] + RESEND_MS:
                self._said[n] = now
                self._pen.say(evt)

    def _acked(self, n: int) -> None:
        if next(iter(self.memory.outbox), n + 1) <= n:  # they are in order
            self._pen.note(journal.EvtAcked(n=min(n, self.memory.evt_hi)))
            self._said = {m: at for m, at in self._said.items() if m > n}

    def _tell_again(self, start: int) -> None:
        for n, (evt, _) in sorted(self.memory.acked.items()):
            if n >= start:
                self._pen.say(evt)
        self._said = {n: at for n, at in self._said.items() if n < start}
