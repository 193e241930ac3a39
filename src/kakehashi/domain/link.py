"""The hub's side of the link to one account's Expert Advisor: who may trade, what was heard, what is said. No I/O, no clock.

One :class:`Link` an account and one entry point, :meth:`Link.step`. Its answer says what to commit, then what to send (R1).
Source: PROTOCOL section 2; the state of the account is :mod:`~kakehashi.domain.linkstate`, its commands
:mod:`~kakehashi.domain.commands`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.admission import Claim, Refusal, entered, lease_held, refusal, seeing, welcome
from kakehashi.domain.commands import Commands, Delivery, Outlet
from kakehashi.domain.errors import IllegalTransition
from kakehashi.domain.linkpatience import Controls, Gap, Silence
from kakehashi.domain.linkstate import Mirror
from kakehashi.domain.linkwords import Alarm, Arrived, LinkRecord, LinkSettings, Session, Steps, Turn
from kakehashi.domain.values import Millis

POLICY, LEASE_HELD, REPLACED, NORMAL = 1008, 4001, 4002, 1000
"""Close codes: a rule was broken; refused; another connection took its place; BYE."""

QUARTER_MS: Final = 900_000
"""Time zones differ by whole quarters of an hour; the rest is delay."""


class Link:
    """One account's link. Mutable; if the commit of a step fails, throw it away and make it anew from the store.

    :ivar record: the durable part
    :ivar session: how the hub stands with the account
    :ivar live: the connection that has the lease, or None
    """

    def __init__(
        self,
        record: LinkRecord,
        settings: LinkSettings,
        *,
        now: Millis,
        positions: Iterable[f.PositionRow] = (),
        deliveries: Iterable[Delivery] = (),
    ) -> None:
        self.record = record
        self.settings = settings
        self.session = Session.AWAY
        self.live: str | None = None
        self.mirror = Mirror(settings, now=now, positions=positions)
        self.commands = Commands(settings, deliveries, now=now)
        self._quiet = Silence(settings, now)
        self._controls = Controls(settings)
        self._gap = Gap(settings)
        self._hello: f.Hello | None = None
        self._claim: Claim | None = None
        self._beat: tuple[str, int, int, Millis] | None = None
        self._snap_asked_at: Millis | None = None
        self._balance: w.Balanced | None = None
        self._errors: dict[str, int] = {}
        self._done: dict[str, None] = {}
        self._probes = 0
        self._beating = False
        self._out = Steps()

    # -- the front door ------------------------------------------------------------------------------------------

    def step(self, event: w.Event) -> Steps:
        """Take one event; what is due by its time is done as well.

        :returns: facts to commit, then frames to send, then connections to close
        """
        self._out, before = Steps(), self.record
        self._silence(event.now, event.at)
        _TAKEN[type(event)](self, event)
        self._due(event.now, event.at)
        if self.record is not before and self.record != before:
            self._out.facts.append(w.RecordKept(record=self.record))
        return self._out

    def fresh(self, now: Millis) -> bool:
        """Whether the mirror is proven right (R13)."""
        heard = self.live is not None and self._claim is None and not self._mute(now)
        return heard and self.mirror.fresh(now)

    def _mute(self, now: Millis) -> bool:
        return self._quiet.mute(now, works=self.commands.under_way)

    def leased(self, now: Millis) -> bool:
        """Whether an instance holds the account, or may still believe so (R5)."""
        return self.live is not None or (bool(self.record.instance) and now < self._quiet.lease_end)

    def next_deadline(self) -> Millis | None:
        """When ``TimePassed`` is due, monotonic ms; None: not before something happens."""
        times = [self.commands.expires_next()]
        if self._claim is not None:
            times.append(self._claim.until)
        elif self.live is not None:
            works = self.commands.under_way
            times += [self._quiet.dead_at, self._quiet.test_at(works=works), self.mirror.deadline()]
            if self.session is Session.FRESH:
                times.append(self._quiet.mute_at(works=works))
            if not self.mirror.wanted:
                times.append(self.mirror.full_sync_at)
            elif self._snap_asked_at is not None:
                times.append(self._snap_asked_at + self.settings.resend_ms)
            times.append(self._controls.deadline(self.record))
            if self.commands:
                times.append(self.commands.deadline(self._outlet(), self.mirror))
        return min((at for at in times if at is not None), default=None)

    # -- connections ---------------------------------------------------------------------------------------------

    def _arrived(self, event: Arrived) -> None:
        frame, conn = event.frame, event.conn
        if conn in self._done:
            return  # refused or replaced: its last words count for nothing
        if isinstance(frame, f.Hello):
            self._hello_came(event, frame)
        elif self._claim is not None and conn == self._claim.conn:
            return  # it has to wait for WELCOME
        elif conn != self.live:
            self._close(conn, POLICY, "HELLO first")
        else:
            self._quiet.heard_at = event.now
            if self._claim is None:
                _HEARD[type(frame)](self, frame, event)
            elif isinstance(frame, f.Test) and frame.re and frame.id == self._claim.probe:
                self._cloned(conn, self._claim.conn)

    def _garbled(self, event: w.Garbled) -> None:
        if event.conn == self.live:
            self._bad(event.conn, event.code, event.message)
        elif event.conn not in self._done:
            self._close(event.conn, POLICY, "HELLO first")

    def _bad(self, conn: str, code: str, message: str) -> None:
        """Answer ERR; too many and the connection goes."""
        self._send(f.Err(code=code, message=message[:200]))
        self._errors[conn] = self._errors.get(conn, 0) + 1
        if self._errors[conn] > self.settings.max_errors:
            self._close(conn, POLICY, "too many errors")
            self._unlink(Turn.LOST, "too many errors")

    def _other_boot(self, conn: str) -> None:
        self.mirror.lapse()
        self._bad(conn, "BAD_FRAME", f"boot is {self.record.boot} since HELLO")

    def _lost(self, event: w.Lost) -> None:
        self._done.pop(event.conn, None)
        self._errors.pop(event.conn, None)
        if self._claim is not None and event.conn == self._claim.conn:
            self._claim = None
            if self.live is not None:
                self._turn(Turn.WELCOMED, "the claim went away")
                self.mirror.cut()
        elif event.conn == self.live:
            claim = self._claim
            self._unlink(Turn.LOST, "connection lost")
            if claim is not None:
                self._admit(claim.conn, claim.hello, event.now, event.at)

    def _silence(self, now: Millis, at: Millis) -> None:
        """A dead peer, or one that does not answer the probe, makes way before anything else is judged."""
        claim = self._claim
        if claim is not None and now >= claim.until:
            self._replace()
            self._admit(claim.conn, claim.hello, now, at)
        elif self.live is not None and claim is None and now >= self._quiet.dead_at:
            self._close(self.live, POLICY, "silent for too long")
            self._unlink(Turn.LOST, "silent for too long")

    def _replace(self) -> None:
        self._close(self.live, REPLACED, "another connection of the same instance took its place")
        self._unlink(Turn.LOST, "silent when another connection came")

    def _close(self, conn: str | None, code: int, why: str) -> None:
        if conn is not None:
            self._done[conn] = None
            self._out.closes.append((conn, code, why))

    def _unlink(self, turn: Turn, why: str) -> None:
        self.live = self._claim = self._snap_asked_at = None
        self._beating = False
        self.mirror.cut()
        self._turn(turn, why)

    def _turn(self, turn: Turn, why: str = "") -> None:
        after = w.TRANSITIONS[self.session].get(turn)
        if after is None:
            raise IllegalTransition("ILLEGAL_TRANSITION", f"a link that is {self.session}: {turn} cannot happen to it")
        if after is not self.session:
            self._out.facts.append(w.SessionMoved(before=self.session, after=after, why=why))
            self.session = after

    def _alarm(self, code: str, text: str) -> None:
        self._out.facts.append(Alarm(code=code, subject=self.record.account, text=text))

    def _send(self, frame: f.FromHub, conn: str | None = None) -> None:
        to = conn or self.live
        if to is not None:
            self._out.frames.append((to, frame))

    # -- admission (R2, R5, R6, R20) -----------------------------------------------------------------------------

    def _hello_came(self, event: Arrived, hello: f.Hello) -> None:
        now, conn = event.now, event.conn
        if conn == self.live:
            if self._claim is not None:
                return
            if (hello.instance, hello.boot) != (self.record.instance, self.record.boot):
                self._close(conn, POLICY, "a connection has one instance")
                self._unlink(Turn.LOST, "a second HELLO of another instance")
                return
            self._quiet.heard_at = now
            self._send(welcome(self.record, self.settings))  # said again: a poll whose answer was lost
            return
        left = self._quiet.lease_end - now
        no = refusal(self.record, hello) or lease_held(self.record, hello, left=left, live=self.live is not None)
        if no is not None:
            self._refuse(conn, no)
        elif self._claim is not None or (self.live and now - self._quiet.heard_at <= self.settings.stale_ms):
            self._claimed(event, hello)
        else:
            if self.live is not None:
                self._replace()
            self._admit(conn, hello, now, event.at)

    def _refuse(self, conn: str, no: Refusal) -> None:
        self._send(f.Refuse(reason=no.reason, retry_ms=no.retry_ms), conn)
        self._close(conn, LEASE_HELD, no.reason)
        if no.alarm:
            self._alarm(no.reason, no.text)

    def _claimed(self, event: Arrived, hello: f.Hello) -> None:
        """The same instance twice: a connection that came back before its loss was noticed, or a cloned machine."""
        until = event.now + self.settings.probe_ms
        if self._claim is not None:
            if event.conn != self._claim.conn:
                self._close(self._claim.conn, REPLACED, "another connection of the same instance took its place")
            until, probe = self._claim.until, self._claim.probe
        else:
            self._probes += 1
            probe = f"alive-{self._probes}"
            self._turn(Turn.CLAIMED)
            self._send(f.Test(id=probe))
        self.mirror.cut()
        self._claim = Claim(conn=event.conn, hello=hello, probe=probe, until=until, at=event.at)

    def _cloned(self, *conns: str) -> None:
        no = Refusal(reason="INSTANCE_CLONED", retry_ms=self.settings.lease_ms)
        name = self.record.instance
        self._see(name, cloned=True)
        for conn in conns:
            self._refuse(conn, no)
        self._unlink(Turn.CLONED, "one instance on two live connections")
        self._alarm(no.reason, name)

    def _admit(self, conn: str, hello: f.Hello, now: Millis, at: Millis) -> None:
        entry = entered(self.record, hello)
        self.record = entry.record
        self._out.facts += self.commands.doubt(hello.instance, self._quiet.lease_end)
        if entry.taken_over:
            self.mirror.another_instance()
            self._controls.told_gen = 0
        if self._beat is not None and self._beat[:2] != (hello.instance, hello.boot):
            self._beat = None
        self.live, self._hello = conn, hello
        self._quiet.begin(now)
        self._controls.at_once()
        self._gap.begin()
        self.mirror.wanted, self._snap_asked_at = "", None  # a SNAP comes with HELLO
        if hello.broker_time:
            self._keep(broker_offset=round((hello.broker_time - at) / QUARTER_MS) * QUARTER_MS)
        self._turn(Turn.WELCOMED, hello.instance)
        self._out.facts.append(w.Admitted(hello=hello, epoch=self.record.epoch, taken_over=entry.taken_over))
        self._send(welcome(self.record, self.settings))
        if entry.behind:
            self._alarm("HUB_RESTORED", entry.behind)
            self._send(f.Resend(start=self.record.seen[hello.instance].evt_hi + 1))
        self.commands.resend_at_once()

    def _keep(self, **changes: Any) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)

    def _see(self, instance: str, **changes: Any) -> None:
        self.record = seeing(self.record, instance, **changes)

    # -- frames of the live connection ---------------------------------------------------------------------------

    def _heartbeat(self, hb: f.Heartbeat, event: Arrived) -> None:
        record = self.record
        if hb.boot != record.boot:
            self._other_boot(event.conn)
            return
        if self._beat is not None and hb.n <= self._beat[2]:
            return
        self._beat = (record.instance, hb.boot, hb.n, event.now)
        evt_ack = record.seen[record.instance].evt_hi
        self._send(f.HeartbeatAck(n=hb.n, ep=record.epoch, evt_ack=evt_ack))
        self._out.facts += self.mirror.beat(hb, event.now)
        self._controls.told_gen = hb.gen
        if hb.gen > record.gen:  # a HALT that this copy of the hub does not know must not be lifted by it
            self._keep(gen=hb.gen, suspended=True)
            self._alarm("HUB_RESTORED", f"gen {hb.gen}")
        told = w.Balanced(
            balance=hb.balance, equity=hb.equity, credit=hb.credit, margin=hb.margin, trade_allowed=hb.trade_allowed
        )
        if told != self._balance:
            self._balance = told
            self._out.facts.append(told)

    def _ack(self, ack: f.Ack, event: Arrived) -> None:
        self._line(ack.j)
        self._out.facts += self.commands.acked(ack.id, self.record.instance, event.now)

    def _line(self, j: int) -> None:
        """The journal reaches at least to this line (R2)."""
        if j > self.record.seen[self.record.instance].jhi:
            self._see(self.record.instance, jhi=j)

    def _evt(self, evt: f.Evt, event: Arrived) -> None:
        """Book the next event; an older one is acknowledged again, after a gap the missing ones are asked for (R4)."""
        name = self.record.instance
        booked = self.record.seen[name].evt_hi
        if evt.n > booked + 1:
            if self._gap.asked(event.now):
                return
            if self._gap.ask(event.now):
                self._send(f.Resend(start=booked + 1))
                return
            self._alarm("EVENTS_LOST", f"{booked + 1} to {evt.n - 1} of {name}")
            booked = evt.n - 1
        if evt.n == booked + 1:
            self._gap.closed()
            self._line(evt.j)
            self._see(name, evt_hi=evt.n)
            known = bool(evt.id) and self.commands.find(evt.id) is not None
            self._out.facts.append(w.EventBooked(instance=name, evt=evt, known=known))
            self._out.facts += self.commands.result(evt) if evt.id else self.commands.deals(evt.deals)
            self._out.facts += self.mirror.deals(evt.deals)
        self._send(f.EvtAck(n=self.record.seen[name].evt_hi))

    def _qres(self, answer: f.QueryResult, event: Arrived) -> None:
        if answer.position:
            self._out.facts += self.mirror.answered(answer)
            return
        offset, name = self.record.broker_offset, self.record.instance
        self._out.facts += self.commands.answered(answer, self.mirror, event.now, broker_offset=offset, instance=name)
        self._out.facts += self.mirror.deals(answer.found)

    def _state(self, frame: f.Snap | f.Delta, event: Arrived) -> None:
        if frame.boot != self.record.boot:
            self._other_boot(event.conn)
            return
        now = event.now
        try:
            facts = self.mirror.snap(frame, now) if isinstance(frame, f.Snap) else self.mirror.delta(frame, now)
        except ValueError as e:
            self._bad(event.conn, "BAD_FRAME", str(e))
            return
        self._out.facts += facts
        if self.mirror.held is not None:
            self._keep(sseq=self.mirror.held[1])

    def _syms(self, frame: f.Syms, _event: Arrived) -> None:
        self._out.facts.append(w.SymbolsTold(rows=frame.rows))

    def _price(self, frame: f.Price, _event: Arrived) -> None:
        latest = {quote[0]: quote for quote in frame.q}
        self._out.facts.append(w.Quoted(rows=tuple(latest.values())))

    def _test(self, frame: f.Test, _event: Arrived) -> None:
        if not frame.re:
            self._send(f.Test(id=frame.id, re=True))

    def _bye(self, frame: f.Bye, event: Arrived) -> None:
        self._close(event.conn, NORMAL, "BYE")
        self._unlink(Turn.SAID_BYE, frame.reason[:200])

    def _err(self, frame: f.Err, _event: Arrived) -> None:
        self.commands.refused(frame.code, frame.message, self.record.instance)
        self._alarm("EA_ERROR", f"{frame.code[:40]} {frame.message[:200]}")

    # -- wishes --------------------------------------------------------------------------------------------------

    def _deliver(self, event: w.Deliver) -> None:
        self._out.facts += self.commands.take(event)
        if event.cmd.seq > self.record.cmd_hi:
            self._keep(cmd_hi=event.cmd.seq)

    def _withdraw(self, event: w.Withdraw) -> None:
        self._out.facts += self.commands.withdraw(event.id, event.code)

    def _resync(self, event: w.Resync) -> None:
        self.mirror.wanted = event.reason
        self._snap_asked_at = None

    def _halt(self, event: w.SetHalt) -> None:
        self._control("halt_gen", halted=event.on)

    def _watch(self, event: w.Watch) -> None:
        if event.symbols != self.record.symbols:
            self._control("set_gen", symbols=event.symbols)

    def _control(self, which: str, **changes: Any) -> None:
        gen = self.record.gen + 1
        self._keep(gen=gen, **{which: gen}, **changes)
        self._controls.at_once()

    def _confirm(self, event: w.Confirm) -> None:
        if self.record.suspended:
            self._out.facts += self.commands.doubt_unsent(event.now + self.settings.lease_ms)
        self._keep(suspended=False)

    # -- what is due ---------------------------------------------------------------------------------------------

    def _due(self, now: Millis, at: Millis) -> None:
        self._out.facts += self.commands.expire(now, at)
        if self.live is None or self._claim is not None:
            return
        self._out.facts += self.mirror.give_up(now)
        self._judge(now)
        for control in self._controls.due(self.record, now):
            self._send(control)
        if self.commands and (outlet := self._outlet()) is not None:
            frames, facts = self.commands.send(outlet, self.mirror, now, at)
            self._out.facts += facts
            self._out.frames += [(self.live, frame) for frame in frames]
        for query in (*self.commands.queries(now, self.mirror), *self.mirror.queries(now)):
            self._send(query)
        self._ask_snap(now)
        if (test_at := self._quiet.test_at(works=self.commands.under_way)) is not None and now >= test_at:
            self._quiet.tested(now)
            self._send(f.Test(id=f"quiet-{now}"))

    def _judge(self, now: Millis) -> None:
        self._beating = fresh = self.mirror.fresh(now)
        if fresh and not self._mute(now):
            self._turn(Turn.PROVEN)
        elif not fresh:
            self.mirror.lapse()
            if self.session is Session.FRESH:
                self._turn(Turn.DOUBTED, self.mirror.wanted or "no heartbeat")
                self.mirror.wanted = self.mirror.wanted or "STALE"
        elif self.session is Session.FRESH:
            self._turn(Turn.DOUBTED, "does not answer")

    def _ask_snap(self, now: Millis) -> None:
        if now >= self.mirror.full_sync_at:
            self.mirror.wanted = self.mirror.wanted or "FULL_SYNC"
        again = self._snap_asked_at is None or now - self._snap_asked_at >= self.settings.resend_ms
        if self.mirror.wanted and again:
            self._snap_asked_at = now
            self._send(f.ReqSnap(reason=self.mirror.wanted))
        elif not self.mirror.wanted:
            self._snap_asked_at = None

    def _outlet(self) -> Outlet | None:
        """None where no command may go: nobody there, suspended, or no heartbeat yet by which the EA could tell its age."""
        if self.live is None or self.record.suspended or self._beat is None or self._hello is None:
            return None
        return Outlet(
            instance=self.record.instance,
            epoch=self.record.epoch,
            hn=self._beat[2],
            hn_now=self._beat[3],
            fresh=self.session is Session.FRESH,
            beating=self._beating,
            halted=self.record.halted,
            netting=self._hello.margin_mode == "netting",
        )


_TAKEN: Final[Mapping[type, Callable[[Link, Any], None]]] = {
    Arrived: Link._arrived,
    w.Garbled: Link._garbled,
    w.Lost: Link._lost,
    w.TimePassed: lambda _link, _event: None,  # what is due is done in every step
    w.Deliver: Link._deliver,
    w.Withdraw: Link._withdraw,
    w.Resync: Link._resync,
    w.SetHalt: Link._halt,
    w.Watch: Link._watch,
    w.Confirm: Link._confirm,
}
_HEARD: Final[Mapping[type, Callable[[Link, Any, Arrived], None]]] = {
    f.Heartbeat: Link._heartbeat,
    f.Ack: Link._ack,
    f.Evt: Link._evt,
    f.QueryResult: Link._qres,
    f.Snap: Link._state,
    f.Delta: Link._state,
    f.Syms: Link._syms,
    f.Price: Link._price,
    f.Test: Link._test,
    f.Bye: Link._bye,
    f.Err: Link._err,
}
