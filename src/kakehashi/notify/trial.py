"""A test message to each target, at once and without the outbox: does the address work?"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.domain.incidentkinds import Severity
from kakehashi.notify.carrier import Carrier
from kakehashi.notify.postman import in_thread

_TEXT: Final = {
    "en": ("[TEST] kakehashi", "This is a test. Incidents will reach you here."),
    "ja": ("[TEST] kakehashi", "これはテストです。インシデントはここに届きます。"),
}


def carriers(targets: Mapping[str, str], *, timeout_s: float) -> dict[str, Carrier]:
    """One for each target; an address that Apprise does not know is found at the first message."""
    return {name: Carrier(name, url, timeout_s=timeout_s) for name, url in targets.items()}


async def trial(targets: Mapping[str, str], *, timeout_s: float, lang: str, only: str = "") -> list[dict[str, Any]]:
    """Send the test to all targets, or to one; which took it, and why not.

    :raises Rejected: NOT_FOUND: there is no such target, or none at all
    """
    chosen = {name: url for name, url in targets.items() if only in ("", name)}
    if not chosen:
        known = ", ".join(targets) or "none"
        hint = "set KAKEHASHI_NOTIFY__TARGETS or notify.targets_file"
        raise Rejected("NOT_FOUND", f"no notification target {only!r}; configured: {known}", hint=hint)
    title, body = _TEXT[lang]

    async def one(carrier: Carrier) -> dict[str, Any]:
        try:
            async with asyncio.timeout(2 * timeout_s + 5):
                await in_thread(lambda: carrier.carry(title, body, Severity.INFO), name=carrier.name)
        except TimeoutError:
            return {"target": carrier.name, "sent": False, "error": "no answer in time"}
        except KakehashiError as e:
            return {"target": carrier.name, "sent": False, "error": e.message}
        return {"target": carrier.name, "sent": True, "error": ""}

    return list(await asyncio.gather(*map(one, carriers(chosen, timeout_s=timeout_s).values())))
