"""What every test may rely on: no settings of this machine, no file of this user."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings, language and data directory of the person who runs the tests must not decide their outcome."""
    for name in os.environ:
        if name.upper().startswith("KAKEHASHI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))


@pytest.fixture
def in_empty_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current directory is empty: there is no kakehashi.toml but the one the test writes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
