"""The inspector: every knock at the webhook door is shown, none of its secrets is, and watching costs little."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, room

from kakehashi.services import knocks
from kakehashi.services.access import create_token
from kakehashi.services.ids import SystemClock
from kakehashi.services.ingest import Answer, Knock
from kakehashi.services.knocks import Knocks

__all__ = ["room"]

LONG = {"signal": "LONG", "symbol": "EURUSD", "id": "a1"}


async def watched(room: Room, scope: str = "operator", **query: Any) -> httpx.Response:
    return await room.http.get(
        "/api/v1/knocks", params=query, headers={"authorization": f"Bearer {room.tokens[scope]}"}
    )


async def seen(room: Room, **query: Any) -> list[dict[str, Any]]:
    answer = await watched(room, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["knocks"]
    return found


async def test_every_knock_is_shown_with_what_was_understood_and_what_was_answered(room: Room) -> None:
    await room.knock(json.dumps(LONG))
    await room.knock(json.dumps(LONG))
    await room.knock("buy 0.1 GBPUSD sl=x")
    await room.knock("buy 0.1 EURUSD", secret=None)
    await room.knock("{", secret="kk_webhook_000000000000_wrong")
    await room.knock(json.dumps(LONG), secret=room.tokens["ea"])
    await room.knock(b"x" * 70_000)
    found = await seen(room)
    assert [(k["http"], k["answer"]["status"], k["answer"]["code"]) for k in found] == [
        (200, "queued", ""),
        (200, "duplicate", "DUPLICATE"),
        (found[2]["http"], "error", found[2]["answer"]["code"]),
        (401, "error", "UNAUTHORIZED"),
        (401, "error", "UNAUTHORIZED"),
        (403, "error", "FORBIDDEN"),
        (413, "error", "TOO_LARGE"),
    ]
    queued, _, malformed, stranger, broken, ea, large = found
    assert [(leg["route"], leg["account"], leg["status"]) for leg in queued["answer"]["legs"]] == [
        ("trend", "demo", "queued")
    ]
    assert (queued["understood"]["action"], queued["understood"]["symbol"]) == ("BUY", "EURUSD")
    assert malformed["fault"]["code"] == malformed["answer"]["code"]
    assert malformed["fault"]["message"]
    assert stranger["understood"]["size"] == {"unit": "LOTS", "value": "0.1"}
    assert stranger["routes"] == ["trend"]
    assert (broken["fault"]["code"], broken["presented"]) == ("BAD_JSON", "kk_webhook_000000000000_***")
    assert ea["understood"]["id"] == "a1"
    assert (large["body"], large["peer"]) == ("", "127.0.0.1")
    assert [k["seq"] for k in found] == sorted(k["seq"] for k in found)


async def test_no_secret_is_shown_wherever_it_stood(room: Room) -> None:
    token, canary = room.tokens["webhook"], "c4nary-s3cret"
    await room.http.post(f"/webhook/{token}", json=LONG)
    await room.http.post(f"/webhook?token={canary}", content=f"{canary},buy,EURUSD,risk=1")
    for name in ("token", "secret", "auth_token", "passphrase"):
        await room.http.post("/webhook", json=LONG | {name: canary})
        await room.http.post("/webhook", json=LONG | {name: token})
        await room.http.post("/webhook", content=f'{{"{name}": "{canary}", "signal":')
    await room.http.post("/webhook", content=f"buy 0.1 EURUSD token={canary}")
    await room.knock(json.dumps(LONG), secret=canary)
    answer = await watched(room)
    assert len(answer.json()["data"]["knocks"]) == 16
    assert canary not in answer.text
    assert token.rsplit("_", 1)[1] not in answer.text
    assert f"kk_webhook_{token.split('_')[2]}_***" in answer.text


async def test_a_watcher_asks_after_what_it_knows_and_waits_for_the_next(room: Room) -> None:
    await room.alert("LONG", "a1")
    newest = (await watched(room)).json()["data"]["newest"]
    async with asyncio.timeout(5):
        waiting = asyncio.create_task(watched(room, after=newest, wait=60))
        for _ in range(3):  # until it has been let in
            await asyncio.sleep(0)
        await room.alert("LONG", "a2")
        data = (await waiting).json()["data"]
    assert [k["understood"]["id"] for k in data["knocks"]] == ["a2"]
    assert (data["newest"], data["missed"]) == (newest + 1, 0)
    assert await seen(room, after=newest + 1) == []
    assert [k["understood"]["id"] for k in await seen(room, limit=1)] == ["a2"]


@pytest.mark.parametrize(
    ("scope", "status"), [("webhook", 403), ("ea", 403), ("operator", 200), ("admin", 200), ("nobody", 401)]
)
async def test_only_who_may_read_may_watch(room: Room, scope: str, status: int) -> None:
    room.tokens["nobody"] = create_token("admin", at=0).secret
    assert (await watched(room, scope)).status_code == status


@pytest.mark.parametrize("query", [{"after": "-1"}, {"wait": "nan"}, {"limit": "201"}, {"after": "9" * 30}])
async def test_a_bad_parameter_is_422_or_400(room: Room, query: dict[str, str]) -> None:
    answer = await watched(room, **query)
    assert (answer.json()["error"]["code"], 400 <= answer.status_code < 500) == ("BAD_PARAMETER", True)


async def test_what_is_kept_is_bounded_and_a_late_watcher_learns_what_it_missed() -> None:
    ring = Knocks(SystemClock())
    answer = Answer(status=401, body={"status": "error", "code": "UNAUTHORIZED"})
    start = (await ring.after(0, wait_s=0)).newest
    for _ in range(knocks.KEPT + 50):
        ring.add(Knock(body=b"x" * 1000), None, answer)
    news = await ring.after(start, wait_s=0)
    assert (len(news.knocks), news.missed) == (knocks.KEPT, 50)
    for _ in range(knocks.KEPT):
        ring.add(Knock(body=b"x" * 65_536), None, answer)
    kept = (await ring.after(0, wait_s=0)).knocks
    assert sum(len(one.knock.body) for one in kept) <= knocks.KEPT_BYTES
    assert (await ring.after(news.newest, wait_s=0.001)).missed == knocks.KEPT - len(kept)


async def test_all_who_wait_are_told_at_once_too_many_are_refused_and_one_that_leaves_makes_room() -> None:
    ring = Knocks(SystemClock())
    newest = (await ring.after(0, wait_s=0)).newest
    waiting = [asyncio.create_task(ring.after(newest, wait_s=60)) for _ in range(knocks.MAX_WATCHERS)]
    await asyncio.sleep(0)
    with pytest.raises(knocks.Rejected, match="RATE_LIMITED"):
        await ring.after(newest, wait_s=60)
    waiting.pop().cancel()
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(ring.after(newest, wait_s=60)))
    await asyncio.sleep(0)
    ring.add(Knock(body=b"{}"), None, Answer(status=400, body={"status": "error", "code": "X"}))
    async with asyncio.timeout(5):
        assert {len((await one).knocks) for one in waiting} == {1}


# -- the command, over real HTTP -----------------------------------------------------------------------------------


@pytest.fixture
async def url(room: Room) -> AsyncIterator[str]:
    """The room's hub on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(room.app, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@contextlib.asynccontextmanager
async def command(*args: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    argv = (sys.executable, "-m", "kakehashi", "webhook", "inspect", *args)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe, env={**os.environ, **env})
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_command_prints_one_object_a_line_and_ends_after_its_limit(room: Room, url: str) -> None:
    await room.alert("LONG", "before")
    env = {"KAKEHASHI_OPERATOR_TOKEN": room.tokens["operator"]}
    async with command("--url", url, "--json", "--limit", "3", **env) as process:
        assert process.stdout is not None
        lines = [await process.stdout.readline()]
        await room.alert("LONG", "live")
        await room.knock("\x1b[31mnonsense", secret=None)
        lines += [line async for line in process.stdout]
        assert await process.wait() == 0
    said = [json.loads(line) for line in lines]
    assert [(one["ok"], one["data"]["answer"]["status"]) for one in said] == [
        (True, "queued"),
        (True, "queued"),
        (True, "error"),
    ]


async def test_the_command_speaks_to_a_person_lets_no_stranger_steer_the_terminal_and_ends_on_ctrl_c(
    room: Room, url: str
) -> None:
    await room.alert("LONG", "a1")
    await room.knock("\x1b[2J\u202enonsense", secret=None)
    async with command("--url", url, "--token", room.tokens["operator"], "--lang", "ja") as process:
        assert process.stdout is not None
        text = (await process.stdout.readline()).decode()
        while "UNAUTHORIZED: " not in text:
            text += (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""
    assert "trend @ demo: queued" in text
    assert "[2J" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


async def test_without_a_hub_or_a_token_the_command_says_what_to_do(room: Room, url: str) -> None:
    for args, code, exit_code, hint in (
        (("--url", url), "UNAUTHORIZED", 5, "kakehashi token create --scope read"),
        (("--url", url, "--token", "kk_read_0_x"), "UNAUTHORIZED", 5, "kakehashi token create --scope read"),
        (("--url", "http://127.0.0.1:9", "--token", "x"), "NOT_RUNNING", 6, "kakehashi up"),
    ):
        async with command(*args, "--json") as process:
            out, _ = await process.communicate()
        error = json.loads(out)["error"]
        assert (error["code"], process.returncode, error["hint"].startswith(hint)) == (code, exit_code, True)
