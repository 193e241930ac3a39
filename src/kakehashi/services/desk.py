"""What an operator sees and does, the same for CLI and REST: reads of the store, versioned configuration, wishes to the owner."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain import deadletters
from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.messages import Ask
from kakehashi.domain.orders import Order, State
from kakehashi.domain.rules import Route
from kakehashi.domain.signals import DIFFERS
from kakehashi.domain.values import Account
from kakehashi.ports import AuditRow, ConfigRow, Store
from kakehashi.services import mirrors
from kakehashi.services.access import NewToken, create_token

OWNER = "hub"
DAY_MS = 86_400_000
Ttl = deadletters.Ttl

ORDER_FIELDS = (
    *("id", "account", "symbol", "side", "volume", "op", "state", "filled_volume", "filled_price", "magic", "ticket"),
    *("retcode", "code", "reason", "route", "signal_id", "trace_id", "target", "attempt", "created_at", "updated_at"),
)
IN_DOUBT = "IN_DOUBT"
"""What the EA link calls an order of unknown outcome: it is asked after until evidence settles it."""

TOKEN_SECRETS = frozenset({"sha256", "hmac_key"})
LISTS = ("signals", "orders", "fills", "positions", "accounts", "routes", "dlq", "kills", "tokens")


async def listing(
    store: Store, what: str, *, at: int = 0, account: str = "", limit: int = 100, closed: bool = False
) -> list[dict[str, Any]]:
    """Newest first.

    :param at: now, ms UTC: of accounts and positions, what is fresh depends on it
    :param closed: of positions those that ended as well

    :raises Rejected: NOT_FOUND: no such list
    """
    where = {"account": account} if account else {}
    match what:
        case "signals":
            return [signal_line(r) for r in await store.rows("signals", limit=limit)]
        case "orders":
            return [order_line(r) for r in await store.rows("orders", where=where, limit=limit)]
        case "dlq":
            dead = {**where, "state": State.DEAD.value}
            return [order_line(r) for r in await store.rows("orders", where=dead, limit=limit)]
        case "fills":
            return [plain(r) for r in await store.rows(what, where=where, limit=limit)]
        case "positions":
            return await mirrors.positions(store, account=account, limit=limit, now=at, closed=closed)
        case "accounts":
            lines = [config_line(r) for r in await store.configs("account")][:limit]
            return await mirrors.accounts(store, lines, now=at)
        case "routes":
            return [config_line(r) for r in await store.configs("route")][:limit]
        case "kills":
            killed = await store.configs("kill")
            return [{"scope": r.name, "version": r.version, "at": r.at, "by": r.by} for r in killed][:limit]
        case "tokens":
            newest = sorted(await store.tokens(), key=lambda t: (t.created_at, t.id), reverse=True)
            shown = [msgspec.structs.asdict(t) for t in newest[:limit]]
            return [{k: v for k, v in line.items() if k not in TOKEN_SECRETS} for line in shown]
    raise Rejected("NOT_FOUND", f"no list {what!r}", hint=f"one of {', '.join(LISTS)}")


def signal_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``signals list``: the columns, the alert and its legs; of a duplicate, what it says otherwise."""
    body = msgspec.json.decode(row["body"])
    line = {k: v for k, v in row.items() if k != "body"}
    notes = body["signal"].get("notes", [])
    line |= {"alert": body["signal"]["alert"], "notes": notes, "legs": body.get("legs", [])}
    if first := body.get("duplicate_of"):
        line |= {"duplicate_of": first, "differs": [n.removeprefix(DIFFERS) for n in notes if n.startswith(DIFFERS)]}
    return line


def order_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``orders list``."""
    order = msgspec.json.decode(row["body"], type=Order)
    line = {name: msgspec.to_builtins(getattr(order, name)) for name in ORDER_FIELDS}
    state = IN_DOUBT if order.linked and order.state is State.UNKNOWN else order.state.value
    return line | {"magic": str(order.magic), "state": state}


def config_line(row: ConfigRow) -> dict[str, Any]:
    """An account or a route as its newest version says, every field written out."""
    value = msgspec.json.decode(row.body, type=Account if row.kind == "account" else Route)
    line: dict[str, Any] = {name: msgspec.to_builtins(getattr(value, name)) for name in value.__struct_fields__}
    return line | {"name": row.name, "version": row.version}


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as its struct's fields where it keeps a body, else its columns."""
    if row.get("body"):
        found: dict[str, Any] = msgspec.json.decode(row["body"])
        return found
    return dict(row)


async def trace(store: Store, wanted: str) -> dict[str, Any]:
    """Everything known about one signal, by the id of the signal, trace, order, or a venue's ticket: each hop with its time.

    :raises Rejected: NOT_FOUND
    """
    trace_id = await _trace_of(store, wanted)
    signals = await store.rows("signals", where={"trace_id": trace_id}, limit=10)
    orders = [
        msgspec.json.decode(r["body"], type=Order)
        for r in await store.rows("orders", where={"trace_id": trace_id}, limit=1_000, newest_first=False)
    ]
    hops: list[dict[str, Any]] = []
    for row in signals:
        hops.append(
            {
                "at": row["received_at"],
                "hop": "received",
                "subject": row["id"],
                "text": f"{row['action']} {row['symbol']}",
            }
        )
        hops.append(
            {"at": row["received_at"], "hop": "decided", "subject": row["id"], "text": f"{row['status']} {row['code']}"}
        )
    for order in orders:
        text = f"{order.op} {order.side} {order.volume} {order.symbol} on {order.account}"
        hops.append({"at": order.created_at, "hop": "ordered", "subject": order.id, "text": text})
        fills = await store.rows("fills", where={"order_id": order.id}, limit=100)
        hops.extend(
            {"at": f["at"], "hop": "filled", "subject": order.id, "text": f"{f['volume']} at {f['price']}"}
            for f in map(plain, fills)
        )
        hops.extend(_life(order))
    return {
        "trace_id": trace_id,
        "signals": [signal_line(r) for r in signals],
        "orders": [msgspec.to_builtins(o) | {"magic": str(o.magic)} for o in orders],
        "hops": sorted(hops, key=lambda h: h["at"]),
    }


def _life(order: Order) -> list[dict[str, Any]]:
    """Every state the order came into after it was made, with its time; the last one says why."""
    *earlier, (last, at) = order.past[1:] or ((order.state, order.updated_at),)
    hops = [{"at": then, "hop": state.value, "subject": order.id, "text": ""} for state, then in earlier]
    return [*hops, {"at": at, "hop": last.value, "subject": order.id, "text": order.reason or order.code}]


async def _trace_of(store: Store, wanted: str) -> str:
    for table, column in (("signals", "trace_id"), ("signals", "id"), ("orders", "id"), ("orders", "ticket")):
        rows = await store.rows(table, where={column: wanted}, limit=1)
        if rows:
            return str(rows[0]["trace_id"])
    raise Rejected(
        "NOT_FOUND", f"nothing is known of {wanted!r}", hint="an id of a signal, trace or order, or a ticket"
    )


# -- configuration -----------------------------------------------------------------------------------------------


async def current(store: Store, kind: str, name: str) -> ConfigRow | None:
    return next((r for r in await store.configs(kind) if r.name == name), None)


async def put(
    store: Store,
    kind: str,
    name: str,
    value: msgspec.Struct | bool | None,
    *,
    by: str,
    at: int,
    after: int | None = None,
) -> ConfigRow:
    """Write the next version of a piece of configuration, with its audit row; None deletes it.

    :param after: the version the change was made from; None takes whatever is newest
    :raises Rejected: VERSION_CONFLICT: somebody else wrote a version meanwhile
    """
    if after is None:
        history = await store.config_history(kind, name)
        after = max((r.version for r in history), default=0)
    version = after + 1
    body = b"" if value is None else msgspec.json.encode(value)
    row = ConfigRow(kind=kind, name=name, version=version, at=at, by=by, body=body)
    what = f"{kind} {'delete' if value is None else 'put'}"
    await store.put_config(row, AuditRow(at=at, actor=by, action=what, subject=name, detail=body.decode()))
    return row


async def account(store: Store, name: str) -> Account:
    """:raises Rejected: NOT_FOUND"""
    row = await current(store, "account", name)
    if row is None:
        raise Rejected("NOT_FOUND", f"no account {name!r}", hint="kakehashi accounts list")
    return msgspec.json.decode(row.body, type=Account)


async def route(store: Store, name: str) -> Route:
    """:raises Rejected: NOT_FOUND"""
    row = await current(store, "route", name)
    if row is None:
        raise Rejected("NOT_FOUND", f"no route {name!r}", hint="kakehashi routes list")
    return msgspec.json.decode(row.body, type=Route)


async def add_account(store: Store, new: Account, *, by: str, at: int) -> Account:
    """:raises Rejected: CONFLICT: the name, or the same login at a broker, is taken"""
    if await current(store, "account", new.name) is not None:
        raise Rejected("CONFLICT", f"account {new.name!r} exists", hint="choose another name")
    await put(store, "account", new.name, new, by=by, at=at)
    return new


async def change_account(store: Store, name: str, *, by: str, at: int, **changes: Any) -> Account:
    changed = msgspec.structs.replace(await account(store, name), **changes)
    await put(store, "account", name, changed, by=by, at=at)
    return changed


async def ask_link(store: Store, name: str, *, ask: str, by: str, at: int) -> dict[str, Any]:
    """Ask for a snapshot of an account (``resync``), or let one trade again whose EA knew more than the hub (``confirm``).

    :raises Rejected: NOT_FOUND; NO_LINK: its EA has never been connected over the link
    """
    known = await account(store, name)
    if not await store.rows("states", where={"key": f"link|{name}"}, limit=1):
        raise Rejected("NO_LINK", f"no EA of {name} has been connected yet", hint="docs: the EA link")
    return await mirrors.ask(store, OWNER, known, Ask(ask), by=by, at=at)


async def map_symbols(store: Store, name: str, pairs: Sequence[str], *, by: str, at: int) -> Account:
    """``EURUSD=EURUSD.m`` pairs; an empty right side removes the mapping.

    :raises Malformed: BAD_PARAMETER
    """
    symbols = dict((await account(store, name)).symbols)
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not ours:
            raise Malformed("BAD_PARAMETER", "a mapping reads EURUSD=EURUSD.m", value=pair)
        symbols.pop(ours.upper(), None)
        if theirs:
            symbols[ours.upper()] = theirs
    return await change_account(store, name, by=by, at=at, symbols=symbols)


async def set_pip(store: Store, name: str, symbol: str, pip: Decimal, *, by: str, at: int) -> Account:
    pips = dict((await account(store, name)).pips) | {symbol: pip}
    return await change_account(store, name, by=by, at=at, pips=pips)


async def put_route(store: Store, new: Route, *, by: str, at: int, after: int | None = None) -> Route:
    """Write a route; each account it names must exist.

    :param after: the version the change was made from, see :func:`put`
    :raises Rejected: NOT_FOUND, VERSION_CONFLICT
    :raises Malformed: BAD_CONFIG: rules for an account that is not the route's
    """
    strangers = sorted(set(new.per_account) - set(new.accounts))
    if strangers:
        text = f"rules for {', '.join(strangers)}, which the route does not name"
        raise Malformed("BAD_CONFIG", text, hint="name it among the route's accounts, or leave its rules out")
    for name in new.accounts:
        await account(store, name)
    await put(store, "route", new.name, new, by=by, at=at, after=after)
    return new


async def switch_route(store: Store, name: str, *, enabled: bool, by: str, at: int) -> Route:
    """Let a route open, or pause it: a paused route still closes.

    :raises Rejected: NOT_FOUND
    """
    return await put_route(store, msgspec.structs.replace(await route(store, name), enabled=enabled), by=by, at=at)


async def remove_route(store: Store, name: str, *, by: str, at: int) -> None:
    """Its history stays.

    :raises Rejected: NOT_FOUND
    """
    await route(store, name)
    await put(store, "route", name, None, by=by, at=at)


async def route_history(store: Store, name: str) -> list[dict[str, Any]]:
    """Every version, oldest first: when, by whom, what; ``value`` None is a removal.

    :raises Rejected: NOT_FOUND: there never was such a route
    """
    rows = await store.config_history("route", name)
    if not rows:
        raise Rejected("NOT_FOUND", f"no route {name!r}", hint="kakehashi routes list")
    return [
        {"version": r.version, "at": r.at, "by": r.by, "value": msgspec.json.decode(r.body) if r.body else None}
        for r in rows
    ]


async def kill(store: Store, *, on: bool, scope: str, by: str, at: int) -> dict[str, Any]:
    """Set or clear a kill switch: ``*``, an account's name, or ``user:NAME``. Takes hold in well under a second.

    :raises Rejected: NOT_FOUND: who kills a misspelt account would believe that it is stopped
    """
    if on and scope != "*" and not scope.startswith("user:"):
        await account(store, scope)
    await put(store, "kill", scope, True if on else None, by=by, at=at)
    return {"scope": scope, "killed": on}


async def kill_status(store: Store) -> dict[str, Any]:
    return {"killed": [r.name for r in await store.configs("kill") if r.body]}


# -- tokens ------------------------------------------------------------------------------------------------------


async def issue_token(
    store: Store,
    scope: str,
    *,
    by: str,
    at: int,
    name: str = "",
    route: str = "",
    account_name: str = "",
    days: int | None = None,
) -> NewToken:
    """A new token, kept as a hash; the secret is in the answer and nowhere else.

    :param days: expires after so many; None never
    :raises Rejected: BAD_SCOPE; NOT_FOUND: the account does not exist
    """
    expires_at = at + days * DAY_MS if days else None
    new = create_token(scope, at=at, name=name, route=route, account=account_name, slot=route, expires_at=expires_at)
    if account_name:
        await account(store, account_name)
    detail = f"{scope} {route}{account_name}"
    await store.put_token(new.row, AuditRow(at=at, actor=by, action="token create", subject=new.row.id, detail=detail))
    return new


async def revoke_token(store: Store, token_id: str, *, by: str, at: int) -> None:
    """It is refused within half a second; a second revocation changes nothing.

    :raises Rejected: NOT_FOUND
    """
    row = next((r for r in await store.tokens() if r.id == token_id), None)
    if row is None:
        raise Rejected("NOT_FOUND", f"no token {token_id!r}", hint="kakehashi token list")
    if row.revoked_at is None:
        audit = AuditRow(at=at, actor=by, action="token revoke", subject=token_id)
        await store.put_token(msgspec.structs.replace(row, revoked_at=at), audit)


# -- dead letters ------------------------------------------------------------------------------------------------


async def dead_letter(
    store: Store, order_id: str, *, do: str, force: bool, by: str, at: int, ttl: Ttl
) -> dict[str, Any]:
    """Ask the owner to retry or discard a dead letter.

    :raises Rejected: NOT_FOUND; TTL_OVER where a retry comes after the order's lifetime and is not forced
    """
    if do not in ("retry", "discard"):
        raise Rejected("NOT_FOUND", f"a dead letter can be retried or discarded, not {do!r}")
    rows = await store.rows("orders", where={"id": order_id, "state": State.DEAD.value}, limit=1)
    if not rows:
        raise Rejected("NOT_FOUND", f"{order_id!r} is not in the dead letters", hint="kakehashi dlq list")
    order = msgspec.json.decode(rows[0]["body"], type=Order)
    if do == "retry":
        body = msgspec.json.encode(deadletters.retried(order, force=force, by=by, at=at, ttl=ttl))
    else:
        body = msgspec.json.encode(deadletters.discarded(order, by=by, at=at))
    await store.post(OWNER, at, body)
    return {"id": order_id, "asked": do}
