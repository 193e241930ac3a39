"""How each account stands with its EA, and its positions with their freshness, as lists and pages show them.

Read from the store, so that the command line sees what the hub saw. Whether it is of now is told by the hub's beat.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kakehashi.domain.linkwords import LinkState, Session
from kakehashi.domain.messages import Ask, LinkAsked
from kakehashi.domain.values import Account, Millis, Money
from kakehashi.domain.views import BrokerPosition
from kakehashi.engine.mirror import Mirror
from kakehashi.ports import Store
from kakehashi.services.wishes import Beat

BEAT_MS: Final = 6_000
"""The hub writes its beat every two seconds while EAs are connected; an older one says that it is gone."""
LEASE_MS: Final = 15_000
"""For so long a link that was cut is called stale; afterwards it is off."""
REPORTED_MS: Final = 90_000
"""How old the last report of an account without a link may be: it is kept every half minute."""


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What an account was worth when its EA said so last. :ivar at: ms UTC"""

    at: Millis
    balance: Money | None
    equity: Money | None
    credit: Money
    margin: Money
    trade_allowed: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One account's line. :ivar link: live, stale or off"""

    link: str = "off"
    fresh: bool = False
    epoch: int = 0
    instance: str = ""
    boot: int = 0
    sseq: int = 0
    suspended: bool = False
    balance: Money | None = None
    equity: Money | None = None


async def standings(store: Store, *, now: Millis) -> Mapping[str, Standing]:
    """By account; only those that were ever heard of."""
    rows = {r["key"]: r["body"] for r in await store.rows("states", limit=1_000_000)}
    beat = msgspec.json.decode(rows["beat|hub"], type=Beat).at if "beat|hub" in rows else 0
    found: dict[str, Standing] = {}
    for key, body in rows.items():
        kind, _, name = key.partition("|")
        if kind == "link":
            state = msgspec.json.decode(body, type=LinkState)
            worth = msgspec.json.decode(rows[f"worth|{name}"], type=Worth) if f"worth|{name}" in rows else None
            found[name] = _linked(state, worth, alive=now - beat <= BEAT_MS, now=now)
        elif kind == "mirror" and f"link|{name}" not in rows:
            mirror = msgspec.json.decode(body, type=Mirror)
            fresh = mirror.reported_at is not None and now - mirror.reported_at <= REPORTED_MS
            found[name] = Standing(fresh=fresh, balance=mirror.balance, equity=mirror.equity)
    return found


def _linked(state: LinkState, worth: Worth | None, *, alive: bool, now: Millis) -> Standing:
    fresh = alive and state.session is Session.FRESH
    connected = alive and state.session in (Session.FRESH, Session.STALE, Session.SYNCING, Session.PROBING)
    cut = state.session is not Session.LEFT and now - state.since <= LEASE_MS
    record = state.record
    return Standing(
        link="live" if fresh else "stale" if connected or cut else "off",
        fresh=fresh,
        epoch=record.epoch,
        instance=record.instance,
        boot=record.boot,
        sseq=record.sseq,
        suspended=record.suspended,
        balance=worth.balance if worth else None,
        equity=worth.equity if worth else None,
    )


async def accounts(store: Store, lines: Sequence[dict[str, Any]], *, now: Millis) -> list[dict[str, Any]]:
    """The lines of ``accounts list``, each with how it stands."""
    known = await standings(store, now=now)
    nothing = Standing()
    return [line | msgspec.to_builtins(known.get(line["name"], nothing)) for line in lines]


async def positions(
    store: Store, *, account: str, limit: int, now: Millis, closed: bool = False
) -> list[dict[str, Any]]:
    """Open positions, and with ``closed`` those that ended, newest first."""
    where = {"account": account} if account else {}
    known = await standings(store, now=now)
    held = [
        msgspec.json.decode(r["body"], type=BrokerPosition)
        for r in await store.rows("positions", where=where, limit=limit)
    ]
    ours = await _ours(store, {p.magic for p in held} - {0})
    lines = [_position(p, fresh=known.get(p.account, Standing()).fresh, own=p.magic in ours) for p in held]
    if closed:
        ended = [msgspec.json.decode(r["body"]) for r in await store.rows("closures", where=where, limit=limit)]
        lines += [_closed(row) for row in sorted(ended, key=lambda row: -int(row["closed_at"]))]
    return lines[:limit]


async def _ours(store: Store, magics: set[int]) -> set[int]:
    """Which of these magics are of orders of this hub."""
    small = tuple(m for m in magics if m < 1 << 63)
    rows = await store.rows("orders", where={"magic": small}, limit=len(small)) if small else ()
    return {int(row["magic"]) for row in rows}


def _position(held: BrokerPosition, *, fresh: bool, own: bool) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.to_builtins(held)
    line["price_open"] = line.pop("open_price")
    origin = "OWN" if own else "EXTERNAL"
    return line | {"side": held.side.value, "magic": str(held.magic), "fresh": fresh, "origin": origin}


def _closed(row: dict[str, Any]) -> dict[str, Any]:
    line = dict(row)
    line["price_open"], line["closed_reason"] = line.pop("open_price"), line.pop("reason")
    return line | {"magic": str(row["magic"]), "fresh": False}


async def ask(store: Store, owner: str, account: Account, wish: Ask, *, by: str, at: Millis) -> dict[str, Any]:
    """Leave a wish for an account's link with the hub."""
    asked = LinkAsked(at=at, account=account.name, ask=wish, by=by)
    await store.post(owner, at, msgspec.json.encode(asked))
    return {"account": account.name, "asked": wish.value}
