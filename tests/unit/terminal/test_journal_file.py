"""The file behind an EA's journal."""

import subprocess
import sys
from pathlib import Path

import pytest

from kakehashi.domain.errors import Rejected
from kakehashi.terminal.journal_file import LockedFile

_HOLD = """
import pathlib, sys
from kakehashi.terminal.journal_file import LockedFile
file = LockedFile(pathlib.Path(sys.argv[1]))
file.append(b"1 held")
print(flush=True)
sys.stdin.read()
"""


def test_a_line_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    file = LockedFile(tmp_path / "ea" / "a.journal")
    file.append(b"1 one\n")
    assert (tmp_path / "ea" / "a.journal").read_bytes() == b"1 one\n"


def test_one_ea_holds_it_until_its_process_ends_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(Rejected, match="JOURNAL_HELD"):
        LockedFile(path)
    holder.kill()
    holder.communicate()
    assert LockedFile(path).read() == b"1 held"


def test_what_is_cut_off_is_kept_beside_it(tmp_path: Path) -> None:
    file = LockedFile(tmp_path / "a.journal")
    file.append(b"1 one\n2 to")
    file.cut(6)
    file.append(b"2 two\n")
    assert file.read() == b"1 one\n2 two\n"
    assert (tmp_path / "a.journal.torn").read_bytes() == b"2 to\n"


def test_a_replaced_file_is_held_as_the_old_one_was(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    file = LockedFile(path)
    file.append(b"1 much\n")
    file.replace(b"1 less\n")
    file.append(b"2 more\n")
    assert path.read_bytes() == b"1 less\n2 more\n"
    with pytest.raises(Rejected, match="JOURNAL_HELD"):
        LockedFile(path)


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ea.journal"
    path.write_bytes(b'{"id":"k-1","step":"INTENT"}\n')
    with pytest.raises(Rejected, match="NOT_A_JOURNAL"):
        LockedFile(path).read()
    assert path.read_bytes() == b'{"id":"k-1","step":"INTENT"}\n'
