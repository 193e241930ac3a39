"""``kakehashi ea install``: the Expert Advisor's sources into a MetaTrader 5 or 4 data folder, and what to click there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from kakehashi.cli.output import command_output
from kakehashi.domain.errors import Rejected

SOURCES: Final = Path(__file__).resolve().parents[3] / "mql5"
_EA, _INCLUDE = Path("Experts") / "Kakehashi", Path("Include") / "Kakehashi"
_PREFIXES: Final = (".wine", ".mt5", ".mt4")


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """One MetaTrader: where its programs live, what of the sources goes there, what to click then.

    :ivar folder: in a terminal's data folder
    :ivar copied: (below the folder that holds mql5 and mql4, below ``folder``): a folder's files, or one file
    :ivar steps: by language, in order
    """

    folder: str
    copied: tuple[tuple[Path, Path], ...]
    steps: dict[str, tuple[str, ...]]


MT5: Final = Edition(
    folder="MQL5",
    copied=((Path("mql5") / _EA, _EA), (Path("mql5") / _INCLUDE, _INCLUDE)),
    steps={
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
    },
)
MT4: Final = Edition(
    folder="MQL4",
    copied=(
        (Path("mql4") / _EA, _EA),
        (Path("mql4") / _INCLUDE, _INCLUDE),
        *((Path("mql5") / _INCLUDE / name, _INCLUDE) for name in ("Json.mqh", "Text.mqh")),
    ),
    steps={
        "en": (
            "MetaEditor (F4): open MQL4/Experts/Kakehashi/KakehashiMT4.mq4, press F7",
            "Tools > Options > Expert Advisors: Allow automated trading, Allow WebRequest for listed URL: the hub's address",
            "tab Account History: right click, All History",
            "drag KakehashiMT4 onto one chart; Inputs: HubUrl, Account, Token; Common: Allow live trading",
            "press AutoTrading in the toolbar; the chart says connected",
        ),
        "ja": (
            "MetaEditor（F4）で MQL4/Experts/Kakehashi/KakehashiMT4.mq4 を開き、F7 でコンパイルします",
            "ツール > オプション > エキスパートアドバイザ: 自動売買を許可し、WebRequest の許可リストにハブを追加します",
            "「口座履歴」タブを右クリックし「全履歴」を選びます",
            "KakehashiMT4 を 1 つのチャートに適用します。パラメーター: HubUrl、Account、Token、全般: 自動売買を許可する",
            "ツールバーの「自動売買」を押します。チャートに connected と表示されます",
        ),
    },
)


def edition_of(terminal: Path) -> tuple[Edition, Path]:
    """Which MetaTrader a data folder is of, and its MQL5 or MQL4 folder.

    :param terminal: a data folder; its MQL5 or MQL4 folder will do as well
    :raises Rejected: NO_TERMINAL
    """
    for edition in (MT5, MT4):
        target = terminal if terminal.name == edition.folder else terminal / edition.folder
        if target.is_dir():
            return edition, target
    raise Rejected(
        "NO_TERMINAL",
        f"{terminal} has no folder MQL5 or MQL4",
        hint="in the terminal: File > Open Data Folder",
        value=str(terminal),
    )


def terminals(home: Path, appdata: str | None) -> list[tuple[Path, Edition]]:
    """The data folders of this user's terminals: of Windows, and of Wine, whose users have an AppData of their own.

    :param appdata: the environment's APPDATA
    """
    found: dict[Path, Edition] = {}
    for edition in (MT5, MT4):
        data = f"MetaQuotes/Terminal/*/{edition.folder}"
        roots: list[Iterator[Path]] = [Path(appdata).glob(data)] if appdata else []
        for prefix in (home / name for name in _PREFIXES):
            roots.append(prefix.glob(f"drive_c/users/*/AppData/Roaming/{data}"))
            # a terminal that keeps its data with itself
            roots.append(prefix.glob(f"drive_c/Program Files*/*/{edition.folder}"))
        found |= {place.parent: edition for root in roots for place in root if (place / "Experts").is_dir()}
    return sorted(found.items(), key=lambda pair: pair[0])


def install(sources: Path, terminal: Path) -> tuple[Edition, list[Path]]:
    """Copy the EA of that MetaTrader there, in the place of an older one; what was copied.

    :param sources: the folder mql5 of the sources; mql4 is beside it
    :param terminal: a data folder; its MQL5 or MQL4 folder will do as well
    :raises Rejected: NO_TERMINAL, NO_SOURCES
    """
    edition, target = edition_of(terminal)
    wanted = []
    for part, place in edition.copied:
        source = sources / part.relative_to("mql5") if part.parts[0] == "mql5" else sources.parent / part
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        wanted += [(file, target / place / file.name) for file in files]
    if missing := next((file for file, _ in wanted if not file.is_file()), None):
        raise Rejected(
            "NO_SOURCES",
            f"{missing} is not there",
            hint="give the folder mql5 of the sources by --from; mql4 is beside it",
            value=str(sources),
        )
    for source, place in wanted:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    return edition, [place for _, place in wanted]


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
    """Copy the Expert Advisor into the data folder of a MetaTrader 5 or 4."""
    if terminal is None:
        found = terminals(Path.home(), os.environ.get("APPDATA"))
        if not found:
            raise Rejected(
                "NO_TERMINAL",
                "no MetaTrader terminal was found",
                hint="give its data folder by --terminal: File > Open Data Folder",
            )
        return [{"terminal": str(folder), "copied": 0} for folder, _ in found]
    edition, copied = install(sources, terminal)
    for number, (english, japanese) in enumerate(zip(edition.steps["en"], edition.steps["ja"], strict=True), 1):
        click.echo(f"{number}. {english}\n   {japanese}", err=True)
    return [{"terminal": str(terminal), "copied": len(copied)}]
