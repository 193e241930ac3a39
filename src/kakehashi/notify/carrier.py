"""One target of notifications, and Apprise to reach it. Apprise's own words stay here, its secrets too.

Blocking: called from a thread of its own. Source: Apprise 2.x documentation (persistent attributes ``socket_*_timeout``).
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.incidentkinds import Severity
from kakehashi.telemetry import MASK, redact

SECRET_LENGTH: Final = 4
"""Shorter pieces of an address are not taken out of error texts: they are words such as ``com``."""
_KINDS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class Carrier:
    """Delivers texts to one Apprise URL."""

    def __init__(self, name: str, url: str, *, timeout_s: float) -> None:
        self.name = name
        self._url, self._timeout_s = url, timeout_s
        self._plugin: Any = None

    def carry(self, title: str, body: str, severity: Severity) -> None:
        """Hand one message over; it has been accepted when this returns.

        :raises Rejected: BAD_TARGET_URL
        :raises Unavailable: NOTICE_UNDELIVERED, with what the other side said; nothing of the address is in it
        """
        from apprise.exception import AppriseException  # noqa: PLC0415  slow to import, and only where there are targets

        with _heard() as said:
            try:
                done = self._instance(said).notify(
                    title=title, body=body, notify_type=_KINDS[severity], body_format="text"
                )
            except (AppriseException, OSError, TypeError, ValueError) as e:
                said.append(f"{type(e).__name__}: {e}")
                done = False
        if not done:
            raise Unavailable("NOTICE_UNDELIVERED", self._clean("; ".join(said[-2:]) or "no reason given"))

    def _instance(self, said: list[str]) -> Any:
        if self._plugin is None:
            from apprise import Apprise  # noqa: PLC0415

            plugin: Any = Apprise.instantiate(self._url)
            if plugin is None:
                why = self._clean("; ".join(said[-1:]) or "no such service")
                raise Rejected(
                    "BAD_TARGET_URL", f"target {self.name}: {why}", hint="apprise.readthedocs.io lists the URLs"
                )
            plugin.socket_connect_timeout = plugin.socket_read_timeout = self._timeout_s
            self._plugin = plugin
        return self._plugin

    def _clean(self, text: str) -> str:
        """Without any piece of the URL that could be a secret: in many services the path is one."""
        scheme, _, rest = self._url.partition("://")
        for piece in sorted(set(re.split(r"[/:@?&=,%]", rest)), key=len, reverse=True):
            if len(piece) >= SECRET_LENGTH and piece not in (scheme, "localhost"):
                text = text.replace(piece, MASK)
        return redact(text)[:300]


class _Ear(logging.Handler):
    """Collects what Apprise logs in this thread: its calls only say yes or no."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._said, self._thread = said, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and (record.levelno >= logging.WARNING or "xception" in text):
            self._said.append(" ".join(text.split()))


@contextmanager
def _heard() -> Iterator[list[str]]:
    logger = logging.getLogger("apprise")
    logger.propagate = False  # its lines hold addresses, and the caller says what matters
    logger.setLevel(logging.DEBUG)
    said: list[str] = []
    ear = _Ear(said)
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)
