"""What an operator sees and does, the same for CLI and REST: reads of the store, versioned configuration, wishes to the owner."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.messages import DeadLetterDiscarded, DeadLetterRetried, Event
from kakehashi.domain.orders import Order, State
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Account
from kakehashi.ports import AuditRow, ConfigRow, Store

OWNER = "hub"


class Ttl(msgspec.Struct, frozen=True, kw_only=True):
    """The lifetimes a retried dead letter gets anew."""

    entry_ms: int = 30_000
    exit_ms: int = 86_400_000


DEFAULT_TTL = Ttl()

ORDER_FIELDS = (
    *("id", "account", "symbol", "side", "volume", "op", "state", "filled_volume", "filled_price", "magic", "ticket"),
    *("retcode", "code", "reason", "route", "signal_id", "trace_id", "target", "attempt", "created_at", "updated_at"),
)
LISTS = ("signals", "orders", "fills", "positions", "accounts", "routes", "dlq", "kills")


async def listing(store: Store, what: str, *, account: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Newest first.

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
        case "fills" | "positions":
            return [plain(r) for r in await store.rows(what, where=where, limit=limit)]
        case "accounts" | "routes" | "kills":
            rows = await store.configs(what.removesuffix("s"))
            return [msgspec.json.decode(r.body) | {"name": r.name, "version": r.version} for r in rows][:limit]
    raise Rejected("NOT_FOUND", f"no list {what!r}", hint=f"one of {', '.join(LISTS)}")


def signal_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``signals list``: the columns, the alert and its legs."""
    body = msgspec.json.decode(row["body"])
    line = {k: v for k, v in row.items() if k != "body"}
    return line | {
        "alert": body["signal"]["alert"],
        "notes": body["signal"].get("notes", []),
        "legs": body.get("legs", []),
    }


def order_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``orders list``."""
    order = msgspec.json.decode(row["body"], type=Order)
    line = {name: msgspec.to_builtins(getattr(order, name)) for name in ORDER_FIELDS}
    return line | {"magic": str(order.magic)}


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
        hops.append(
            {"at": order.updated_at, "hop": order.state.value, "subject": order.id, "text": order.reason or order.code}
        )
        fills = await store.rows("fills", where={"order_id": order.id}, limit=100)
        hops.extend(
            {"at": f["at"], "hop": "filled", "subject": order.id, "text": f"{f['volume']} at {f['price']}"}
            for f in map(plain, fills)
        )
    return {
        "trace_id": trace_id,
        "signals": [signal_line(r) for r in signals],
        "orders": [msgspec.to_builtins(o) | {"magic": str(o.magic)} for o in orders],
        "hops": sorted(hops, key=lambda h: h["at"]),
    }


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
    store: Store, kind: str, name: str, value: msgspec.Struct | bool | None, *, by: str, at: int
) -> ConfigRow:
    """Write the next version of a piece of configuration, with its audit row; None deletes it."""
    history = await store.config_history(kind, name)
    version = max((r.version for r in history), default=0) + 1
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


async def put_route(store: Store, new: Route, *, by: str, at: int) -> Route:
    """Write a route; each account it names must exist.

    :raises Rejected: NOT_FOUND
    """
    for name in new.accounts:
        await account(store, name)
    await put(store, "route", new.name, new, by=by, at=at)
    return new


async def kill(store: Store, *, on: bool, scope: str, by: str, at: int) -> dict[str, Any]:
    """Set or clear a kill switch: ``*``, an account's name, or ``user:NAME``. Takes hold in well under a second."""
    await put(store, "kill", scope, True if on else None, by=by, at=at)
    return {"scope": scope, "killed": on}


async def kill_status(store: Store) -> dict[str, Any]:
    return {"killed": [r.name for r in await store.configs("kill") if r.body]}


# -- dead letters ------------------------------------------------------------------------------------------------


async def dead_letter(
    store: Store, order_id: str, *, do: str, force: bool, by: str, at: int, ttl: Ttl
) -> dict[str, Any]:
    """Ask the owner to retry or discard a dead letter.

    :raises Rejected: NOT_FOUND; TTL_OVER where a retry comes after the order's lifetime and is not forced
    """
    rows = await store.rows("orders", where={"id": order_id, "state": State.DEAD.value}, limit=1)
    if not rows:
        raise Rejected("NOT_FOUND", f"{order_id!r} is not in the dead letters", hint="kakehashi dlq list")
    order = msgspec.json.decode(rows[0]["body"], type=Order)
    event: Event
    if do == "discard":
        event = DeadLetterDiscarded(at=at, order=order_id, by=by)
    elif do == "retry":
        if at >= order.expires_at and not force:
            raise Rejected(
                "TTL_OVER", f"{order_id} was only good until {order.expires_at}", hint="--force sends it all the same"
            )
        lifetime = ttl.entry_ms if order.is_entry else ttl.exit_ms
        event = DeadLetterRetried(at=at, order=order_id, by=by, expires_at=at + lifetime if force else order.expires_at)
    else:
        raise Rejected("NOT_FOUND", f"a dead letter can be retried or discarded, not {do!r}")
    await store.post(OWNER, at, msgspec.json.encode(event))
    return {"id": order_id, "asked": do}
