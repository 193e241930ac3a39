"""The scenes of the Python EA with the one in MQL5 in its place, compiled by the runner."""

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration import test_linked_ea as yardstick
from tests.integration.test_linked_ea import (  # noqa: F401 (what is played, and its fixtures)
    Scene,
    books,
    play,
    play_all,
    play_poll,
    play_ws,
    slow_netting,
    test_a_cut_connection_and_a_frame_that_is_none_disturb_nothing,
    test_a_halt_cancels_what_rests_lets_exits_through_and_outlives_a_restart,
    test_a_planned_stop_keeps_the_instance_and_tells_what_happened_meanwhile,
    test_a_second_ea_on_the_same_journal_does_not_start,
    test_a_stop_out_is_told_with_its_reason,
    test_after_a_poll_that_failed_everything_is_said_again_in_a_new_session,
    test_an_ea_says_what_its_symbols_are_and_what_they_cost,
    test_an_exit_that_a_person_overtakes_on_a_netting_account_is_corrected_and_told,
    test_an_order_whose_answer_is_lost_is_found_at_the_broker_and_sent_once,
    test_every_kind_of_order_is_carried_out_and_told,
    test_killed_after_an_order_left_it_is_found_and_not_repeated,
    test_killed_at_random_while_orders_stream_in,
    test_killed_before_an_order_left_it_is_known_to_be_absent_and_the_next_one_goes,
    test_what_a_person_trades_by_hand_is_told_and_shown,
    test_without_its_broker_a_terminal_is_not_believed_and_what_was_asked_then_is_done_later,
)
from tests.link_doors import TOKEN
from tests.link_peer import command
from tests.native.building import COUNTED, EXPERT, Build
from tests.native.test_network import certificate  # noqa: F401 (a fixture)

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.terminal.accounts import login_number
from kakehashi.terminal.dying import Point

pytestmark = pytest.mark.timeout(300)  # compiling takes a while on a busy machine
TRANSPORTS = {"auto": "0", "ws": "1", "poll": "2"}
DEATHS = {
    Point.BEFORE_INTENT: 'before:"k":"INTENT"',
    Point.AFTER_INTENT: 'after:"k":"INTENT"',
    Point.AFTER_SENT: 'after:"k":"SENT"',
    Point.IN_ORDER_SEND: "send:",
    Point.AFTER_RESULT: 'before:"k":"TOLD"',
    Point.AFTER_OUTBOX: 'after:"k":"TOLD"',
}


@pytest.fixture
def program(build: Build) -> Path:
    return build(EXPERT).program


@pytest.fixture
def make(program: Path) -> type[Scene]:
    class NativeScene(Scene):
        def __init__(self, books: yardstick.Books, folder: Path, account: str, door: str) -> None:  # noqa: F811
            super().__init__(books, folder, account, door)
            files = folder / "data" / "Common" / "Files" / "Kakehashi"
            self.journal = files / f"Kakehashi-Demo-{login_number(account)}.journal"

        def start(self, *more: str) -> "subprocess.Popen[bytes]":
            argv = [str(program), "--account", self.account, "--broker", self.books.socket]
            argv += ["--data", str(self.folder / "data"), "--pace", str(yardstick.PACE), *_fates(more)]
            for name, value in (
                ("HubUrl", f"{self.url}/ea/v1"),
                ("Token", TOKEN),
                ("Transport", TRANSPORTS[self._link]),
            ):
                argv += ["--set", f"{name}={value}"]
            with (self.folder / "ea.log").open("ab") as log:
                self.ea = subprocess.Popen(argv, stdout=log, stderr=log)
            return self.ea

        def drop(self) -> None:
            if COUNTED is not None and self.ea is not None:  # one that is killed has no say in what was counted
                self.ea.terminate()
                self.ea.wait(10)
            super().drop()

    return NativeScene


def _fates(more: tuple[str, ...]) -> list[str]:
    """The Python EA's ways to die, in the runner's words."""
    if more[:1] != ("--die-at",):
        return [*more]
    point, nth = more[1].split(":")
    return ["--die", f"{DEATHS[Point(point)]}:{nth}", *more[2:]]


@pytest.fixture
def panel(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """What stands on the chart now: the words before and behind each colon."""
    file = tmp_path / "panel"

    def read() -> dict[str, str]:
        texts = [line.split("\t")[2] for line in file.read_text("utf-8").splitlines()] if file.exists() else []
        return {name: said for name, _, said in (text.partition("：") for text in texts)}

    read.file = str(file)  # type: ignore[attr-defined]
    return read


async def shows(true: Callable[[], Any]) -> None:
    """Wait for what a file says: of that the hub hears nothing."""
    async with asyncio.timeout(120):
        while not true():
            await asyncio.sleep(0.2)


def test_a_netting_account_reads_its_panel_in_japanese(
    make: type[Scene],
    slow_netting: yardstick.Books,  # noqa: F811
    tmp_path: Path,
    panel: Any,
) -> None:
    async def act(s: Scene) -> None:
        s.start("--set", "Language=1", "--panel", panel.file)
        await s.peer.fresh(200)
        hello = next(frame for frame in s.peer.heard if isinstance(frame, f.Hello))
        assert hello.margin_mode == "netting"
        bought = (await s.peer.ends(command(1))).deals[0].position
        more = await s.peer.ends(command(2))
        assert (more.deals[0].position, more.deals[0].entry) == (bought, "IN")  # one position a symbol
        await shows(lambda: panel().get("最後の命令") == "c-2 FILLED")
        said = panel()
        assert (said["接続"], said["自動取引"], said["停止"]) == ("接続済み", "許可", "なし")
        assert said["口座"].endswith(" netting")
        s.peer.step(w.SetHalt, on=True)
        await shows(lambda: panel()["停止"] == "停止中")
        await s.ends()

    yardstick.player(make, slow_netting, tmp_path, yardstick.NET, "ws")(act)


def test_where_no_websocket_can_be_had_it_polls(make: type[Scene], books: yardstick.Books, tmp_path: Path) -> None:  # noqa: F811
    async def act(s: Scene) -> None:
        s._link = "auto"
        s.start()
        await s.peer.fresh(200)
        assert (await s.peer.ends(command(1))).st == "FILLED"
        await s.ends()

    yardstick.player(make, books, tmp_path, "auto", "poll")(act)


def test_a_hub_behind_a_certificate_of_its_own_is_reached_by_those_who_trust_it(
    make: type[Scene],
    books: yardstick.Books,  # noqa: F811
    tmp_path: Path,
    certificate: Path,  # noqa: F811
) -> None:
    class Secure(make):  # type: ignore[valid-type,misc]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.door.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.door.tls.load_cert_chain(certificate)

    async def act(s: Scene) -> None:
        stranger = s.start()
        await shows(lambda: "certificate" in s.log)
        assert not s.peer.heard
        stranger.terminate()
        await asyncio.to_thread(stranger.wait, 20)
        s.start("--ca", str(certificate.with_suffix(".crt")))
        await s.peer.fresh(200)
        assert (await s.peer.ends(command(1))).st == "FILLED"
        await s.ends()

    yardstick.player(Secure, books, tmp_path, "secure", "ws")(act)
