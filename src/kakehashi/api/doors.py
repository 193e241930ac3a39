"""Who may use which door: the one table (SECURITY, "token"). A route that is not in it is refused to everybody.

The scope ``""`` is a caller without a token.
"""

from collections.abc import Mapping
from typing import Final

from kakehashi.services.access import SCOPES

Scopes = frozenset[str]

ANYONE: Final[Scopes] = frozenset({"", *SCOPES})
WEBHOOK: Final[Scopes] = frozenset({"webhook"})
EA: Final[Scopes] = frozenset({"ea"})
METRICS: Final[Scopes] = frozenset({"metrics", "admin"})
READ: Final[Scopes] = frozenset({"read", "operator", "admin"})
OPERATE: Final[Scopes] = frozenset({"operator"})
"""What may lead to an order: an admin configures, but does not trade."""
ADMIN: Final[Scopes] = frozenset({"admin"})
STOP: Final[Scopes] = OPERATE | ADMIN
"""Stopping is for everyone who is responsible; letting go on is for an admin."""
TEND: Final[Scopes] = OPERATE | ADMIN
"""Whoever is on call; nothing of it can lead to an order."""

SESSION: Final[Scopes] = frozenset({"session"})
SEE_SESSIONS: Final[Scopes] = SESSION | READ
"""A session token sees what it created; the others see all, and can do nothing with it."""

REST: Final = "/api/v1"
V5: Final = "/v5"

DOORS: Final[Mapping[str, Scopes]] = {
    "GET /health": ANYONE,
    "GET /livez": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": METRICS,
    "POST /webhook": WEBHOOK,
    "POST /webhook/{token}": WEBHOOK,
    "POST /webhook/tradingview": WEBHOOK,
    "POST /webhook/tradingview/{token}": WEBHOOK,
    "GET /api/poll": EA,
    "POST /api/ack": EA,
    "POST /api/report": EA,
    "POST /ea/v1/poll": EA,
    f"GET {REST}/openapi.json": READ,
    f"GET {REST}/knocks": READ,
    f"GET {REST}/signals": READ,
    f"GET {REST}/orders": READ,
    f"GET {REST}/fills": READ,
    f"GET {REST}/positions": READ,
    f"GET {REST}/dlq": READ,
    f"GET {REST}/kills": READ,
    f"GET {REST}/trace/{{id}}": READ,
    f"POST {REST}/dlq/{{id}}/retry": OPERATE,
    f"POST {REST}/dlq/{{id}}/discard": OPERATE,
    f"POST {REST}/kill/on": STOP,
    f"POST {REST}/kill/off": ADMIN,
    f"GET {REST}/accounts": READ,
    f"GET {REST}/accounts/{{name}}/check": READ,
    f"POST {REST}/accounts/{{name}}/arm": ADMIN,
    f"POST {REST}/accounts/{{name}}/disarm": ADMIN,
    f"POST {REST}/accounts/{{name}}/enable": ADMIN,
    f"POST {REST}/accounts/{{name}}/disable": ADMIN,
    f"POST {REST}/accounts/{{name}}/resync": OPERATE,
    f"POST {REST}/accounts/{{name}}/confirm": ADMIN,
    f"GET {REST}/routes": READ,
    f"GET {REST}/routes/{{name}}": READ,
    f"PUT {REST}/routes/{{name}}": ADMIN,
    f"DELETE {REST}/routes/{{name}}": ADMIN,
    f"POST {REST}/routes/{{name}}/enable": ADMIN,
    f"POST {REST}/routes/{{name}}/disable": ADMIN,
    f"GET {REST}/tokens": ADMIN,
    f"POST {REST}/tokens": ADMIN,
    f"POST {REST}/tokens/{{id}}/revoke": ADMIN,
    f"GET {REST}/incidents": READ,
    f"POST {REST}/incidents/{{id}}/ack": TEND,
    f"POST {REST}/incidents/{{id}}/close": TEND,
    f"POST {REST}/accounts/{{name}}/maintenance": TEND,
    f"GET {REST}/reliability": READ,
    f"POST {REST}/notify/test": ADMIN,
    f"GET {V5}/openapi.json": SEE_SESSIONS,
    f"GET {V5}/retcodes": SEE_SESSIONS,
    f"POST {V5}/session/create": SESSION,
    f"GET {V5}/session/list": SEE_SESSIONS,
    f"GET {V5}/session/{{session_id}}": SEE_SESSIONS,
    f"DELETE {V5}/session/{{session_id}}": SESSION,
    f"POST {V5}/session/{{session_id}}/command": SESSION,
    f"POST {V5}/session/{{session_id}}/commands": SESSION,
    f"GET {V5}/session/{{session_id}}/command/{{command_id}}": SESSION,
    f"DELETE {V5}/session/{{session_id}}/command/{{command_id}}": SESSION,
    f"GET {V5}/ws/{{session_id}}": SESSION,
}


def scopes_of(method: str, path: str) -> Scopes:
    """Who may; nobody where the table does not know the route.

    :param path: as the route was declared, e.g. ``/api/v1/trace/{id}``
    """
    return DOORS.get(f"{'GET' if method == 'HEAD' else method} {path}", frozenset())
