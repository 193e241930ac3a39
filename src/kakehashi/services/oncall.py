"""What people do about incidents, the same for CLI and REST: look, acknowledge, close, plan a stop, read the figures."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.incidentkinds import kind_of
from kakehashi.domain.incidents import Incident, Standing
from kakehashi.domain.markethours import MarketHours, market_hours
from kakehashi.domain.messages import IncidentAcked, IncidentClosed, MaintenanceSet
from kakehashi.domain.reliability import TARGETS, Month, Reliability, counted, figures, month_of
from kakehashi.domain.values import Account, Millis
from kakehashi.ports import Store
from kakehashi.services import desk
from kakehashi.services.watch import ALIVE, Alive

STATES_READ = 1_000_000


async def incidents(
    store: Store, *, account: str = "", open_only: bool = False, limit: int = 100, lang: str = "en"
) -> list[dict[str, Any]]:
    """Newest first; ``message`` and ``actions`` in the language asked for."""
    where: dict[str, Any] = {"account": account} if account else {}
    if open_only:
        where["state"] = (Standing.OPEN.value, Standing.ACKED.value)
    rows = await store.rows("incidents", where=where, limit=limit)
    return [incident_line(msgspec.json.decode(row["body"], type=Incident), lang) for row in rows]


def incident_line(incident: Incident, lang: str = "en") -> dict[str, Any]:
    """One line of ``incidents list``."""
    kind = kind_of(incident.code)
    fields: dict[str, Any] = msgspec.to_builtins(incident)
    more = {"message": kind.text(lang), "actions": list(kind.actions(lang)), "runbook": f"runbook/{incident.code}.md"}
    return fields | more


async def tend(store: Store, incident_id: str, *, do: str, by: str, at: Millis, false: bool = False) -> dict[str, Any]:
    """Ask the owner to acknowledge or close an incident.

    :param do: ``ack`` or ``close``; ``false``: it never was one, which counts against the false-alert figure
    :raises Rejected: NOT_FOUND, INCIDENT_OVER
    """
    rows = await store.rows("incidents", where={"id": incident_id}, limit=1)
    if not rows:
        raise Rejected("NOT_FOUND", f"no incident {incident_id!r}", hint="kakehashi incidents list")
    if rows[0]["state"] == Standing.CLEARED.value:
        raise Rejected("INCIDENT_OVER", f"{incident_id} is cleared already", hint="kakehashi incidents list")
    wish: IncidentAcked | IncidentClosed = IncidentAcked(at=at, incident=incident_id, by=by)
    if do == "close":
        wish = IncidentClosed(at=at, incident=incident_id, by=by, false=false)
    await store.post(desk.OWNER, at, msgspec.json.encode(wish))
    return {"id": incident_id, "asked": do}


async def maintain(
    store: Store, account: str, *, on: bool, by: str, at: Millis, for_ms: int | None = None
) -> dict[str, Any]:
    """Begin or end a planned stop of an account: during it its silence is no outage.

    :param for_ms: it ends by itself after so long; None: somebody has to end it
    :raises Rejected: NOT_FOUND
    """
    await desk.account(store, account)
    until = at + for_ms if on and for_ms is not None else None
    wish = MaintenanceSet(at=at, account=account, on=on, by=by, until=until)
    await store.post(desk.OWNER, at, msgspec.json.encode(wish))
    return {"account": account, "maintenance": on, "until": until}


async def reliability(store: Store, *, at: Millis, hours: MarketHours, month: str = "") -> dict[str, Any]:
    """S1.6's figures of one month, measured against S1's targets: each account, and all together.

    What is counted ends where the hub last said that it lives. Downtime of all together is that of the worst account.

    :param month: ``2026-11``; empty is the present one
    :raises Malformed: BAD_PARAMETER
    """
    month = month or month_of(at)
    if len(month) != 7 or month[4] != "-" or not (month[:4] + month[5:]).isdecimal():
        raise Malformed("BAD_PARAMETER", f"a month reads 2026-11, got {month[:20]!r}", value=month)
    own = {a.name: market_hours(a.market_hours) for a in await _accounts(store) if a.market_hours}
    kept, alive = await _kept(store, at)
    by_account: dict[str, Month] = {}
    for one in kept:
        until = counted(one, at=max(alive, one.at), hours=own.get(one.account, hours))
        by_account[one.account] = until.months.get(month, Month())
    lines = [{"account": name, **figures([m])} for name, m in sorted(by_account.items()) if name]
    total = figures(by_account.values())
    total["downtime_s"] = max((line["downtime_s"] for line in lines if line["downtime_s"] is not None), default=None)
    return {
        "month": month,
        "counted_until": alive,
        "all": total | {"met": _met(total)},
        "accounts": [line | {"met": _met(line)} for line in lines],
        "targets": {name: target.limit for name, target in TARGETS.items()},
    }


def _met(found: Mapping[str, Any]) -> dict[str, bool | None]:
    return {name: target.met(found[name]) for name, target in TARGETS.items()}


async def _accounts(store: Store) -> list[Account]:
    return [msgspec.json.decode(row.body, type=Account) for row in await store.configs("account")]


async def _kept(store: Store, at: Millis) -> tuple[list[Reliability], Millis]:
    rows = await store.rows("states", limit=STATES_READ)
    kept = [msgspec.json.decode(row["body"], type=Reliability) for row in rows if row["key"].startswith("reliability|")]
    alive = next((msgspec.json.decode(row["body"], type=Alive).at for row in rows if row["key"] == ALIVE), at)
    return kept, alive
