"""An emulator of TradingView's webhook sender, with its habits: a test kit, and the demo's hand.

Habits (facts, section 1): cancelled after 3 s; sent again only on 500-599 except 504, after 5 s, at most 3 times; JSON when
the message is valid JSON, else text/plain, and a trailing newline makes even JSON text/plain.
"""

import asyncio
import json
import time

import httpx
import msgspec

TIMEOUT_S = 3.0
RESEND_AFTER_S = 5.0
RESENDS = 3


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert, from the sender's side.

    :ivar status: the last HTTP status, or 0 where nobody answered
    :ivar sent_at: ms UTC of the first attempt
    :ivar took_ms: of the last attempt
    """

    body: str
    status: int
    answer: dict[str, object]
    attempts: int
    sent_at: int
    took_ms: float


def content_type(message: str) -> str:
    """What TradingView would declare."""
    try:
        json.loads(message)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "text/plain; charset=utf-8" if message.endswith("\n") else "application/json; charset=utf-8"


async def deliver(http: httpx.AsyncClient, url: str, message: str, *, speed: float = 1.0) -> Delivery:
    """Send one alert as TradingView does.

    :param speed: the resend pause is divided by it
    """
    sent_at = time.time_ns() // 1_000_000
    status, answer, took, attempt = 0, {}, 0.0, 0
    for attempt in range(1, RESENDS + 2):
        began = time.perf_counter()
        try:
            response = await http.post(
                url, content=message.encode(), headers={"content-type": content_type(message)}, timeout=TIMEOUT_S
            )
            status, answer = response.status_code, _json(response)
        except httpx.HTTPError:
            # A connection that fails or times out is not sent again.
            status, answer = 0, {}
        took = (time.perf_counter() - began) * 1000
        if not 500 <= status <= 599 or status == 504 or attempt > RESENDS:
            break
        await asyncio.sleep(RESEND_AFTER_S / speed)
    return Delivery(body=message, status=status, answer=answer, attempts=attempt, sent_at=sent_at, took_ms=took)


def _json(response: httpx.Response) -> dict[str, object]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
