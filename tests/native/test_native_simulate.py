"""``kakehashi ea simulate --native N`` on a real broker, with a door that writes down who comes."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from kakehashi import cli
from kakehashi.domain.errors import Rejected
from kakehashi.terminal import native

pytestmark = pytest.mark.timeout(300)  # compiling takes a while on a busy machine


class Door:
    """:ivar came: the HELLO of each EA; ``left``: the last frame of each"""

    def __init__(self) -> None:
        self.came: queue.Queue[dict[str, Any]] = queue.Queue()
        self.left: queue.Queue[str] = queue.Queue()
        self.server = serve(self._greet, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _greet(self, line: ServerConnection) -> None:
        hello = json.loads(line.recv())
        self.came.put({"path": line.request.path if line.request else "", "hello": hello})
        welcome = {"t": "WELCOME", "ep": 1, "lease_ms": 15000, "hb_ms": 5000, "stale_ms": 6500, "dead_ms": 12000}
        line.send(json.dumps(welcome))
        for frame in line:
            last = frame
        self.left.put(json.loads(last)["t"])


@pytest.fixture
def door() -> Iterator[Door]:
    one = Door()
    running = threading.Thread(target=one.server.serve_forever)
    running.start()
    yield one
    one.server.shutdown()
    running.join(10)


@pytest.fixture
def simulate(door: Door, broker: str, tmp_path: Path) -> Iterator[Any]:
    """Starts the command; whatever still runs of it is ended."""
    try:
        native.build(limit_s=250)
    except Rejected as e:
        if "compiler" in e.message:
            pytest.skip(f"{e}: the EA is not run")
        raise
    started: list[subprocess.Popen[bytes]] = []

    def start(*more: str) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "kakehashi", "ea", "simulate", "--account", "demo", "--number", "5000"]
        argv += ["--socket", broker, "--url", door.url, "--data", str(tmp_path), *more]
        env = os.environ | {native.TOKEN_VARIABLE: "kk_one,kk_two"[: 13 if "2" in more else 6]}
        started.append(subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.terminate()  # killed, it would leave its EAs behind
        process.wait(20)


def test_two_compiled_eas_come_as_two_accounts_each_with_its_own_token_and_end_together(
    simulate: Any, door: Door, tmp_path: Path
) -> None:
    process = simulate("--native", "2")
    came = [door.came.get(timeout=60) for _ in range(2)]
    assert {(c["path"], c["hello"]["account"], c["hello"]["token"]) for c in came} == {
        ("/ea/v1", "5000", "kk_one"),
        ("/ea/v1", "5001", "kk_two"),
    }
    assert [*(tmp_path / "demo-1" / "Common" / "Files" / "Kakehashi").glob("*.journal")]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert [door.left.get(timeout=10) for _ in range(2)] == ["BYE", "BYE"]


def test_one_compiled_ea_is_the_process_that_was_started_and_its_token_is_no_argument(
    simulate: Any, door: Door
) -> None:
    process = simulate("--native", "1")
    assert door.came.get(timeout=60)["hello"]["token"] == "kk_one"
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    assert arguments[0].endswith(b"kakehashi-ea")
    assert not [a for a in arguments if b"kk_" in a]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert door.left.get(timeout=10) == "BYE"


def test_what_is_not_compiled_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Rejected, match="NO_NATIVE_EA") as not_there:
        native.built(tmp_path / "kakehashi-ea")
    assert "make ea" in not_there.value.hint
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Rejected, match="no C\\+\\+ compiler") as no_compiler:
        native.build(limit_s=5)
    assert "g++" in no_compiler.value.hint


def test_as_many_tokens_as_eas(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "built", lambda: Path("/bin/true"))
    argv = ["ea", "simulate", "--native", "3", "--account", "a", "--token", "one,two", "--json"]
    assert cli.execute(argv) != 0
    assert "3 tokens" in json.loads(capsys.readouterr().out)["error"]["message"]
