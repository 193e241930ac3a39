"""When people are told, of what and how (sections ``incidents`` and ``notify``)."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from kakehashi.config.secrets import bad_config, resolve_secret
from kakehashi.config.section import Section, setting
from kakehashi.domain.errors import Malformed
from kakehashi.domain.markethours import market_hours


def check_hours(text: str) -> str:
    """Let market hours pass as they are written. :raises ValueError: they make no sense"""
    try:
        market_hours(text)
    except Malformed as e:
        raise ValueError(e.message) from e
    return text


class IncidentsSettings(Section):
    stale_s: float = setting(
        20.0,
        "Seconds a linked account may go without a proven mirror before EA_STALE is raised.",
        "ミラーを確認できない状態がこの秒数続くと EA_STALE を通知する。",
        gt=0,
        le=86_400,
    )
    stopped_s: float = setting(
        60.0,
        "Seconds an EA may be away before EA_STOPPED is raised, with the procedure for trading by hand.",
        "EA の不在がこの秒数続くと EA_STOPPED を手動発注の手順とともに通知する。",
        gt=0,
        le=86_400,
    )
    in_doubt_s: float = setting(
        60.0,
        "Seconds an order's outcome may stay unknown before IN_DOUBT is raised.",
        "注文の結果がこの秒数不明のままなら IN_DOUBT を通知する。",
        gt=0,
        le=86_400,
    )
    missing_s: float = setting(
        10.0,
        "Seconds a position may be gone without its deal before POSITION_MISSING is raised.",
        "ポジションが約定なしに消えてからこの秒数で POSITION_MISSING を通知する。",
        ge=0,
        le=3600,
    )
    renotify_s: float = setting(
        1800.0,
        "Seconds after which an incident nobody acknowledged is told again, as critical; then twice as long, and so on.",
        "確認されないインシデントを重大として再通知するまでの秒数。以後は間隔を倍にする。",
        ge=60,
        le=86_400,
    )
    market_hours: Annotated[str, AfterValidator(check_hours)] = setting(
        "fx",
        "When a stopped EA is no outage: fx (Fri 22:00 to Sun 22:00 UTC), always (always open), or closed times of your own;"
        " an account may have its own.",
        "EA の停止を障害としない時間帯。fx（金 22:00〜日 22:00 UTC）、always（常に開場）、または閉場時間。口座ごとにも設定可。",
        example="fri 21:00-sun 22:00",
    )


class NotifySettings(Section):
    targets: str = setting(
        "",
        "Who is told of incidents: NAME=URL, several separated by spaces or lines; the URLs are Apprise's.",
        "インシデントの通知先。NAME=URL を空白か改行で区切る。URL は Apprise の形式。",
        secret=True,
        hidden=True,
        example="mail=mailtos://user:password@example.com ops=slack://A/B/C",
    )
    targets_file: Path | None = setting(
        None,
        "A file that holds the targets, one a line, so that their passwords are in no environment.",
        "通知先を 1 行に 1 件書いたファイル。パスワードを環境変数に置かないため。",
        example="/run/secrets/notify_targets",
    )
    language: Literal["en", "ja"] = setting("en", "Language of the messages.", "通知の言語。")
    min_severity: Literal["INFO", "WARNING", "CRITICAL"] = setting(
        "WARNING", "Least severity that is sent; all are listed.", "送信する最低の重大度。一覧にはすべて残る。"
    )
    runbook_url: str = setting(
        "docs/{lang}/runbook/",
        "What stands before CODE.md in a message's link to its runbook page; {lang} becomes en or ja.",
        "通知中のランブックへのリンクの前半。{lang} は en か ja になる。",
        example="https://wiki.example.com/kakehashi/{lang}/runbook/",
    )
    attempts: int = setting(
        12,
        "Tries to deliver one message before NOTICE_UNDELIVERED says that it failed.",
        "配信の試行回数。超えると NOTICE_UNDELIVERED になる。",
        ge=1,
        le=100,
    )
    retry_s: float = setting(
        5.0,
        "Seconds before the second try; doubled each time, at most ten minutes.",
        "再試行までの秒数。毎回倍になり、最大 10 分。",
        gt=0,
        le=600,
    )
    timeout_s: float = setting(15.0, "Seconds one try may take.", "1 回の配信にかける秒数の上限。", gt=0, le=300)

    def resolved_targets(self) -> dict[str, str]:
        """Name to Apprise URL, from the file or the secret manager where one is named.

        :raises KakehashiError: BAD_CONFIG: it cannot be read, or a line is not NAME=URL
        """
        text = resolve_secret(self.targets, self.targets_file, key="notify.targets")
        found: dict[str, str] = {}
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        for entry in " ".join(lines).split():
            match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=(\S+://\S+)", entry)
            if match is None or match[1] in found:
                raise bad_config("notify.targets", f"entry {len(found) + 1} is not NAME=URL with a name of its own")
            found[match[1]] = match[2]
        return found
