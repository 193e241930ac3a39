"""``GET /api/v1/knocks``: what knocks at the webhook door, as it comes."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from kakehashi.api import lines
from kakehashi.api.rest import Ok, done
from kakehashi.services.hub import Hub
from kakehashi.services.knocks import KEPT, Knocks, rendered

LONGEST_WAIT_S: Final = 1
"""A hub that stops answers its open requests first: no watcher may hold up a restart longer than this."""


class KnockPage(BaseModel):
    """Which knocks."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, le=10**15, description="Those after this number.")] = 0
    wait: Annotated[int, Field(ge=0, le=60, description="Seconds to wait for the next; at most one is waited.")] = 0
    limit: Annotated[int, Field(ge=0, le=KEPT, description="The newest so many.")] = KEPT


def watch(router: APIRouter, hub: Hub) -> None:
    """Watch the hub's door from now on."""
    seen = Knocks(hub.clock)
    hub.ingest.observe = seen.add

    @router.get("/knocks", response_model=Ok[lines.KnockNews])
    async def knocks(page: Annotated[KnockPage, Query()]) -> Response:
        """What came to the webhook door, refused requests too; secrets are masked."""
        news = await seen.after(page.after, wait_s=min(page.wait, LONGEST_WAIT_S), limit=page.limit)
        known = tuple(hub.trader.engine.routes.values())
        # about a millisecond each, which the loop that takes alerts must not wait for
        shown = await asyncio.to_thread(lambda: [rendered(one, known) for one in news.knocks])
        return done({"newest": news.newest, "missed": news.missed, "knocks": shown})
