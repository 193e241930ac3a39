"""``kakehashi ea install``: the Expert Advisor's sources into a terminal's data folder, and what to click there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from kakehashi.cli.output import command_output
from kakehashi.domain.errors import Rejected

SOURCES: Final = Path(__file__).resolve().parents[3] / "mql5"
_PARTS: Final = (Path("Experts") / "Kakehashi", Path("Include") / "Kakehashi")
_DATA: Final = "MetaQuotes/Terminal/*/MQL5"
_STEPS: Final = {
    "en": (
        "MetaEditor (F4): open MQL5/Experts/Kakehashi/KakehashiEA.mq5, press F7",
        "Tools > Options > Expert Advisors: allow algorithmic trading, allow WebRequest for the hub's address",
        "drag KakehashiEA onto a chart; Inputs: HubUrl, Token; Common: Allow Algo Trading",
        "press Algo Trading in the toolbar; the panel on the chart says connected",
    ),
    "ja": (
        "MetaEditor（F4）で MQL5/Experts/Kakehashi/KakehashiEA.mq5 を開き、F7 でコンパイルします",
        "ツール > オプション > エキスパートアドバイザ: アルゴリズム取引を許可し、WebRequest の許可リストにハブを追加します",
        "KakehashiEA をチャートに適用します。パラメーター: HubUrl と Token、全般: アルゴリズム取引を許可",
        "ツールバーの「アルゴリズム取引」を押します。チャートのパネルに「接続済み」と表示されます",
    ),
}


def terminals(home: Path, appdata: str | None) -> list[Path]:
    """The data folders of this user's terminals: of Windows, and of Wine, whose users have an AppData of their own.

    :param appdata: the environment's APPDATA
    """
    roots: list[Iterator[Path]] = [Path(appdata).glob(_DATA)] if appdata else []
    for prefix in (home / ".wine", home / ".mt5"):
        roots.append(prefix.glob(f"drive_c/users/*/AppData/Roaming/{_DATA}"))
        roots.append(prefix.glob("drive_c/Program Files*/*/MQL5"))  # a terminal that keeps its data with itself
    return sorted({found.parent for root in roots for found in root if (found / "Experts").is_dir()})


def install(sources: Path, terminal: Path) -> list[Path]:
    """Copy the EA there, in the place of an older one; what was copied.

    :param terminal: a data folder; its MQL5 folder will do as well
    :raises Rejected: NO_TERMINAL, NO_SOURCES
    """
    target = terminal if terminal.name == "MQL5" else terminal / "MQL5"
    if not target.is_dir():
        raise Rejected(
            "NO_TERMINAL",
            f"{terminal} has no folder MQL5",
            hint="in the terminal: File > Open Data Folder",
            value=str(terminal),
        )
    if not all((sources / part).is_dir() for part in _PARTS):
        raise Rejected(
            "NO_SOURCES",
            f"{sources} has no Experts/Kakehashi",
            hint="give the folder mql5 of the sources by --from",
            value=str(sources),
        )
    copied = []
    for part in _PARTS:
        for source in sorted((sources / part).iterdir()):
            place = target / part / source.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            copied.append(place)
    return copied


@click.command("install")
@click.option(
    "--terminal",
    type=click.Path(path_type=Path),
    default=None,
    help="A terminal's data folder (File > Open Data Folder). Left out: those of this machine are listed.",
)
@click.option(
    "--from", "sources", type=click.Path(path_type=Path), default=SOURCES, help="The folder mql5 of the sources."
)
@command_output(columns=("terminal", "copied"))
def install_command(terminal: Path | None, sources: Path) -> list[dict[str, object]]:
    """Copy the Expert Advisor into a terminal's data folder."""
    if terminal is None:
        found = terminals(Path.home(), os.environ.get("APPDATA"))
        if not found:
            raise Rejected(
                "NO_TERMINAL",
                "no MetaTrader 5 terminal was found",
                hint="give its data folder by --terminal: File > Open Data Folder",
            )
        return [{"terminal": str(folder), "copied": 0} for folder in found]
    copied = install(sources, terminal)
    for number, (english, japanese) in enumerate(zip(_STEPS["en"], _STEPS["ja"], strict=True), 1):
        click.echo(f"{number}. {english}\n   {japanese}", err=True)
    return [{"terminal": str(terminal), "copied": len(copied)}]
