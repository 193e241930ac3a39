"""``POST /ea/v1/poll``: the EA link where a WebSocket cannot be had. The same machine, the same lease.

The body is a JSON array of frames up, the answer one of frames down. ``session`` is a random word that the client
chooses for each of its connections; the first request of one begins with HELLO.
"""

import asyncio
import contextlib
from typing import Final

import msgspec
from starlette.routing import Route

from kakehashi.api.hot import Call, HotDoor, Said
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.domain.framecodec import from_ea
from kakehashi.domain.frames import Hello
from kakehashi.services.hub import Hub
from kakehashi.services.ingest import refusal

MAX_BODY: Final = 262_144
MAX_WAIT_MS: Final = 1000
"""WebRequest blocks the EA's only thread."""
MAX_FRAMES: Final = 1000
MAX_SESSIONS: Final = 5_000
MAX_UNSENT: Final = 256 * 1024
TAKEN_WITHIN_S: Final = 2.0
_frames: Final = msgspec.json.Decoder(list[msgspec.Raw])


class PollLine:
    """What has to be said at the next poll. :ivar conn: the gateway's name; ``used`` when it polled last"""

    def __init__(self, used: float) -> None:
        self.conn, self.used = "", used
        self.closed = False
        self._frames: list[bytes] = []
        self._size = 0
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._taken.set()

    def send(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._size += len(frame)
        self._news.set()
        if self._size > MAX_UNSENT:
            self.closed = True

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 an answer has no close code: REFUSE is in it
        self.closed = True
        self._news.set()

    def pause(self, on: bool) -> None:
        """A poll brings a bounded number of frames, and the next one comes when they are answered."""

    def idle(self) -> None:
        self._taken.set()

    def busy(self) -> None:
        """Frames are on their way up."""
        self._taken.clear()

    async def answer(self, wait_s: float) -> bytes:
        """The frames for this poll: at once where there are some after what it brought was taken, else for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_WITHIN_S):
                await self._taken.wait()
            if not self._frames and not self.closed:
                self._news.clear()
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
        told, self._frames, self._size = self._frames, [], 0
        return b"[%b]" % b",".join(told)


class PollDoor:
    """The sessions of EAs that poll."""

    def __init__(self, hub: Hub, *, dead_s: float) -> None:
        self._hub, self._dead_s = hub, dead_s
        self._sessions: dict[tuple[str, str], PollLine] = {}

    async def poll(self, call: Call) -> bytes:
        """One request.

        :raises KakehashiError: UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, BAD_PARAMETER, BAD_JSON, NO_SESSION
        """
        hub, query = self._hub, call.query
        body = await call.body(limit=MAX_BODY)
        if not hub.reception.may_knock(hub.peers.client(call.peer, call.header(b"x-forwarded-for"))):
            raise Rejected("FORBIDDEN", "this address may not poll")
        raw = call.bearer
        if raw is not None:
            hub.reception.token(raw)  # before a word of the body is read
        frames, hello = _read(body, known=raw is not None)
        raw = raw or (hello.token if hello else None)
        token = hub.reception.token(raw)
        if not hub.ea_rate.take(token.id):
            raise Rejected("RATE_LIMITED", "too many requests from this EA")
        key = (token.id, query.get("session", "")[:64])
        self._forget_silent()
        line = self._sessions.get(key)
        if line is None:
            if hello is None:
                raise Rejected("NO_SESSION", "this session is not known (any more)", hint="begin again with HELLO")
            line = self._open(key, hub.reception.greet(hello, raw).account)
        line.used = hub.clock.monotonic()
        for frame in frames:
            line.busy()
            hub.trader.gateway.heard(line.conn, bytes(frame))
        said = await line.answer(_wait_s(query.get("wait_ms", "0")))
        if line.closed:
            self._end(key, line)
        return said

    def _open(self, key: tuple[str, str], account: str) -> PollLine:
        if len(self._sessions) >= MAX_SESSIONS:
            raise Rejected("RATE_LIMITED", f"{MAX_SESSIONS} EAs poll already")
        line = PollLine(self._hub.clock.monotonic())
        line.conn = self._hub.trader.gateway.open(account, line)
        self._sessions[key] = line
        return line

    def _end(self, key: tuple[str, str], line: PollLine) -> None:
        if self._sessions.get(key) is line:
            del self._sessions[key]
        self._hub.trader.gateway.lost(line.conn)

    def _forget_silent(self) -> None:
        """Sessions whose link has ended, or that never had one and have been silent for as long as a dead peer is."""
        limit = self._hub.clock.monotonic() - self._dead_s
        for key, line in [(k, s) for k, s in self._sessions.items() if s.closed or s.used < limit]:
            self._end(key, line)


def routes(hub: Hub, *, dead_s: float) -> list[Route]:
    door = PollDoor(hub, dead_s=dead_s)

    async def said(call: Call) -> Said:
        try:
            return 200, await door.poll(call)
        except KakehashiError as e:
            no = refusal(e)
            return no.status, msgspec.json.encode(no.body)

    return [Route("/ea/v1/poll", HotDoor(said), methods=["POST"])]


def _split(body: bytes) -> list[msgspec.Raw]:
    """:raises Malformed: BAD_JSON: no array of objects, or too many"""
    try:
        frames = _frames.decode(body or b"[]")
    except (msgspec.DecodeError, RecursionError) as e:
        raise Malformed("BAD_JSON", f"the body is a JSON array of frames: {e}") from None
    if len(frames) > MAX_FRAMES:
        raise Malformed("BAD_JSON", f"at most {MAX_FRAMES} frames in one poll", value=len(frames))
    return frames


def _read(body: bytes, *, known: bool) -> tuple[list[msgspec.Raw], Hello | None]:
    """The frames, and the HELLO that begins them; a stranger's nonsense is no more than a missing token.

    :raises Malformed: of one who is known
    """
    try:
        frames = _split(body)
        return frames, _hello(frames)
    except Malformed:
        if known:
            raise
        return [], None


def _hello(frames: list[msgspec.Raw]) -> Hello | None:
    if not frames or b'"HELLO"' not in bytes(frames[0]):
        return None
    first = from_ea(bytes(frames[0]))
    return first if isinstance(first, Hello) else None


def _wait_s(text: str) -> float:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= MAX_WAIT_MS):
        raise Malformed("BAD_PARAMETER", f"wait_ms is a whole number from 0 to {MAX_WAIT_MS}", value=text[:40])
    return int(text) / 1000
