"""``/api/v1/...``: what an operator sees and does over HTTP. The CLI does the same on the store."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from kakehashi.api import inspect, lines, wishes
from kakehashi.api.doors import REST
from kakehashi.api.http import json_response
from kakehashi.api.rest import Door, Failed, Ok, done
from kakehashi.api.wishes import PathId, PathName
from kakehashi.domain.errors import Malformed
from kakehashi.domain.rules import Route, rules_from_toml
from kakehashi.domain.values import Account
from kakehashi.services import desk, eachecks
from kakehashi.services.hub import Hub

REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": Failed, "description": "Refused; nothing was changed."},
    "503": {"model": Failed, "description": "The store is away; nothing was changed. Try again."},
}
OF_AN_ACCOUNT: Final[dict[str, type[BaseModel]]] = {
    "orders": lines.OrderLine,
    "dlq": lines.OrderLine,
    "fills": lines.FillLine,
    "positions": lines.PositionLine,
}
OF_THE_HUB: Final[dict[str, type[BaseModel]]] = {
    "signals": lines.SignalLine,
    "accounts": lines.AccountStanding,
    "routes": lines.RouteLine,
    "kills": lines.KillLine,
    "tokens": lines.TokenLine,
}


def routes(hub: Hub, *, ttl: desk.Ttl) -> list[BaseRoute]:
    """All of them; :mod:`kakehashi.api.doors` says who may.

    :param ttl: what a dead letter gets whose retry is forced
    """
    router = APIRouter(prefix=REST, route_class=Door, responses=REFUSALS)
    inspect.watch(router, hub)
    _lists(router, hub)
    _orders(router, hub, ttl)
    _accounts(router, hub)
    _routes(router, hub)
    _tokens(router, hub)

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return json_response(request.app.openapi())

    return router.routes


def _by(request: Request) -> str:
    """Whom the audit row names."""
    return f"token {request.state.token.id}"


def _lists(router: APIRouter, hub: Hub) -> None:
    def of_the_hub(what: str) -> Any:
        async def listed(page: Annotated[wishes.Page, Query()]) -> Response:
            return done(await desk.listing(hub.store, what, at=hub.clock.now_ms(), limit=page.limit))

        return listed

    def of_an_account(what: str) -> Any:
        async def listed(page: Annotated[wishes.AccountPage, Query()]) -> Response:
            return done(
                await desk.listing(hub.store, what, at=hub.clock.now_ms(), account=page.account, limit=page.limit)
            )

        return listed

    for makes, models in ((of_the_hub, OF_THE_HUB), (of_an_account, OF_AN_ACCOUNT)):
        for what, line in models.items():
            answer = Ok[list[line]]  # type: ignore[valid-type]  # made from a table
            router.add_api_route(f"/{what}", makes(what), response_model=answer, name=f"list {what}")


def _orders(router: APIRouter, hub: Hub, ttl: desk.Ttl) -> None:
    @router.get("/trace/{id}", response_model=Ok[lines.TraceStory])
    async def trace(id: PathId) -> Response:  # noqa: A002 the path's own name
        """By the id of a signal, trace or order, or a venue's ticket."""
        return done(await desk.trace(hub.store, id))

    async def ask(request: Request, order: str, do: str, *, force: bool) -> Response:
        by, at = _by(request), hub.clock.now_ms()
        return done(await desk.dead_letter(hub.store, order, do=do, force=force, by=by, at=at, ttl=ttl))

    @router.post("/dlq/{id}/retry", response_model=Ok[lines.Asked])
    async def retry(request: Request, id: PathId, wish: wishes.RetryWish | None = None) -> Response:  # noqa: A002
        """Offer a dead letter again. Look at the account first: it may have been executed."""
        return await ask(request, id, "retry", force=wish is not None and wish.force)

    @router.post("/dlq/{id}/discard", response_model=Ok[lines.Asked])
    async def discard(request: Request, id: PathId) -> Response:  # noqa: A002
        """Give a dead letter up."""
        return await ask(request, id, "discard", force=False)

    async def switch(request: Request, wish: wishes.KillWish | None, *, on: bool) -> Response:
        scope = _kill_scope(wish or wishes.KillWish())
        return done(await desk.kill(hub.store, on=on, scope=scope, by=_by(request), at=hub.clock.now_ms()))

    @router.post("/kill/on", response_model=Ok[lines.Killed])
    async def kill_on(request: Request, wish: wishes.KillWish | None = None) -> Response:
        """Stop entries and cancel queued ones; closing goes on."""
        return await switch(request, wish, on=True)

    @router.post("/kill/off", response_model=Ok[lines.Killed])
    async def kill_off(request: Request, wish: wishes.KillWish | None = None) -> Response:
        """Let entries through again."""
        return await switch(request, wish, on=False)


def _kill_scope(wish: wishes.KillWish) -> str:
    if wish.account and wish.user:
        raise Malformed("CONFLICTING_FIELDS", "account and user are both given", hint="one switch at a time")
    return wish.account or (f"user:{wish.user}" if wish.user else "*")


def _accounts(router: APIRouter, hub: Hub) -> None:
    async def change(request: Request, name: str, **what: bool) -> Response:
        changed = await desk.change_account(hub.store, name, by=_by(request), at=hub.clock.now_ms(), **what)
        return done(_shown(changed))

    @router.get("/accounts/{name}/check", response_model=Ok[list[lines.FindingLine]])
    async def check(name: PathName, page: Annotated[wishes.Texts, Query()]) -> Response:
        """What is wrong with the account's EA, and what to do about it; an empty list where nothing is known to be."""
        return done(await eachecks.findings(hub.store, name, at=hub.clock.now_ms(), lang=page.lang))

    @router.post("/accounts/{name}/arm", response_model=Ok[lines.AccountLine])
    async def arm(request: Request, name: PathName) -> Response:
        """Let a REAL account trade. Check routes and limits first."""
        return await change(request, name, armed=True)

    @router.post("/accounts/{name}/disarm", response_model=Ok[lines.AccountLine])
    async def disarm(request: Request, name: PathName) -> Response:
        """Stop a REAL account from being traded at all."""
        return await change(request, name, armed=False)

    @router.post("/accounts/{name}/enable", response_model=Ok[lines.AccountLine])
    async def enable(request: Request, name: PathName) -> Response:
        """Trade an account again."""
        return await change(request, name, enabled=True)

    async def ask(request: Request, name: str, wish: str) -> Response:
        return done(await desk.ask_link(hub.store, name, ask=wish, by=_by(request), at=hub.clock.now_ms()))

    @router.post("/accounts/{name}/resync", response_model=Ok[lines.LinkAsked])
    async def resync(request: Request, name: PathName) -> Response:
        """Have the EA send a whole snapshot now."""
        return await ask(request, name, "resync")

    @router.post("/accounts/{name}/confirm", response_model=Ok[lines.LinkAsked])
    async def confirm(request: Request, name: PathName) -> Response:
        """Let an account trade again whose EA knew more than the hub. Compare with the terminal first."""
        return await ask(request, name, "confirm")

    @router.post("/accounts/{name}/disable", response_model=Ok[lines.AccountLine])
    async def disable(request: Request, name: PathName) -> Response:
        """Trade nothing on an account, closing included."""
        return await change(request, name, enabled=False)


def _routes(router: APIRouter, hub: Hub) -> None:
    @router.get("/routes/{name}", response_model=Ok[lines.RouteStory])
    async def story(name: PathName) -> Response:
        """A route and every version of it."""
        row = await desk.current(hub.store, "route", name)
        history = await desk.route_history(hub.store, name)
        return done({"route": desk.config_line(row) if row is not None else None, "history": history})

    @router.put("/routes/{name}", response_model=Ok[lines.RouteLine])
    async def put(request: Request, name: PathName, wish: wishes.RouteWish) -> Response:
        """Write a route's next version, whole; the hub takes it up within half a second."""
        at, after = hub.clock.now_ms(), wish.after_version
        await desk.put_route(hub.store, _route(name, wish), by=_by(request), at=at, after=after)
        return await shown(name)

    @router.delete("/routes/{name}", response_model=Ok[lines.Removed])
    async def remove(request: Request, name: PathName) -> Response:
        """Its history stays."""
        await desk.remove_route(hub.store, name, by=_by(request), at=hub.clock.now_ms())
        return done({"name": name, "removed": True})

    @router.post("/routes/{name}/enable", response_model=Ok[lines.RouteLine])
    async def enable(request: Request, name: PathName) -> Response:
        """Let a paused route open again."""
        await desk.switch_route(hub.store, name, enabled=True, by=_by(request), at=hub.clock.now_ms())
        return await shown(name)

    @router.post("/routes/{name}/disable", response_model=Ok[lines.RouteLine])
    async def disable(request: Request, name: PathName) -> Response:
        """Pause a route: it opens nothing, but still closes."""
        await desk.switch_route(hub.store, name, enabled=False, by=_by(request), at=hub.clock.now_ms())
        return await shown(name)

    async def shown(name: str) -> Response:
        row = await desk.current(hub.store, "route", name)
        return done(desk.config_line(row) if row is not None else None)


def _tokens(router: APIRouter, hub: Hub) -> None:
    @router.post("/tokens", response_model=Ok[lines.TokenShown])
    async def create(request: Request, wish: wishes.TokenWish) -> Response:
        """Make a token. It is shown once."""
        new = await desk.issue_token(
            hub.store,
            wish.scope,
            by=_by(request),
            at=hub.clock.now_ms(),
            name=wish.name,
            route=wish.route,
            account_name=wish.account,
            days=wish.days,
        )
        row = new.row
        return done({"id": row.id, "scope": row.scope, "token": new.secret, "expires_at": row.expires_at})

    @router.post("/tokens/{id}/revoke", response_model=Ok[lines.Revoked])
    async def revoke(request: Request, id: PathId) -> Response:  # noqa: A002
        """It is refused within half a second."""
        await desk.revoke_token(hub.store, id, by=_by(request), at=hub.clock.now_ms())
        return done({"id": id, "revoked": True})


def _shown(account: Account) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(account)
    return shown


def _route(name: str, wish: wishes.RouteWish) -> Route:
    return Route(
        name=name,
        accounts=tuple(wish.accounts),
        strategy=wish.strategy,
        symbols=tuple(s.upper() for s in wish.symbols),
        rules=rules_from_toml(wish.rules.table()),
        per_account={account: rules_from_toml(rules.table()) for account, rules in wish.per_account.items()},
        dry_run=wish.dry_run,
        no_rails=wish.no_rails,
        enabled=wish.enabled,
    )
