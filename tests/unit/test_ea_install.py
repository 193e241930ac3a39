"""The EA's sources into a terminal's data folder."""

from pathlib import Path

import pytest

from kakehashi.cli.ea_install import SOURCES, install, terminals
from kakehashi.domain.errors import Rejected


def test_the_terminals_of_windows_and_of_wine_are_found(tmp_path: Path) -> None:
    windows = tmp_path / "Roaming" / "MetaQuotes" / "Terminal" / "ABC"
    wine = tmp_path / ".wine" / "drive_c/users/me/AppData/Roaming/MetaQuotes/Terminal/DEF"
    portable = tmp_path / ".mt5" / "drive_c/Program Files/MetaTrader 5"
    for folder in (windows, wine, portable):
        (folder / "MQL5" / "Experts").mkdir(parents=True)
    (windows.parent / "Common" / "Files").mkdir(parents=True)
    assert terminals(tmp_path, str(tmp_path / "Roaming")) == sorted([windows, wine, portable])


def test_all_that_the_ea_includes_is_copied_and_an_older_one_replaced(tmp_path: Path) -> None:
    old = tmp_path / "MQL5" / "Experts" / "Kakehashi" / "KakehashiEA.mq5"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    copied = install(SOURCES, tmp_path)
    assert old.read_bytes() == (SOURCES / "Experts" / "Kakehashi" / "KakehashiEA.mq5").read_bytes()
    there = {path.name for path in (tmp_path / "MQL5" / "Include" / "Kakehashi").iterdir()}
    assert there == {path.name for path in (SOURCES / "Include" / "Kakehashi").iterdir()}
    assert len(copied) == len(there) + 1


def test_a_folder_that_is_no_terminal_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="NO_TERMINAL"):
        install(SOURCES, tmp_path)
    assert list(tmp_path.iterdir()) == []
