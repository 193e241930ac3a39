"""Every reason code, in one table: for HTTP, CLI, logs and docs (law 7)."""

from collections.abc import Mapping
from typing import Final

from kakehashi.domain.code import Code
from kakehashi.domain.codes_bridge import BRIDGE_CODES
from kakehashi.domain.codes_ea import EA_CODES
from kakehashi.domain.codes_input import INPUT_CODES
from kakehashi.domain.codes_link import LINK_CODES
from kakehashi.domain.codes_system import SYSTEM_CODES
from kakehashi.domain.codes_trade import TRADE_CODES
from kakehashi.domain.codes_watch import WATCH_CODES
from kakehashi.domain.errors import Rejected

__all__ = ["CODES", "Code", "Refused", "refused", "render"]

_GENERAL: Final = (
    Code(
        "UNAUTHORIZED",
        401,
        "no valid token",
        "トークンが無効です",
        "`kakehashi token create`; check expiry and revocation",
        "`kakehashi token create` で発行し、期限と失効を確認してください",
    ),
    Code(
        "FORBIDDEN",
        403,
        "the token may not do this",
        "このトークンには権限がありません",
        "use a token of the right scope",
        "適切なスコープのトークンを使ってください",
    ),
    Code(
        "RATE_LIMITED",
        429,
        "too many requests",
        "リクエストが多すぎます",
        "slow down, or raise the limit",
        "間隔を空けるか上限を上げてください",
    ),
    Code(
        "STORE_UNAVAILABLE",
        503,
        "it could not be written durably",
        "保存できませんでした",
        "nothing was accepted: send it again; check the disk and the database",
        "受理されていません。再送し、ディスクと DB を確認してください",
    ),
    Code(
        "NOT_OWNER",
        503,
        "this process does not own the account",
        "このプロセスは口座を所有していません",
        "another process took over; send it again",
        "別プロセスに移りました。再送してください",
    ),
    Code(
        "OWNED",
        409,
        "another process owns {owner}",
        "{owner} は別プロセスが所有しています",
        "stop the other process first",
        "先に別プロセスを停止してください",
    ),
    Code(
        "DUPLICATE_KEY",
        409,
        "{key} exists already",
        "{key} は既に存在します",
        "choose another name",
        "別の名前にしてください",
    ),
    Code(
        "VERSION_CONFLICT",
        409,
        "it was changed by someone else meanwhile",
        "他で変更されています",
        "read it again, then change it",
        "読み直してから変更してください",
    ),
    Code(
        "AUDIT_BROKEN",
        500,
        "the audit chain does not verify at row {row}",
        "監査チェーンが {row} 行目で不整合です",
        "stop, keep the file, restore a backup",
        "停止してファイルを保全し、バックアップから復元してください",
    ),
    Code(
        "ILLEGAL_TRANSITION",
        409,
        "{what} cannot happen in state {state}",
        "状態 {state} で {what} は起こり得ません",
        "see the trace; this is a bug or a broken executor",
        "トレースを確認してください(不具合または実行側の異常)",
    ),
    Code(
        "NOT_FOUND", 404, "{what} does not exist", "{what} は存在しません", "check the name", "名前を確認してください"
    ),
    Code(
        "NOT_RUNNING",
        503,
        "the hub is not running",
        "ハブが起動していません",
        "`kakehashi up`",
        "`kakehashi up` を実行してください",
    ),
    Code(
        "CONFLICT",
        409,
        "it conflicts with {what}",
        "{what} と競合しています",
        "resolve the conflict first",
        "先に競合を解消してください",
    ),
    Code(
        "LEASE_CONFLICT",
        409,
        "instance {instance} is already polling this account",
        "インスタンス {instance} が既にポーリング中です",
        "stop one of the two EAs, or give them different symbols",
        "片方の EA を止めるか銘柄を分けてください",
    ),
    Code(
        "BAD_CONFIG",
        400,
        "configuration: {why}",
        "設定エラー: {why}",
        "`kakehashi config check`",
        "`kakehashi config check` を実行してください",
    ),
    Code(
        "USAGE",
        400,
        "the command was not understood: {why}",
        "コマンドを解釈できません: {why}",
        "see --help",
        "--help を参照してください",
    ),
    Code(
        "INTERNAL",
        500,
        "an unexpected error",
        "予期しないエラー",
        "see the log by the trace id",
        "ログをトレース ID で確認してください",
    ),
)

ALL_CODES: Final = (
    *_GENERAL,
    *TRADE_CODES,
    *SYSTEM_CODES,
    *INPUT_CODES,
    *LINK_CODES,
    *WATCH_CODES,
    *EA_CODES,
    *BRIDGE_CODES,
)
CODES: Final[Mapping[str, Code]] = {entry.code: entry for entry in ALL_CODES}


class _Blanks(dict[str, str]):
    """A value that was not given is shown as ``?``: a text must never fail to be shown."""

    def __missing__(self, key: str) -> str:
        return "?"


def render(code: str, lang: str = "en", **values: object) -> str:
    """The text of a code; an unknown code is its own text.

    :param lang: ``en`` or ``ja``
    """
    entry = CODES.get(code)
    if entry is None:
        return code
    text = entry.ja if lang == "ja" else entry.en
    return text.format_map(_Blanks({key: str(value) for key, value in values.items()}))


class Refused(Rejected):
    """A rule says no. ``values`` fill the code's text in any language."""

    def __init__(self, code: str, values: dict[str, str]) -> None:
        super().__init__(code, render(code, **values), hint=CODES[code].fix_en)
        self.values = values


def refused(code: str, **values: object) -> Refused:
    """The refusal to raise, its text taken from the table."""
    return Refused(code, {key: str(value) for key, value in values.items()})
