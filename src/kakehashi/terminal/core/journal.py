"""The EA's journal: its lines, the chain that proves them, and what they add up to.

A line is ``number length crc body``: ``length`` the body's bytes, ``crc`` the CRC32 of ``previous number length body``,
so a line that is torn, missing, changed or put back from elsewhere breaks the chain. The machine's memory changes by
:func:`fold` alone, at start and in life: what it knows is what is written. Source: PROTOCOL R2.
"""

import re
import zlib
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.frames import Cmd, Evt
from kakehashi.domain.values import Millis
from kakehashi.terminal.core.words import ZERO

REWRITE_BYTES: Final = 4 * 1024 * 1024
"""A journal that is larger when the EA starts is rewritten."""
KEEP_MS: Final = 30 * 24 * 3_600_000
"""How long acked events are kept for RESEND (R20)."""
_STARTED: Final = frozenset({"DONE", "FILLED", "PARTIAL", "PLACED", "CANCELLED"})


class _Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="k"):
    pass


class Booted(_Note, frozen=True, kw_only=True, tag="BOOT"):
    """The EA began, or took a new instance id; ``prev`` is the one it succeeds: the last that was welcomed.

    One that died before it was let in is unknown to the hub, which could not tell whom this one succeeds.
    """

    instance: str
    prev: str | None
    boot: int


class Intent(_Note, frozen=True, kw_only=True, tag="INTENT"):
    """A command was taken; nothing was sent. ``at`` in broker time."""

    cmd: Cmd
    at: Millis


class Sent(_Note, frozen=True, kw_only=True, tag="SENT"):
    """OrderSend is about to be called.

    :ivar volume: lots asked for; 0 for what trades none
    :ivar target: ticket of the position or order it acts on, as it is known in the terminal now
    """

    id: str
    volume: Decimal = ZERO
    target: str = ""


class Told(_Note, frozen=True, kw_only=True, tag="TOLD"):
    """A result and its outbox row, one line: neither is ever there without the other.

    :ivar evt: of a command of ours (HALT's cancels) that the hub did not give: number 0, never sent
    :ivar final: nothing more will come of the command
    :ivar wall: ms, the computer's clock
    """

    evt: Evt
    final: bool = True
    wall: Millis = 0


class EvtAcked(_Note, frozen=True, kw_only=True, tag="EVTA"):
    n: int


class DealsTold(_Note, frozen=True, kw_only=True, tag="DEALS"):
    """Every deal up to this ticket has been told.

    :ivar ticket: 0: none yet; those made since ``since``, broker time, will be
    """

    ticket: int
    since: Millis = 0


class Epoch(_Note, frozen=True, kw_only=True, tag="EP"):
    """Welcomed; the epoch grows whenever the holder changes."""

    ep: int


class Control(_Note, frozen=True, kw_only=True, tag="CONTROL"):
    """What HALT, RESUME and SET left in force (R21)."""

    gen: int
    halted: bool
    cancel_pending: bool = True
    symbols: tuple[str, ...] = ()


class Clean(_Note, frozen=True, kw_only=True, tag="CLEAN"):
    """The EA stopped of its own accord; nothing after this line was done."""


class Base(_Note, frozen=True, kw_only=True, tag="BASE"):
    """The first line of a journal that was rewritten: what the lines before it added up to, but for the commands and the
    events, which follow. The chain goes on: ``after`` is the CRC of the line before.

    :ivar forgotten: commands up to this number may be unknown now
    """

    after: int
    instance: str
    prev: str | None
    holder: str
    boot: int
    ep: int
    cmd_hi: int
    evt_hi: int
    evt_acked: int
    deal_hi: int
    deals_since: Millis
    deals: tuple[int, ...]
    started: dict[str, int]
    prefixes: tuple[int, ...]
    forgotten: int
    control: Control


class Kept(_Note, frozen=True, kw_only=True, tag="KEPT"):
    """An event of before the rewriting, in the outbox or acked."""

    evt: Evt
    acked: bool = False
    wall: Millis = 0


class KeptWork(_Note, frozen=True, kw_only=True, tag="WORK"):
    """A command of before the rewriting. :ivar sent: lots asked for; None: OrderSend was not called"""

    cmd: Cmd
    j: int
    at: Millis
    instance: str
    sent: Decimal | None = None
    told: Evt | None = None
    final: bool = False


Note: TypeAlias = (
    Booted | Intent | Sent | Told | EvtAcked | DealsTold | Epoch | Control | Clean | Base | Kept | KeptWork
)  # fmt: skip


class Work(msgspec.Struct, kw_only=True):
    """One command's life as the journal has it.

    :ivar j: the line of its INTENT
    :ivar instance: which of our instances took it
    :ivar sent: None: OrderSend was not called, as far as this journal knows
    :ivar told: the last result, if there is one
    """

    cmd: Cmd
    j: int
    at: Millis
    instance: str
    sent: Sent | None = None
    told: Evt | None = None
    final: bool = False

    @property
    def state(self) -> str:
        return self.told.st if self.told else "SENT" if self.sent else "INTENT"


class Memory(msgspec.Struct, kw_only=True):
    """Everything that outlives the process.

    :ivar line: number of the last line, ``chain`` its CRC, ``kept`` the bytes up to its end
    :ivar clean: the last line is CLEAN and nothing follows it
    :ivar holder: the last instance that was given an epoch
    :ivar deals_since: while ``deal_hi`` is 0: deals made since then are told, broker time; 0: not known yet
    :ivar forgotten: highest number of a command that a rewriting left out
    :ivar outbox: events not acked, by number; ``acked`` those kept for RESEND, with the wall time they were written at
    :ivar started: highest command number started on each target (R19)
    """

    line: int = 0
    chain: int = 0
    kept: int = 0
    clean: bool = False
    instance: str = ""
    prev: str | None = None
    holder: str = ""
    boot: int = 0
    ep: int = 0
    control: Control = Control(gen=0, halted=False)
    cmd_hi: int = 0
    evt_hi: int = 0
    evt_acked: int = 0
    deal_hi: int = 0
    deals_since: Millis = 0
    forgotten: int = 0
    works: dict[str, Work] = {}
    open_works: dict[str, Work] = {}
    outbox: dict[int, tuple[Evt, Millis]] = {}
    acked: dict[int, tuple[Evt, Millis]] = {}
    deals: set[int] = set()
    started: dict[str, int] = {}
    prefixes: set[int] = set()


_BASE: Final = re.compile(rb'{"k":"BASE","after":(\d{1,10}),')
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_decoder: Final = msgspec.json.Decoder(Note, strict=False)


def read(raw: bytes) -> Memory:
    """What a journal file says, up to the first line that is torn or off the chain.

    The shell keeps a copy of what lies beyond ``kept`` and cuts it off before it appends.
    """
    memory, end = Memory(), 0
    while (stop := raw.find(b"\n", end)) >= 0:
        whole = raw[end:stop]
        body = whole.split(b" ", 3)[-1]
        number, chain = _follows(memory, whole, body)
        crc = _crc(chain, number, body)
        if whole != _line(number, crc, body):
            break
        try:
            note = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):  # of a version that says what this one does not know
            break
        memory.line = number - 1
        end = stop + 1
        _advance(memory, note, crc, end)
    memory.clean = memory.clean and end == len(raw)
    return memory


def _follows(memory: Memory, whole: bytes, body: bytes) -> tuple[int, int]:
    """A line's number and the CRC before it: the first line of a rewritten journal says both itself."""
    if not memory.line and (first := _BASE.match(body)) is not None and (number := whole.split(b" ", 1)[0]).isdigit():
        return int(number[:20]), int(first[1])
    return memory.line + 1, memory.chain


def write(memory: Memory, note: Note) -> bytes:
    """The line to append; the memory has it already."""
    body = _encode(note)
    crc = _crc(memory.chain, memory.line + 1, body)
    raw = _line(memory.line + 1, crc, body) + b"\n"
    _advance(memory, note, crc, memory.kept + len(raw))
    return raw


def rewritten(memory: Memory, wall: Millis) -> bytes:
    """A journal that says the same in fewer lines, for one that has grown large.

    What is unfinished stays, so do the outbox and what was acked in the last 30 days; ended commands whose event is older
    are forgotten: their numbers stay refused. To be read anew; that the old one ended with CLEAN is not in it.
    """
    young = {n: letter for n, letter in memory.acked.items() if letter[1] >= wall - KEEP_MS}
    letters = [(evt, at, True) for evt, at in young.values()]
    letters += [(evt, at, False) for evt, at in memory.outbox.values()]
    told = {evt.id for evt, _, _ in letters}
    kept = [work for work in memory.works.values() if not work.final or work.cmd.id in told]
    lost = [work.cmd.seq for work in memory.works.values() if work.final and work.cmd.id not in told]
    notes: list[Note] = [_base(memory, max(lost, default=memory.forgotten)), *map(_kept_work, kept)]
    notes += [Kept(evt=evt, acked=acked, wall=at) for evt, at, acked in letters]
    line, chain, lines = memory.line, memory.chain, []
    for note in notes:
        body = _encode(note)
        line, chain = line + 1, _crc(chain, line + 1, body)
        lines.append(_line(line, chain, body))
    return b"\n".join([*lines, b""])


def _base(memory: Memory, forgotten: int) -> Base:
    return Base(
        after=memory.chain,
        instance=memory.instance,
        prev=memory.prev,
        holder=memory.holder,
        boot=memory.boot,
        ep=memory.ep,
        cmd_hi=memory.cmd_hi,
        evt_hi=memory.evt_hi,
        evt_acked=memory.evt_acked,
        deal_hi=memory.deal_hi,
        deals_since=memory.deals_since,
        deals=tuple(sorted(memory.deals)),
        started=memory.started,
        prefixes=tuple(sorted(memory.prefixes)),
        forgotten=max(forgotten, memory.forgotten),
        control=memory.control,
    )


def _kept_work(work: Work) -> KeptWork:
    return KeptWork(
        cmd=work.cmd,
        j=work.j,
        at=work.at,
        instance=work.instance,
        sent=work.sent.volume if work.sent else None,
        told=work.told,
        final=work.final,
    )


def _line(number: int, crc: int, body: bytes) -> bytes:
    return b"%d %d %d %b" % (number, len(body), crc, body)


def _crc(previous: int, number: int, body: bytes) -> int:
    return zlib.crc32(b"%d %d %d " % (previous, number, len(body)) + body)


def _advance(memory: Memory, note: Note, crc: int, kept: int) -> None:
    memory.line, memory.chain, memory.kept = memory.line + 1, crc, kept
    memory.clean = isinstance(note, Clean)
    fold(memory, note)


def fold(memory: Memory, note: Note) -> None:
    """What one line changes."""
    match note:
        case Booted():
            memory.instance, memory.prev, memory.boot = note.instance, note.prev, note.boot
        case Intent():
            _taken(memory, Work(cmd=note.cmd, j=memory.line, at=note.at, instance=memory.instance))
        case Sent():
            work = memory.works[note.id]
            work.sent = note
            _begun(memory, work.cmd)
        case Told():
            _told(memory, note)
        case EvtAcked():
            for n in [n for n in memory.outbox if n <= note.n]:
                memory.acked[n] = memory.outbox.pop(n)
            memory.evt_acked = max(memory.evt_acked, note.n)
        case DealsTold():
            memory.deal_hi, memory.deals_since = note.ticket, note.since
            memory.deals = {t for t in memory.deals if t > note.ticket}
        case Epoch():
            memory.ep, memory.holder = note.ep, memory.instance
        case Control():
            memory.control = note
        case Base():
            _begin(memory, note)
        case KeptWork():
            sent = Sent(id=note.cmd.id, volume=note.sent) if note.sent is not None else None
            work = Work(cmd=note.cmd, j=note.j, at=note.at, instance=note.instance, sent=sent, told=note.told)
            work.final = note.final
            _taken(memory, work)
        case Kept():
            (memory.acked if note.acked else memory.outbox)[note.evt.n] = (note.evt, note.wall)
        case Clean():
            pass


def _begin(memory: Memory, base: Base) -> None:
    for name in ("instance", "prev", "holder", "boot", "ep", "control", "cmd_hi", "evt_hi", "evt_acked", "deal_hi"):
        setattr(memory, name, getattr(base, name))
    memory.deals_since, memory.forgotten = base.deals_since, base.forgotten
    memory.deals, memory.started, memory.prefixes = set(base.deals), dict(base.started), set(base.prefixes)


def _taken(memory: Memory, work: Work) -> None:
    cmd = work.cmd
    memory.works[cmd.id] = work
    if not work.final:
        memory.open_works[cmd.id] = work
    memory.cmd_hi = max(memory.cmd_hi, cmd.seq)
    if cmd.magic.isdigit() and int(cmd.magic) >> 48:
        memory.prefixes.add(int(cmd.magic) >> 48)


def _told(memory: Memory, note: Told) -> None:
    evt = note.evt
    memory.deals.update(int(d.ticket) for d in evt.deals if int(d.ticket) > memory.deal_hi)
    if evt.n:
        memory.evt_hi = evt.n
        memory.outbox[evt.n] = (evt, note.wall)
        for n in [n for n, (_, wall) in memory.acked.items() if wall < note.wall - KEEP_MS]:
            del memory.acked[n]
    if work := memory.works.get(evt.id):
        work.told, work.final = evt, note.final
        if evt.st in _STARTED:
            _begun(memory, work.cmd)
        if note.final:
            memory.open_works.pop(evt.id, None)


def _begun(memory: Memory, cmd: Cmd) -> None:
    if cmd.target and cmd.seq:
        memory.started[cmd.target] = max(memory.started.get(cmd.target, 0), cmd.seq)
