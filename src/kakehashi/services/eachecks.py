"""What is wrong with an account's EA, as the command line and the REST face show it; read from the store."""

from typing import Any, Final, TypeVar

import msgspec

from kakehashi.domain.codes import CODES, render
from kakehashi.domain.eacheck import EaState, Finding, SelfReport, check
from kakehashi.domain.linkwords import LinkState
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Instrument, Millis
from kakehashi.engine.mirror import Mirror
from kakehashi.ports import Store
from kakehashi.services import desk, mirrors

T = TypeVar("T")

_KINDS: Final = ("hello", "refused", "link", "worth", "mirror", "symbols")


async def findings(store: Store, name: str, *, at: Millis, lang: str = "en") -> list[dict[str, str]]:
    """Rows of ``code``, ``severity`` (error, warning, info), ``message`` and ``remedy``, the worst first.

    :param at: now, ms UTC
    :param lang: en or ja
    :raises Rejected: NOT_FOUND: no such account
    """
    return [_line(finding, lang) for finding in check(await _state(store, name, at=at))]


async def _state(store: Store, name: str, *, at: Millis) -> EaState:
    account = await desk.account(store, name)
    keys = tuple(f"{kind}|{name}" for kind in _KINDS)
    rows = {r["key"]: r["body"] for r in await store.rows("states", where={"key": keys}, limit=len(keys))}

    def kept(kind: str, of: type[T]) -> T | None:
        body = rows.get(f"{kind}|{name}")
        return None if body is None else msgspec.json.decode(body, type=of)

    hello, refused = kept("hello", SelfReport), kept("refused", SelfReport)
    link, worth, mirror = kept("link", LinkState), kept("worth", mirrors.Worth), kept("mirror", Mirror)
    symbols = kept("symbols", dict[str, Instrument])
    standing = (await mirrors.standings(store, now=at)).get(name, mirrors.Standing())
    routes = [msgspec.json.decode(r.body, type=Route) for r in await store.configs("route")]
    told_since = worth is not None and (hello is None or worth.at >= hello.at)
    return EaState(
        account=account,
        routes=tuple(route for route in routes if name in route.accounts),
        link=None if link is None else standing.link,
        hello=hello,
        refused=refused if refused is not None and (hello is None or refused.at > hello.at) else None,
        trade_allowed=worth.trade_allowed if worth is not None and told_since else None,
        server=account.server or (link.record.server if link is not None else ""),
        halted=link is not None and link.record.halted,
        suspended=standing.suspended,
        reported=standing.fresh if mirror is not None and mirror.reported_at is not None else None,
        instruments=symbols or {},
    )


def _line(finding: Finding, lang: str) -> dict[str, Any]:
    known = CODES[finding.code]
    remedy = known.fix_ja if lang == "ja" else known.fix_en
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": render(finding.code, lang, **finding.values),
        "remedy": remedy.format(**finding.values) if finding.values else remedy,
    }
