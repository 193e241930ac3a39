"""Messages reach real SMTP and HTTP servers, late ones too, and a slow server holds nobody up."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Incident, Notice, Post
from kakehashi.domain.linkwords import Alarm
from kakehashi.domain.notices import NoticeSettings, NoticeTold
from kakehashi.notify.carrier import Carrier
from kakehashi.notify.postman import Postman
from kakehashi.ports import Commit, Ownership, Store
from kakehashi.services.ids import SystemClock
from kakehashi.services.watch import Watch, WatchSettings
from kakehashi.store.open import open_store

SECRET = "Xhunter2hunter2"


class Mailbox:
    """A small SMTP server: it takes what comes, or hangs, or refuses, as it is told."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.refusing = self.hanging = False
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hanging:
            await reader.read()
            writer.close()
            return
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip().upper():
            if line.startswith("RCPT") and self.refusing:
                writer.write(b"550 no such user\r\n")
            elif line.startswith("DATA"):
                writer.write(b"354 go\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 taken\r\n")
            elif line.startswith("QUIT"):
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()

    @property
    def url(self) -> str:
        return f"mailto://desk.test:{self.port}?from=hub@desk.test&to=me@desk.test&smtp=127.0.0.1&mode=insecure"


class Hook:
    """A small HTTP server that answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.bodies.append(msgspec.json.decode(body))
        writer.write(f"HTTP/1.1 {status} said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"


class Office:
    """A store, a watch, a postman, and a trader that only records what it is told."""

    def __init__(self, store: Store, owner: Ownership, targets: dict[str, str], *, timeout_s: float) -> None:
        self.store, self.owner, self.clock = store, owner, SystemClock()
        settings = NoticeSettings(targets=tuple(targets), retry_ms=20, attempts=3)
        self.watch = Watch(WatchSettings(notices=settings))
        carriers = {name: Carrier(name, url, timeout_s=timeout_s) for name, url in targets.items()}
        self.postman = Postman(store, self.clock, carriers, tell=self.submit, timeout_s=timeout_s)
        self.away = 0

    async def submit(self, told: NoticeTold) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("STORE_UNAVAILABLE", "away")
        await self.store.commit(Commit(ownership=self.owner, changes=self.watch.told(told)))

    async def alarm(self, code: str = "EVENTS_LOST") -> None:
        rows = self.watch.link_facts("demo", [Alarm(code=code, text="3 to 4")], at=self.clock.now_ms())
        await self.store.commit(Commit(ownership=self.owner, changes=rows))
        self.postman.wake()

    async def notices(self) -> dict[str, Notice]:
        rows = await self.store.rows("notices")
        return {n.target: n for n in (msgspec.json.decode(r["body"], type=Notice) for r in rows)}

    async def codes(self) -> set[str]:
        rows = await self.store.rows("incidents")
        return {i.code for i in (msgspec.json.decode(r["body"], type=Incident) for r in rows)}


@contextlib.asynccontextmanager
async def listening(server: Mailbox | Hook) -> AsyncIterator[None]:
    found = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.port = found.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        found.close()


@contextlib.asynccontextmanager
async def an_office(folder: Path, targets: dict[str, str], *, timeout_s: float = 5.0) -> AsyncIterator[Office]:
    store = open_store(f"sqlite:///{folder}/k.db")
    await store.open()
    office = Office(store, await store.claim("hub", holder="test"), targets, timeout_s=timeout_s)
    work = asyncio.create_task(office.postman.run())
    try:
        yield office
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await store.close()


async def until(true: Callable[[], bool | Awaitable[bool]], *, within_s: float = 15) -> None:
    async with asyncio.timeout(within_s):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def test_an_incident_reaches_mail_and_web(tmp_path: Path) -> None:
    mail, hook = Mailbox(), Hook()
    async with listening(mail), listening(hook), an_office(tmp_path, {"mail": mail.url, "web": hook.url}) as office:
        await office.alarm()

        async def sent() -> bool:
            return {n.state for n in (await office.notices()).values()} == {Post.SENT}

        await until(sent)
        assert len(mail.mails) == len(hook.bodies) == 1
        assert "[CRITICAL] demo" in mail.mails[0]
        assert (hook.bodies[0]["type"], "3 to 4" in hook.bodies[0]["message"]) == ("failure", True)
        await asyncio.sleep(0)
        assert await office.codes() == {"EVENTS_LOST"}


async def test_a_server_that_fails_at_first_gets_the_message_later(tmp_path: Path) -> None:
    hook = Hook()
    hook.statuses = [500, 503]
    async with listening(hook), an_office(tmp_path, {"web": hook.url}) as office:
        await office.alarm()
        await until(lambda: bool(hook.bodies))

        async def sent() -> bool:
            return (await office.notices())["web"].state is Post.SENT

        await until(sent)
        assert (await office.notices())["web"].attempts == 3


async def test_what_cannot_be_delivered_is_an_incident_and_names_no_secret(tmp_path: Path) -> None:
    hook, mail = Hook(), Mailbox()
    hook.statuses, mail.refusing = [500] * 99, True
    async with listening(hook), listening(mail), an_office(tmp_path, {"web": hook.url, "mail": mail.url}) as office:
        await office.alarm()

        async def given_up() -> bool:
            return {n.state for n in (await office.notices()).values()} >= {Post.FAILED} and "NOTICE_UNDELIVERED" in (
                await office.codes()
            )

        await until(given_up)
        kept = [*await office.store.rows("notices"), *await office.store.rows("incidents")]
        assert SECRET not in str(kept)
        assert "500" in str(kept)


async def test_a_server_that_never_answers_stops_neither_the_loop_nor_the_other_target(tmp_path: Path) -> None:
    mail, hook = Mailbox(), Hook()
    mail.hanging = True
    targets = {}
    async with listening(mail), listening(hook):
        targets = {"mail": mail.url, "web": hook.url}
        async with an_office(tmp_path, targets, timeout_s=0.5) as office:
            await office.alarm()
            slowest, began = 0.0, time.monotonic()
            while not hook.bodies or (await office.notices())["mail"].attempts == 0:
                before = time.monotonic()
                await asyncio.sleep(0.001)
                slowest = max(slowest, time.monotonic() - before)
                assert time.monotonic() - began < 15
            assert slowest < 0.4, "the mail server's silence was felt in the loop"
            mail.hanging = False

            async def sent() -> bool:
                return (await office.notices())["mail"].state is Post.SENT

            await until(sent)
            assert len(mail.mails) == 1


async def test_what_was_sent_is_not_sent_again_because_the_store_was_away(tmp_path: Path) -> None:
    hook = Hook()
    async with listening(hook), an_office(tmp_path, {"web": hook.url}) as office:
        office.away = 2
        await office.alarm()

        async def sent() -> bool:
            office.postman.wake()
            return (await office.notices())["web"].state is Post.SENT

        await until(sent)
        assert (office.away, len(hook.bodies)) == (0, 1)


async def test_a_notice_to_a_target_that_was_taken_out_is_given_up(tmp_path: Path) -> None:
    async with an_office(tmp_path, {}) as office:
        at = office.clock.now_ms()
        old = Notice(
            id="n", incident="i", target="gone", severity=Severity.WARNING, title="t", body="b", at=at, due_at=at
        )
        await office.store.commit(Commit(ownership=office.owner, changes=[old]))

        async def failed() -> bool:
            return (await office.notices())["gone"].state is Post.FAILED

        await until(failed)
        assert await office.codes() == set()


def test_a_url_that_apprise_does_not_know_is_said_plainly() -> None:
    with pytest.raises(Rejected, match="BAD_TARGET_URL"):
        Carrier("x", "nonsense://somewhere/secret", timeout_s=1).carry("t", "b", Severity.INFO)


def test_a_port_where_nobody_listens_is_said_plainly() -> None:
    with pytest.raises(Unavailable, match="NOTICE_UNDELIVERED") as caught:
        Carrier("x", f"json://127.0.0.1:9/{SECRET}", timeout_s=1).carry("t", "b", Severity.INFO)
    assert SECRET not in str(caught.value)
    assert "refused" in str(caught.value)
