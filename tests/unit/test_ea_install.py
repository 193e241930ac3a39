"""The EA's sources into a terminal's data folder."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from kakehashi.cli.ea_install import MT4, MT5, SOURCES, install, install_command, terminals
from kakehashi.domain.errors import Rejected


def test_the_terminals_of_windows_and_of_wine_are_found(tmp_path: Path) -> None:
    windows = tmp_path / "Roaming" / "MetaQuotes" / "Terminal" / "ABC"
    wine = tmp_path / ".wine" / "drive_c/users/me/AppData/Roaming/MetaQuotes/Terminal/DEF"
    portable = tmp_path / ".mt5" / "drive_c/Program Files/MetaTrader 5"
    for folder in (windows, wine, portable):
        (folder / "MQL5" / "Experts").mkdir(parents=True)
    (windows.parent / "Common" / "Files").mkdir(parents=True)
    older = tmp_path / "Roaming" / "MetaQuotes" / "Terminal" / "GHI"
    older_wine = tmp_path / ".mt4" / "drive_c/Program Files (x86)/MetaTrader 4"
    for folder in (older, older_wine):
        (folder / "MQL4" / "Experts").mkdir(parents=True)
    found = terminals(tmp_path, str(tmp_path / "Roaming"))
    assert [place for place, _ in found] == sorted([windows, wine, portable, older, older_wine])
    assert {place for place, edition in found if edition is MT4} == {older, older_wine}


def test_all_that_the_ea_includes_is_copied_and_an_older_one_replaced(tmp_path: Path) -> None:
    old = tmp_path / "MQL5" / "Experts" / "Kakehashi" / "KakehashiEA.mq5"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    edition, copied = install(SOURCES, tmp_path)
    assert edition is MT5
    assert old.read_bytes() == (SOURCES / "Experts" / "Kakehashi" / "KakehashiEA.mq5").read_bytes()
    there = {path.name for path in (tmp_path / "MQL5" / "Include" / "Kakehashi").iterdir()}
    assert there == {path.name for path in (SOURCES / "Include" / "Kakehashi").iterdir()}
    assert len(copied) == len(there) + 1


def test_metatrader_4_gets_its_own_ea_with_every_file_that_it_includes(tmp_path: Path) -> None:
    (tmp_path / "MQL4").mkdir()
    edition, copied = install(SOURCES, tmp_path / "MQL4")
    assert edition is MT4
    include = tmp_path / "MQL4" / "Include"
    assert (tmp_path / "MQL4" / "Experts" / "Kakehashi" / "KakehashiMT4.mq4").is_file()
    named = {name for path in copied for name in re.findall(r"#include <(\S+)>", path.read_text("utf-8"))}
    assert named == {path.relative_to(include).as_posix() for path in copied if path.is_relative_to(include)}


def test_the_settings_to_click_are_those_of_the_terminal_in_both_languages(tmp_path: Path) -> None:
    for folder, button in (("MQL5", "Algo Trading"), ("MQL4", "AutoTrading")):
        (tmp_path / folder / folder).mkdir(parents=True)
        said = CliRunner().invoke(install_command, ["--terminal", str(tmp_path / folder)])
        assert said.exit_code == 0
        assert f"press {button} in the toolbar" in said.stderr
        assert "ツール > オプション > エキスパートアドバイザ" in said.stderr
    assert len(MT4.steps["en"]) == len(MT4.steps["ja"])


def test_half_of_the_sources_is_none(tmp_path: Path) -> None:
    (tmp_path / "mql5" / "Include" / "Kakehashi").mkdir(parents=True)
    (tmp_path / "MQL4").mkdir()
    with pytest.raises(Rejected, match="NO_SOURCES"):
        install(tmp_path / "mql5", tmp_path)
    assert list((tmp_path / "MQL4").iterdir()) == []


def test_a_folder_that_is_no_terminal_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="NO_TERMINAL"):
        install(SOURCES, tmp_path)
    assert list(tmp_path.iterdir()) == []
