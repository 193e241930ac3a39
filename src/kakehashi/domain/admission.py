"""What a HELLO gives away: a journal that went back, a machine that runs twice, a hub older than its EA.

Source: PROTOCOL R2, R5, R20.
"""

from typing import Any, Final

import msgspec

from kakehashi.domain.frames import Hello, Limits, Welcome
from kakehashi.domain.linkwords import LinkRecord, LinkSettings, Seen
from kakehashi.domain.values import Millis

RETRY_MS: Final = 5_000
INSTANCES_REMEMBERED: Final = 64


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why an EA is not let in, and when it may ask again. ``alarm``: a person should know."""

    reason: str
    retry_ms: int = RETRY_MS
    alarm: bool = False
    text: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A second connection with the holder's instance; the first has until ``until`` to show that it lives."""

    conn: str
    hello: Hello
    probe: str
    until: Millis
    at: Millis


def refusal(record: LinkRecord, hello: Hello) -> Refusal | None:
    """Why this HELLO can never be let in as it is; None where only the lease decides."""
    if hello.account != record.account:
        return Refusal(reason="UNKNOWN_ACCOUNT", text=hello.account[:40])
    if record.server and hello.server and hello.server != record.server:
        text = f"{hello.server[:80]} instead of {record.server}"
        return Refusal(reason="SERVER_MISMATCH", alarm=True, text=text)
    seen = record.seen.get(hello.instance)
    if seen is None:
        return None
    if seen.cloned:
        return Refusal(reason="INSTANCE_CLONED", text=hello.instance[:80])
    if why := journal_back(seen, hello):
        return Refusal(reason="JOURNAL_BACK", retry_ms=0, alarm=True, text=why)
    return None


def journal_back(seen: Seen, hello: Hello) -> str:
    """How the journal falls short of what the hub has seen of it, or empty."""
    if hello.jhi < seen.jhi:
        return f"line {hello.jhi}, seen was {seen.jhi}"
    if hello.jhi == seen.chained and hello.jchain != seen.jchain:
        return f"another chain at line {hello.jhi}"
    if hello.instance and hello.boot < seen.boot:
        return f"boot {hello.boot}, seen was {seen.boot}"
    if hello.evt_hi < seen.evt_hi:
        return f"event {hello.evt_hi}, seen was {seen.evt_hi}"
    return ""


def older_than(record: LinkRecord, seen: Seen, hello: Hello) -> str:
    """How the EA knows more than the hub, which therefore was restored from an old copy; or empty (R20)."""
    if hello.ep > record.epoch:
        return f"epoch {hello.ep} above {record.epoch}"
    if hello.evt_acked > seen.evt_hi:
        return f"event {hello.evt_acked} acknowledged, {seen.evt_hi} known"
    if hello.cmd_hi > record.cmd_hi:
        return f"command {hello.cmd_hi} seen, {record.cmd_hi} sent"
    return ""


def lease_held(record: LinkRecord, hello: Hello, *, left: Millis, live: bool) -> Refusal | None:
    """Another instance waits for the last receipt + lease; a successor that proves itself does not (R5).

    :param left: what is left of the holder's lease, ms
    :param live: whether the holder has a connection
    """
    if not record.instance or hello.instance == record.instance or (left <= 0 and not live):
        return None
    holder = record.seen.get(record.instance, Seen())
    succeeds = hello.prev == record.instance and not live and not holder.cloned
    if succeeds and hello.jhi > 0 and not journal_back(holder, hello):
        return None
    text = f"{hello.instance[:80]} came while {record.instance[:80]} holds it" if live else ""
    return Refusal(reason="LEASE_HELD", retry_ms=max(left, 250), alarm=live, text=text)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What letting an EA in changes. ``behind``: how the hub is older than the EA, or empty."""

    record: LinkRecord
    taken_over: bool
    behind: str


def entered(record: LinkRecord, hello: Hello) -> Entry:
    """The link's row once this EA is let in: the epoch grows where the holder changes, or where the hub is behind.

    The events of a new instance are counted on from where its EA says they were acknowledged.
    """
    taken_over = hello.instance != record.instance
    before = record.seen.get(hello.instance) or record.seen.get(hello.prev or "") or Seen()
    behind = older_than(record, before, hello)
    booked = before.evt_hi if behind or hello.instance in record.seen else hello.evt_acked
    after = msgspec.structs.replace(
        record,
        epoch=max(record.epoch, hello.ep) + 1 if taken_over or behind else record.epoch,
        instance=hello.instance,
        boot=hello.boot,
        server=record.server or hello.server,
        cmd_hi=max(record.cmd_hi, hello.cmd_hi),
        suspended=record.suspended or bool(behind),
    )
    after = seeing(
        after, hello.instance, evt_hi=booked, boot=hello.boot, jhi=hello.jhi, chained=hello.jhi, jchain=hello.jchain
    )
    return Entry(record=after, taken_over=taken_over, behind=behind)


def seeing(record: LinkRecord, instance: str, **changes: Any) -> LinkRecord:
    """The row with more seen of one instance; the longest unused ones are forgotten."""
    seen = dict(record.seen)
    seen[instance] = msgspec.structs.replace(seen.pop(instance, Seen()), **changes)
    while len(seen) > INSTANCES_REMEMBERED:
        del seen[next(iter(seen))]
    return msgspec.structs.replace(record, seen=seen)


def welcome(record: LinkRecord, settings: LinkSettings) -> Welcome:
    """The frame that gives the lease to the row's instance."""
    return Welcome(
        ep=record.epoch,
        lease_ms=settings.lease_ms,
        hb_ms=settings.heartbeat_ms,
        stale_ms=settings.stale_ms,
        dead_ms=settings.dead_ms,
        evt_ack=record.seen[record.instance].evt_hi,
        gen=record.gen,
        limits=Limits(max_unacked=settings.max_unacked),
    )
