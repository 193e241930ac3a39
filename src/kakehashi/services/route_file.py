"""Routes as a TOML file: out of the store, into it, and what an import would change.

A file only adds and changes routes; a route it does not name stays as it is. ``false`` for a rail switches it off, as
TOML has no null.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import tomli_w

from kakehashi.domain.errors import Malformed
from kakehashi.domain.rules import RAILS, Route, rules_from_toml
from kakehashi.ports import AuditRow, ConfigRow, Store
from kakehashi.services import desk

_HEAD: Final = "# Routes of a kakehashi hub: edit, then `kakehashi routes import FILE`. A rail set to false is off.\n\n"


class _Table(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One ``[routes.NAME]``; the version is the store's, so a file has none."""

    accounts: tuple[str, ...]
    strategy: str = ""
    symbols: tuple[str, ...] = ()
    rules: dict[str, Any] = {}
    per_account: dict[str, dict[str, Any]] = {}
    dry_run: bool = False
    no_rails: bool = False
    enabled: bool = True


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    routes: dict[str, _Table]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an import does to one route.

    :ivar change: ``add``, ``change`` or ``same``
    :ivar fields: of a change, e.g. ``rules.size_value: 0.10 -> 0.20``
    """

    route: str
    change: str
    fields: tuple[str, ...] = ()


def to_toml(routes: Sequence[Route]) -> str:
    """The routes as a file; only what differs from the defaults is written."""
    tables = {route.name: _without_nulls(_written(route)) for route in routes}
    return _HEAD + tomli_w.dumps({"routes": tables})


def from_toml(text: str) -> tuple[Route, ...]:
    """The routes of a file, by name.

    :raises Malformed: BAD_CONFIG, naming the line or the route and field
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as e:
        raise Malformed("BAD_CONFIG", f"routes file: {e}", hint="see `kakehashi routes export`") from None
    return tuple(_route(name, table) for name, table in sorted(file.routes.items()))


def changes(before: Mapping[str, Route], after: Sequence[Route]) -> tuple[Change, ...]:
    """What writing ``after`` over ``before`` would do, route by route."""
    return tuple(_change(before.get(route.name), route) for route in after)


async def export_routes(store: Store, names: Sequence[str] = ()) -> tuple[Route, ...]:
    """The named routes, or all.

    :raises Rejected: NOT_FOUND
    """
    if names:
        return tuple([await desk.route(store, name) for name in names])
    return tuple((await _routes(store)).values())


async def import_routes(
    store: Store, routes: Sequence[Route], *, dry_run: bool, by: str, at: int
) -> tuple[Change, ...]:
    """Write what differs, all in one transaction; what was, or would be, changed.

    :param dry_run: check everything, write nothing
    :raises Rejected: NOT_FOUND: an account that a route names; VERSION_CONFLICT: somebody wrote one of them meanwhile.
        Nothing was written
    """
    for name in sorted({account for route in routes for account in route.accounts}):
        await desk.account(store, name)
    found = changes(await _routes(store), routes)
    wanted = {change.route for change in found if change.change != "same"}
    if wanted and not dry_run:
        rows = [await _next_version(store, route, by=by, at=at) for route in routes if route.name in wanted]
        await store.put_configs(rows)
    return found


async def _next_version(store: Store, route: Route, *, by: str, at: int) -> tuple[ConfigRow, AuditRow]:
    history = await store.config_history("route", route.name)
    version = max((row.version for row in history), default=0) + 1
    body = msgspec.json.encode(route)
    row = ConfigRow(kind="route", name=route.name, version=version, at=at, by=by, body=body)
    return row, AuditRow(at=at, actor=by, action="route put", subject=route.name, detail=body.decode())


async def _routes(store: Store) -> dict[str, Route]:
    return {row.name: msgspec.json.decode(row.body, type=Route) for row in await store.configs("route")}


def _route(name: str, table: _Table) -> Route:
    strangers = sorted(set(table.per_account) - set(table.accounts))
    if strangers or not table.accounts or not name:
        wrong = f"per_account names {', '.join(strangers)}, not of its accounts" if strangers else "no accounts"
        raise Malformed("BAD_CONFIG", f"routes.{name}: {wrong}", hint='accounts = ["NAME"]')
    try:
        rules = rules_from_toml(table.rules)
        per_account = {account: rules_from_toml(own) for account, own in table.per_account.items()}
    except Malformed as e:
        raise Malformed(e.code, f"routes.{name}: {e.message}", hint=e.hint, value=e.value) from None
    return Route(
        name=name,
        accounts=table.accounts,
        strategy=table.strategy,
        symbols=tuple(symbol.upper() for symbol in table.symbols),
        rules=rules,
        per_account=per_account,
        dry_run=table.dry_run,
        no_rails=table.no_rails,
        enabled=table.enabled,
    )


def _written(route: Route) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(route)
    return {name: value for name, value in fields.items() if name not in ("name", "version")}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {k: False if v is None and k in RAILS else _without_nulls(v) for k, v in value.items()}
        return {k: v for k, v in inner.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list | tuple) else value


def _change(old: Route | None, new: Route) -> Change:
    if old is None:
        return Change(route=new.name, change="add")
    was, becomes = dict(_flat(_written(old))), dict(_flat(_written(new)))
    fields = tuple(
        f"{name}: {was.get(name, 'default')} -> {becomes.get(name, 'default')}"
        for name in sorted(was.keys() | becomes.keys())
        if was.get(name, "default") != becomes.get(name, "default")
    )
    return Change(route=new.name, change="change" if fields else "same", fields=fields)


def _flat(fields: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{under}{name}.")
        else:
            shown = "off" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
            yield f"{under}{name}", shown
