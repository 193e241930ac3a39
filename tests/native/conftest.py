"""Building MQL5 programs once a session, and running them beside a real simulated broker."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.native.building import COUNTED, EXPERT, PROGRAMS, ROOT, SCRIPTS, Build, Native


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that needs the shim waits for its compiler: half a minute where nothing else runs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def runner() -> ModuleType:
    """``mql5/runner/build.py``, which brings its step along."""
    spec = importlib.util.spec_from_file_location("mql5_build", ROOT / "mql5" / "runner" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def build(runner: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Builds a source file, or one of ``programs`` by its name; the same one once only."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("no C++ compiler (g++): the MQL5 sources are neither built nor run")
    folder = tmp_path_factory.mktemp("native")
    built: dict[tuple[str | Path, bool], Native] = {}

    def make(source: str | Path, *, san: bool = False) -> Native:
        san = san or bool(os.environ.get("KK_NATIVE_SAN"))
        if (source, san) not in built:
            place = folder / str(len(built))
            place.mkdir(exist_ok=True)
            path = source if isinstance(source, Path) else PROGRAMS / f"{source}.mq5"
            counted = COUNTED is not None and not san and path.parent in (SCRIPTS, EXPERT.parent)
            program = COUNTED / path.stem if COUNTED is not None and counted else place / "program"
            runner.build(path, program, san=san, cov=counted)
            built[source, san] = Native(program, place / "data")
        found = built[source, san]
        found.end()
        shutil.rmtree(found.data, ignore_errors=True)
        return found

    yield make
    for program in built.values():
        program.end()


@pytest.fixture
def broker() -> Iterator[str]:
    """A simulated broker's socket. In a short folder: a socket's path has to fit 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="kk") as folder:
        where = ["--socket", f"{folder}/b.sock", "--ledger", f"{folder}/ledger.jsonl"]
        command = [sys.executable, "-m", "kakehashi", "run", "broker", *where]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "broker ready" in process.stderr.readline()
        yield f"{folder}/b.sock"
        process.send_signal(signal.SIGTERM)
        process.stderr.close()
        process.wait(10)
