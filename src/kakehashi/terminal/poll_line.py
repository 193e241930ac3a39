"""A connection to the hub by polling: ``POST /ea/v1/poll``, frames up in the body, frames down in the answer.

One request at a time, as an EA's WebRequest does it; a request that fails ends the connection, because nobody can say
which of its frames arrived. Source: PROTOCOL section 4.
"""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

import httpx
import msgspec

from kakehashi.domain.framecodec import MAX_FRAME

MOST_WAIT_MS: Final = 750
"""WebRequest holds the EA's only thread: a hub may take no longer than this to answer."""
_ANSWER_S: Final = 5.0
_AT_ONCE: Final = 3 * MAX_FRAME
"""Bytes of one body: what the hub reads is bounded."""
_PAUSE_S: Final = 0.1
"""Between polls that brought nothing, where the hub does not hold them."""
_MOMENT_S: Final = 0.01
"""What is said to what came goes up with the next request, if it is said within this."""
_LIVELY_S: Final = 0.5
_SHORT_MS: Final = 50
"""For a while after something came the hub holds no poll for long: a result would have to wait behind it."""

_log = logging.getLogger(__name__)


class PollLine:
    """One connection; ``session`` names it among the requests.

    :param session: a random id, never used before
    :param wait_ms: how long the hub may hold a request that it has no answer to
    """

    def __init__(
        self, http: httpx.AsyncClient, base_url: str, token: str, *, session: str, wait_ms: int = MOST_WAIT_MS
    ) -> None:
        self._http, self._url = http, f"{base_url}/ea/v1/poll"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._session, self._wait_ms = session, min(wait_ms, MOST_WAIT_MS)
        self._up: deque[bytes] = deque()
        self._down: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._more = asyncio.Event()
        self._closing = False
        self._poller = asyncio.create_task(self._poll())

    async def receive(self) -> bytes | None:
        return await self._down.get()

    def send(self, frame: bytes) -> None:
        if not self._closing:
            self._up.append(frame)
            self._more.set()

    @property
    def backlog(self) -> int:
        return sum(map(len, self._up))

    async def close(self, code: int, reason: str) -> None:
        """What is left is sent with one last request."""
        if self._closing:
            return
        self._closing = True
        self._more.set()
        try:
            await self._poller
        finally:
            self._poller.cancel()

    async def _poll(self) -> None:
        try:
            await self._more.wait()  # the first request brings HELLO
            now = asyncio.get_running_loop().time
            lively_until = now()
            while not self._closing or self._up:
                if await self._ask(_SHORT_MS if now() < lively_until else self._wait_ms):
                    lively_until = now() + _LIVELY_S
                    await asyncio.sleep(_MOMENT_S)
                elif not self._up and not self._closing:
                    await self._breathe()
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            _log.warning("poll of %s: %s", self._url, e)
        finally:
            self._down.put_nowait(None)

    async def _ask(self, wait_ms: int) -> bool:
        """One request; whether it brought anything."""
        body = b"[" + b",".join(self._batch()) + b"]"
        wait_ms = 0 if self._closing else min(wait_ms, self._wait_ms)
        answer = await self._http.post(
            self._url,
            params={"wait_ms": wait_ms, "session": self._session},
            content=body,
            headers=self._headers,
            timeout=wait_ms / 1000 + _ANSWER_S,
        )
        answer.raise_for_status()
        try:
            frames: list[bytes] = [bytes(raw) for raw in msgspec.json.decode(answer.content, type=list[msgspec.Raw])]
        except msgspec.DecodeError:
            frames = [answer.content]  # no array: whoever reads frames will say what is wrong with it
        for frame in frames:
            self._down.put_nowait(frame)
        return bool(frames)

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._up and (not batch or size + len(self._up[0]) <= _AT_ONCE):
            batch.append(self._up.popleft())
            size += len(batch[-1]) + 1
        return batch

    async def _breathe(self) -> None:
        self._more.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE_S):
                await self._more.wait()
