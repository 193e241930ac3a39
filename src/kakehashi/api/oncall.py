"""``/api/v1/incidents|reliability|notify|maintenance``: what is wrong, and what people do about it."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from kakehashi.api import wishes
from kakehashi.api.doors import REST
from kakehashi.api.operator import REFUSALS
from kakehashi.api.rest import Door, Ok, done
from kakehashi.api.wishes import PathId, PathName
from kakehashi.domain.markethours import market_hours
from kakehashi.notify.trial import trial
from kakehashi.services import oncall
from kakehashi.services.hub import Hub

if TYPE_CHECKING:
    from kakehashi.config import Settings


class IncidentLine(BaseModel):
    """One thing that is or was wrong. ``message`` and ``actions`` in the language asked for; times in ms UTC."""

    id: str
    code: str
    severity: str
    account: str
    subject: str
    state: str
    opened_at: int
    last_at: int
    count: int
    acked_at: int | None
    acked_by: str
    cleared_at: int | None
    cleared_by: str
    false: bool
    text: str
    values: dict[str, Any]
    told: int
    told_at: int | None
    reopened_at: int | None
    message: str
    actions: list[str]
    runbook: str


class Tended(BaseModel):
    """The owner was asked; the incident's next state shows what it did."""

    id: str
    asked: str


class Maintained(BaseModel):
    account: str
    maintenance: bool
    until: int | None


class Told(BaseModel):
    """Whether one target took the test message, and why not."""

    target: str
    sent: bool
    error: str


class Figures(BaseModel):
    """Measured figures; null is "not measured". ``met``: against the targets."""

    account: str | None = None
    consistency_percent: float | None
    recoveries: int
    mean_recovery_s: float | None
    p99_recovery_s: float | None
    slowest_recovery_s: float | None
    alerts: int
    false_alerts: int
    false_alerts_percent: float | None
    downtime_s: float | None
    watched_s: float
    mismatches: int
    met: dict[str, bool | None]


class ReliabilityReport(BaseModel):
    """One month. Downtime of ``all`` is that of the worst account."""

    month: str
    counted_until: int
    all: Figures
    accounts: list[Figures]
    targets: dict[str, float]


class IncidentPage(wishes.AccountPage):
    open: Annotated[bool, Field(description="Only what is not over.")] = False
    lang: Annotated[str, Field(pattern="^(en|ja)$", description="en or ja")] = "en"


class MonthPage(BaseModel):
    month: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2})?$", description="2026-11; empty is the present.")] = ""


class CloseWish(wishes.Wish):
    """``false``: it never was one."""

    false: bool = False


class MaintenanceWish(wishes.Wish):
    """``for_s``: ends by itself after so many seconds."""

    on: bool
    for_s: wishes.Seconds | None = None


class TrialWish(wishes.Wish):
    target: wishes.Text = ""


def routes(hub: Hub, settings: "Settings") -> list[BaseRoute]:
    """All of them; :mod:`kakehashi.api.doors` says who may."""
    router = APIRouter(prefix=REST, route_class=Door, responses=REFUSALS)
    _incidents(router, hub)

    @router.get("/reliability", response_model=Ok[ReliabilityReport])
    async def reliability(page: Annotated[MonthPage, Query()]) -> Response:
        """Measured reliability of one month against the targets."""
        hours = market_hours(settings.incidents.market_hours)
        return done(await oncall.reliability(hub.store, at=hub.clock.now_ms(), hours=hours, month=page.month))

    @router.post("/notify/test", response_model=Ok[list[Told]])
    async def test(wish: TrialWish | None = None) -> Response:
        """Send a test message to every target, or to one."""
        notify = settings.notify
        only = wish.target if wish else ""
        targets = notify.resolved_targets()
        return done(await trial(targets, timeout_s=notify.timeout_s, lang=notify.language, only=only))

    @router.post("/accounts/{name}/maintenance", response_model=Ok[Maintained])
    async def maintenance(request: Request, name: PathName, wish: MaintenanceWish) -> Response:
        """Begin or end a planned stop: during it the account's silence is no outage."""
        for_ms = None if wish.for_s is None else wish.for_s * 1000
        at, by = hub.clock.now_ms(), _by(request)
        return done(await oncall.maintain(hub.store, name, on=wish.on, by=by, at=at, for_ms=for_ms))

    return router.routes


def _incidents(router: APIRouter, hub: Hub) -> None:
    @router.get("/incidents", response_model=Ok[list[IncidentLine]])
    async def listed(page: Annotated[IncidentPage, Query()]) -> Response:
        """Newest first."""
        found = await oncall.incidents(
            hub.store, account=page.account, open_only=page.open, limit=page.limit, lang=page.lang
        )
        return done(found)

    @router.post("/incidents/{id}/ack", response_model=Ok[Tended])
    async def ack(request: Request, id: PathId) -> Response:  # noqa: A002 the path's own name
        """Somebody has seen it: it is not told again."""
        return done(await oncall.tend(hub.store, id, do="ack", by=_by(request), at=hub.clock.now_ms()))

    @router.post("/incidents/{id}/close", response_model=Ok[Tended])
    async def close(request: Request, id: PathId, wish: CloseWish | None = None) -> Response:  # noqa: A002
        """It is over, or (``false``) it never was one."""
        false = wish is not None and wish.false
        return done(await oncall.tend(hub.store, id, do="close", false=false, by=_by(request), at=hub.clock.now_ms()))


def _by(request: Request) -> str:
    return f"token {request.state.token.id}"
