"""SEC-4: secrets that sing. Each goes through another path of a real hub; afterwards nothing that is kept or said sings."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
sys.path.insert(0, str(Path(__file__).parent))

from room import ACCOUNT, ROUTE, plain_route
from siege import until
from world import KAKEHASHI, World

from kakehashi.demo.stage import Stage
from kakehashi.domain.values import Account
from kakehashi.ports import AuditRow
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.services.ids import SystemClock
from kakehashi.store.migrate import upgrade
from kakehashi.store.sqlite import SqliteStore

SONG = "kanarienvogel"
"""In every secret of this file, followed by the name of its path."""
NAMES = ("token", "secret", "auth_token", "passphrase", "Token", "SECRET")


def singing(where: str) -> str:
    return f"{SONG}-{where}-{'x' * 24}"


def songs(text: str | bytes) -> set[str]:
    """Which paths' secrets can be read in it."""
    found = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return {song.decode() for song in re.findall(rb"kanarienvogel-[\w-]*?-x", found)}


async def furnish(folder: Path) -> dict[str, str]:
    """An account, a route, and tokens whose secret part sings."""
    await asyncio.to_thread(upgrade, f"sqlite:///{folder}/k.db")
    store = SqliteStore(str(folder / "k.db"))
    await store.open()
    at = SystemClock().now_ms()
    await desk.add_account(store, Account(name=ACCOUNT, number="1001"), by="test", at=at)
    await desk.put_route(store, plain_route(), by="test", at=at)
    tokens = {}
    for scope in ("webhook", "ea", "operator", "admin", "metrics"):
        route = ROUTE if scope == "webhook" else ""
        new = create_token(scope, at=at, route=route, account=ACCOUNT if scope == "ea" else "")
        tokens[scope] = f"kk_{scope}_{new.row.id}_{singing(scope)}"
        row = msgspec.structs.replace(new.row, sha256=hashlib.sha256(tokens[scope].encode()).digest())
        await store.put_token(row, AuditRow(at=at, actor="test", action="token create", subject=row.id))
    await store.close()
    return tokens


def bodies(token: str) -> Iterator[tuple[str, str]]:
    """An alert in each format with the secret in each field that may hold it, then what is wrong with one."""
    relay = {"signal": "LONG", "symbol": "EURUSD"}
    for name in NAMES:
        yield f"json-{name}", json.dumps(relay | {"id": f"j{name}", name: token})
        yield f"traderspost-{name}", json.dumps({"ticker": "EURUSD", "action": "buy", "quantity": 0.1, name: token})
        yield f"pine-{name}", f"licence,buy,EURUSD,risk=0.1,{name}={token}"
        yield f"plain-{name}", f"buy 0.1 EURUSD {name}={token}"
        yield f"broken-{name}", f'{{"signal":"LONG","{name}":"{token}"'
        yield f"open-{name}", f'{{"signal":"LONG","{name}":"{token}'
        yield f"typed-{name}", json.dumps(relay | {name: [token]})
        yield f"nested-{name}", json.dumps(relay | {"auth": {name: token}})
        yield f"twice-{name}", f'{{"signal":"LONG","{name}":"{token}","{name}":"{token}"}}'
        yield (
            f"escaped-{name}",
            json.dumps(relay | {name: token}).replace(f'"{name}"', f'"\\u{ord(name[0]):04x}{name[1:]}"'),
        )
        yield f"form-{name}", f"signal=LONG&{name}={token}"
        yield f"conflict-{name}", json.dumps(relay | {name: token, "secret": "other", "token": token})
    yield "licence", f"{token},buy,EURUSD,risk=0.1"


def misplaced(token: str) -> Iterator[str]:
    """One of our tokens where nobody expects it: it can be known by its shape."""
    for name in ("signal", "symbol", "comment", "id", "lots", "price", "time", "strategy", "unknown"):
        yield json.dumps({"signal": "LONG", "symbol": "EURUSD", name: token})
    yield f"buy 0.1 {token}"
    yield f"{token} 0.1 EURUSD"
    yield token
    yield f'["{token}"]'


class Heard:
    """What the hub answered."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.statuses: list[int] = []

    def __call__(self, answer: httpx.Response) -> httpx.Response:
        self.texts.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")
        self.statuses.append(answer.status_code)
        return answer


async def sing_at_the_webhook(http: httpx.AsyncClient, token: str, heard: Heard) -> None:
    """In path, query, header and body: right tokens and wrong ones, of our shape and of any."""
    wrong = (f"kk_webhook_000000000000_{singing('unknown')}", singing("guess"), f"Ünî{singing('accent')}")
    for n, secret in enumerate((token, *wrong)):
        alert = {"signal": "LONG", "symbol": "EURUSD", "id": f"w{n}"}
        heard(await http.post(f"/webhook/tradingview/{secret}", json=alert | {"id": f"p{n}"}))
        heard(await http.post(f"/webhook/{secret}", json=alert | {"id": f"q{n}"}))
        heard(await http.post("/webhook", params={"token": secret}, json=alert | {"id": f"r{n}"}))
        heard(await http.post("/nowhere", params={"token": secret}))
        heard(await http.get(f"/webhook/{secret}"))
        if secret.isascii():
            for kind in ("Bearer", "Basic", ""):
                headers = {"authorization": f"{kind} {secret}".strip(), "cookie": f"sid={secret}"}
                heard(await http.post("/webhook", json=alert | {"id": f"h{n}{kind}"}, headers=headers))
    for secret in (token, singing("body")):
        for _, body in bodies(secret):
            heard(await http.post("/webhook", content=body.encode()))
            known = {"authorization": f"Bearer {token}"}
            heard(await http.post("/webhook", content=body.encode(), headers=known))
    for body in misplaced(token):
        heard(await http.post("/webhook", content=body.encode(), headers={"authorization": f"Bearer {token}"}))


async def sing_at_the_mailbox(http: httpx.AsyncClient, tokens: dict[str, str], heard: Heard) -> None:
    """The EA's token, as it is and as the key of its signature; and in fields that are stored."""
    token = tokens["ea"]
    bearer = {"authorization": f"Bearer {token}"}
    stamp = str(int(time.time() * 1000))
    text = f"{stamp}\nGET\n/api/poll\n".encode()
    signed = {"x-timestamp": stamp, "x-signature": hmac.new(token.encode(), text, hashlib.sha256).hexdigest()}
    assert heard(await http.get("/api/poll", headers=bearer | signed)).status_code == 200
    heard(await http.get("/api/poll", headers=bearer | {"x-timestamp": stamp, "x-signature": singing("signature")}))
    heard(
        await http.get("/api/poll", params={"token": token}, headers={"authorization": f"Bearer {singing('ea-guess')}"})
    )
    heard(await http.get("/api/poll", params={"account": token, "limit": token}, headers=bearer))
    for body in (f'{{"keys":["{token}"]', json.dumps({"keys": [token]}), json.dumps({"account": token})):
        heard(await http.post("/api/ack", content=body, headers=bearer))
        heard(await http.post("/api/report", content=body, headers=bearer))
    report = {"account": ACCOUNT, "token": token, "balance": 1, "equity": 1, "positions": []}
    heard(await http.post("/api/report", json=report, headers=bearer))
    for scope in ("operator", "admin"):
        who = {"authorization": f"Bearer {tokens[scope]}"}
        heard(await http.get("/api/v1/signals", headers=who))
        heard(await http.get("/api/v1/signals", params={"limit": tokens[scope]}, headers=who))
        heard(await http.get(f"/api/v1/trace/{tokens[scope]}", headers=who))
        heard(await http.post("/api/v1/kill/on", content=f'{{"token":"{tokens[scope]}"', headers=who))
        heard(await http.post("/api/v1/kill/on", json={"secret": tokens[scope]}, headers=who))


def commands(folder: Path, *wanted: list[str], **env: str) -> list[str]:
    """All that each command says, run side by side."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
    running = [
        subprocess.Popen(
            [*KAKEHASHI, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, env=clean | env
        )
        for argv in wanted
    ]
    return [process.communicate(timeout=60)[0].decode("utf-8", "replace") for process in running]


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            yield from family(int(child))


def dumped(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


@pytest.mark.timeout(120)
async def test_sec_4_no_secret_is_in_logs_answers_store_backup_metrics_or_arguments(tmp_path: Path) -> None:
    tokens = await furnish(tmp_path)
    heard = Heard()
    with World(tmp_path, KAKEHASHI_LOG__LEVEL="debug") as world:
        up = world.spawn("up", "up", "--port", "0")
        await until(lambda: b"http://" in (tmp_path / "up.log").read_bytes())
        base = re.search(r"http://[\d.:]+", (tmp_path / "up.log").read_text("utf-8"))
        assert base is not None
        async with httpx.AsyncClient(base_url=base[0], timeout=20) as http:
            await sing_at_the_webhook(http, tokens["webhook"], heard)
            await sing_at_the_mailbox(http, tokens, heard)
            metrics = await http.get("/metrics", headers={"authorization": f"Bearer {tokens['metrics']}"})
        pids = list(family(up))
        arguments = b"\n".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
        env = {"KAKEHASHI_STORE__URL": world.store_url}
        wanted = (
            ["db", "backup", str(tmp_path / "backup.db")],
            ["token", "list", "--json"],
            ["signals", "list", "--json", "--limit", "1000"],
        )
        said = await asyncio.to_thread(commands, tmp_path, *wanted, **env)
    log = (tmp_path / "up.log").read_bytes()
    assert heard.statuses.count(200) > 20, "few alerts were taken: this test tested little"
    assert 500 not in heard.statuses
    assert metrics.status_code == 200
    assert len(pids) >= 2
    assert log.count(b"\n") > 5
    everything: dict[str, Any] = {
        "answers": "\n".join(heard.texts), "log": log, "metrics": metrics.content, "arguments": arguments, "cli": "".join(said),
        "dump": dumped(tmp_path / "k.db"), "backup": dumped(tmp_path / "backup.db"),
        **{path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()},
    }  # fmt: skip
    assert {where: found for where, text in everything.items() if (found := songs(text))} == {}
    assert "demo" in everything["dump"]


@pytest.mark.parametrize("source", ["environment", "file"])
def test_sec_4_a_stores_password_is_in_no_message_of_any_command(tmp_path: Path, source: str) -> None:
    """Nobody listens at that address, so each command fails, and says why."""
    url = f"postgresql://kk:{singing('password')}@127.0.0.1:1/kakehashi"
    env = {"KAKEHASHI_STORE__URL": url, "KAKEHASHI_LOG__LEVEL": "debug"}
    if source == "file":
        secret = tmp_path / "url"
        secret.write_text(url)
        env = {"KAKEHASHI_STORE__URL_FILE": str(secret), "KAKEHASHI_LOG__LEVEL": "debug"}
    wanted = (["config", "show"], ["config", "explain", "store.url"], ["signals", "list", "--json"], ["run", "hub"])
    said = commands(tmp_path, *wanted, **env)
    assert all(said)
    assert songs("".join(said)) == set()


@pytest.mark.parametrize("secret", [f"kk_webhook_000000000000_{singing('send')}", singing("odd")], ids=["ours", "any"])
def test_sec_4_a_command_that_fails_does_not_repeat_its_token(tmp_path: Path, secret: str) -> None:
    script = tmp_path / "script"
    script.write_text("buy 0.1 EURUSD\n")
    nobody = ["--url", "http://127.0.0.1:1"]
    wanted = (
        ["send", "buy 0.1 EURUSD", *nobody],
        ["send", "@missing", "--json", *nobody],
        ["tv", "emulate", "--script", str(script), "--speed", "1000", *nobody],
    )
    said = commands(tmp_path, *wanted, KAKEHASHI_SEND_TOKEN=secret)
    assert all(said)
    assert songs("".join(said)) == set()


async def test_sec_4_the_demo_hands_its_eas_their_tokens_by_environment_not_by_argument(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    url = await asyncio.to_thread(stage.prepare)
    await stage.furnish(url)
    try:
        secrets = [*stage.ea_tokens.values(), stage.webhook.rsplit("/", 1)[1], stage.session_token]
        assert len(secrets) == 6
        assert not [
            r.name for r in stage.roles() for part in r.argv if any(s.rsplit("_", 1)[1] in part for s in secrets)
        ]
    finally:
        await stage.store.close()
        stage.listening.close()
        stage.bridge.close()
