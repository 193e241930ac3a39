"""What an incident's messages say, to whom they go, and when a failed one is tried again.

A message names the account, what is open, what was in flight, what to do and the runbook page: whoever reads it at night
has only it. Source: S1.5, S0.9.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kakehashi.domain.incidentkinds import Severity, kind_of
from kakehashi.domain.incidents import Incident, Notice, Post, Telling
from kakehashi.domain.values import Millis

LISTED: Final = 20
"""Positions and orders that one message names; the rest are counted."""
ERROR_LENGTH: Final = 300

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "account": "Account", "about": "About", "since": "Since", "count": "Reported", "times": "times", "open": "Open positions",
        "flight": "In flight (outcome not known)", "waiting": "Waiting to be sent", "none": "none", "more": "and {n} more",
        "do": "What to do", "page": "Runbook", "ack": "Seen it", "orders": "Orders", "over": "over", "still": "still open",
        "unseen": "nobody has acknowledged it yet", "lasted": "It lasted", "by": "closed by",
    },
    "ja": {
        "account": "口座", "about": "対象", "since": "発生", "count": "回数", "times": "回", "open": "保有ポジション",
        "flight": "送信途中（結果不明）", "waiting": "送信待ち", "none": "なし", "more": "ほか {n} 件",
        "do": "対処", "page": "ランブック", "ack": "確認済みにする", "orders": "注文", "over": "解消", "still": "継続中",
        "unseen": "まだ誰も確認していません", "lasted": "継続時間", "by": "終了操作",
    },
}  # fmt: skip


class NoticeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar targets: the names of those who are told
    :ivar runbook: what stands before ``EA_STOPPED.md`` in a message's link
    :ivar retry_ms: after the first failure, then twice as long, at most ``retry_max_ms``
    :ivar attempts: then it is given up
    """

    targets: tuple[str, ...] = ()
    lang: str = "en"
    least: Severity = Severity.WARNING
    runbook: str = "docs/{lang}/runbook/"
    retry_ms: int = 5_000
    retry_max_ms: int = 600_000
    attempts: int = 12


class NoticeTold(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one try to deliver a notice. ``error`` holds no address and no secret."""

    at: Millis
    notice: Notice
    sent: bool
    error: str = ""


def notices(incident: Incident, why: Telling, at: Millis, settings: NoticeSettings) -> list[Notice]:
    """The messages about an incident, one for each target; none to a target about its own failure."""
    if incident.severity.rank < settings.least.rank:
        return []
    title, body = composed(incident, why, at, lang=settings.lang, runbook=settings.runbook)
    mark = f"{incident.told}{'-over' if why is Telling.OVER else ''}"
    return [
        Notice(
            id=f"{incident.id}-{mark}-{target}",
            incident=incident.id,
            target=target,
            severity=incident.severity,
            title=title,
            body=body,
            at=at,
            due_at=at,
        )
        for target in settings.targets
        if (incident.code, incident.subject) != ("NOTICE_UNDELIVERED", target)
    ]


def after(told: NoticeTold, settings: NoticeSettings) -> Notice:
    """The notice after a try: sent, to be tried again, or given up."""
    notice, attempts = told.notice, told.notice.attempts + 1
    if told.sent:
        return msgspec.structs.replace(notice, state=Post.SENT, attempts=attempts, sent_at=told.at, error="")
    wait = min(settings.retry_ms * 2 ** min(attempts - 1, 30), settings.retry_max_ms)
    state = Post.FAILED if attempts >= settings.attempts else Post.WAITING
    error = told.error[:ERROR_LENGTH]
    return msgspec.structs.replace(notice, state=state, attempts=attempts, due_at=told.at + wait, error=error)


def composed(incident: Incident, why: Telling, at: Millis, *, lang: str, runbook: str) -> tuple[str, str]:
    """Title and text of one message."""
    words, kind = _WORDS[lang], kind_of(incident.code)
    head = {Telling.RAISED: incident.severity.value, Telling.STILL: f"{incident.severity}, {words['still']}"}
    title = f"[{head.get(why, words['over'])}] {incident.account or 'kakehashi'}: {kind.text(lang)} ({incident.code})"
    return title, "\n".join(_lines(incident, why, at, lang, runbook))


def _lines(incident: Incident, why: Telling, at: Millis, lang: str, runbook: str) -> Iterator[str]:
    words, kind = _WORDS[lang], kind_of(incident.code)
    yield kind.text(lang)
    if incident.text:
        yield incident.text
    yield ""
    yield f"{words['account']}: {incident.account or '-'}"
    if incident.subject:
        yield f"{words['about']}: {incident.subject}"
    if items := incident.values.get("items"):
        yield f"{words['orders']}: {', '.join(items[:LISTED])}{_more(items, words)}"
    yield f"{words['since']}: {_time(incident.opened_at)} ({words['count']} {incident.count} {words['times']})"
    if why is Telling.OVER:
        yield f"{words['lasted']}: {(at - incident.opened_at) // 1000} s"
        if incident.cleared_by:
            yield f"{words['by']}: {incident.cleared_by}"
        return
    if why is Telling.STILL:
        yield words["unseen"]
    for name in ("open", "flight", "waiting"):
        if name in incident.values:
            yield from _listed(words[name], incident.values[name], words)
    yield from ("", f"{words['do']}:")
    yield from (f"{n}. {action}" for n, action in enumerate(kind.actions(lang), 1))
    yield f"{words['page']}: {runbook.replace('{lang}', lang)}{incident.code}.md"
    yield f"{words['ack']}: kakehashi incidents ack {incident.id}"


def _listed(title: str, entries: list[str], words: Mapping[str, str]) -> Iterator[str]:
    yield f"{title}: {'' if entries else words['none']}".rstrip()
    yield from (f"- {entry}" for entry in entries[:LISTED])
    if len(entries) > LISTED:
        yield f"- {words['more'].format(n=len(entries) - LISTED)}"


def _more(items: list[Any], words: Mapping[str, str]) -> str:
    return f", {words['more'].format(n=len(items) - LISTED)}" if len(items) > LISTED else ""


def _time(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
