"""The kinds of incidents: how bad each is, how long it must last, when it is over, what a person can do.

One line a kind; the text is the reason code's. Every kind has a runbook page of its name in docs/en/runbook and
docs/ja/runbook. Source: S1.5, S0.9; PROTOCOL section 3 (page).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from kakehashi.domain.codes import render


class Severity(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Ends(StrEnum):
    """What ends an incident of a kind."""

    GONE = "GONE"
    """Its condition is gone."""
    QUIET = "QUIET"
    """It has not been reported again for a while."""
    SEEN = "SEEN"
    """It happened, and nothing undoes it: a person acknowledges it, and it did not come again."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar hold_ms: how long the condition must last first
    :ivar outage: counts in market hours only, and not during maintenance
    :ivar escalates: told again, and as critical, while nobody acknowledges it
    :ivar actions_en: what to do, in order
    """

    code: str
    severity: Severity
    ends: Ends
    hold_ms: int = 0
    outage: bool = False
    escalates: bool = True
    actions_en: tuple[str, ...]
    actions_ja: tuple[str, ...]

    def text(self, lang: str) -> str:
        return render(self.code, lang)

    def actions(self, lang: str) -> tuple[str, ...]:
        return self.actions_ja if lang == "ja" else self.actions_en


def _kind(
    code: str, severity: Severity, ends: Ends, en: str, ja: str, *,
    hold_s: int = 0, outage: bool = False, escalates: bool = True,
) -> Kind:  # fmt: skip
    return Kind(
        code=code,
        severity=severity,
        ends=ends,
        hold_ms=hold_s * 1000,
        outage=outage,
        escalates=escalates,
        actions_en=tuple(en.split("; ")),
        actions_ja=tuple(ja.split("; ")),
    )


INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
GONE, QUIET, SEEN = Ends.GONE, Ends.QUIET, Ends.SEEN

_TABLE: Final = (
    _kind("EA_STALE", WARNING, GONE,
          "Check the EA's connection; Check that MetaTrader runs and is connected to its broker; Restart the EA if needed",
          "EA の接続を確認する; MetaTrader が起動しブローカーに接続しているか確認する; 必要なら EA を再起動する",
          hold_s=20, outage=True, escalates=False),
    _kind("EA_STOPPED", CRITICAL, GONE,
          "Start MetaTrader and the EA (AutoTrading on); If that fails, log in to the account with another terminal or the"
          " broker's app; Close or protect by hand what is listed as open; Do not repeat by hand what was in flight before"
          " you have seen the history",
          "MetaTrader と EA を起動する（自動売買オン）; できなければ別の端末かブローカーのアプリで口座にログインする;"
          " 下記の保有ポジションを手動で決済または保護する; 送信途中の注文は、履歴を見るまで手動で繰り返さない",
          hold_s=60, outage=True),
    _kind("SYNC_OVERDUE", WARNING, GONE,
          "Run: kakehashi accounts resync NAME; Check that the terminal is connected to its broker; Restart the EA",
          "kakehashi accounts resync NAME を実行する; 端末がブローカーに接続しているか確認する; EA を再起動する",
          hold_s=30, outage=True),
    _kind("IN_DOUBT", CRITICAL, GONE,
          "Look for the order in the terminal's history by its magic; Do not send it again; It clears by itself when the EA"
          " finds proof",
          "端末の履歴を magic で探す; 再発注しない; EA が証拠を見つければ自動で解消する", hold_s=60),
    _kind("POSITION_MISSING", WARNING, GONE,
          "Wait a minute: history is being asked; Compare with the terminal's history tab",
          "1 分待つ（履歴を照会中）; 端末の履歴タブと照合する", hold_s=10),
    _kind("CLOSED_UNEXPLAINED", CRITICAL, SEEN,
          "Look into the terminal's history for how the position ended; Ask the broker if there is nothing",
          "ポジションがどう終わったか端末の履歴を調べる; 何もなければブローカーに問い合わせる"),
    _kind("EXPIRED_ENTRY", WARNING, SEEN,
          "See why nobody took the entry: EA away, stale or killed; Enter by hand only if the price is still right",
          "新規注文が執行されなかった理由を確認する（EA 停止、ミラー未確認、キルスイッチ）;"
          " 価格がまだ妥当な場合だけ手動で発注する", escalates=False),
    _kind("DEAD_LETTER", CRITICAL, GONE,
          "Run: kakehashi dlq list; Look at the account: it may have been executed; Then retry or discard each",
          "kakehashi dlq list を実行する; 口座を確認する（執行済みの可能性がある）; 一件ずつ再試行か破棄を選ぶ"),
    _kind("UNCONFIRMED", WARNING, GONE,
          "Look at the account: was it executed?; Update the EA so that it reports results",
          "口座で執行されたか確認する; 結果を報告する EA に更新する"),
    _kind("MIRROR_MISMATCH", WARNING, GONE,
          "Nothing at first: a new snapshot is asked for; If it stays, compare positions list with the terminal",
          "まず対応不要（再同期を要求済み）; 続く場合は positions list を端末と照合する"),
    _kind("LEASE_HELD", WARNING, QUIET,
          "Find the second EA on this account and stop it; A stopped EA is replaced within the lease",
          "この口座で動くもう一つの EA を探して止める; 停止した EA はリースが切れると交代する", escalates=False),
    _kind("INSTANCE_CLONED", CRITICAL, QUIET,
          "Stop the copied machine; Restart the EA that shall stay", "複製されたマシンを止める; 残す EA を再起動する"),
    _kind("SERVER_MISMATCH", CRITICAL, QUIET,
          "Log the terminal in to the right account and server; Check the EA's token and the account's number",
          "端末を正しい口座とサーバーにログインさせる; EA のトークンと口座番号を確認する"),
    _kind("JOURNAL_BACK", WARNING, QUIET,
          "Nothing: the EA takes a new instance id; Check orders in doubt with kakehashi orders list",
          "対応不要（EA が新しい ID で接続する）; 不明な注文は kakehashi orders list で確認する", escalates=False),
    _kind("HUB_RESTORED", CRITICAL, GONE,
          "Compare positions and orders with the terminal; Then run: kakehashi accounts confirm NAME",
          "ポジションと注文を端末と照合する; kakehashi accounts confirm NAME で承認する"),
    _kind("EVENTS_LOST", CRITICAL, SEEN,
          "Compare orders and fills with the terminal's history; Run: kakehashi accounts resync NAME",
          "注文と約定を端末の履歴と照合する; kakehashi accounts resync NAME を実行する"),
    _kind("RESULT_CONFLICT", CRITICAL, SEEN,
          "Compare the order with the terminal's history; Keep the EA's journal and log for a report",
          "注文を端末の履歴と照合する; EA のジャーナルとログを保存する"),
    _kind("EXECUTED_AFTER_ALL", CRITICAL, SEEN,
          "Decide whether the position is wanted; Close it by hand or with an exit alert if not",
          "そのポジションが必要か判断する; 不要なら手動か決済アラートで閉じる"),
    _kind("EXIT_OPENED", CRITICAL, SEEN,
          "Read what the EA says: taken back, or not; Compare the position with the terminal; Close by hand what is not"
          " wanted; Do not trade a netting account by hand while exits are under way",
          "EA の報告（戻したか否か）を読む; ポジションを端末と照合する; 不要な分は手動で決済する;"
          " ネッティング口座では決済の実行中に手動取引をしない"),
    _kind("PARTIAL_FILL", WARNING, SEEN,
          "Look at what is left of the position; Close the rest by hand or with the next exit",
          "ポジションの残りを確認する; 残りを手動か次の決済で閉じる", escalates=False),
    _kind("NOTICE_UNDELIVERED", WARNING, GONE,
          "Run: kakehashi notify test; Correct notify.targets; Meanwhile look at kakehashi incidents list yourself",
          "kakehashi notify test を実行する; notify.targets を直す; それまでは kakehashi incidents list を自分で見る"),
    _kind("EA_ERROR", INFO, QUIET, "Read the message; Update the EA", "メッセージを読む; EA を更新する", escalates=False),
    _kind("BAD_RESULT", WARNING, SEEN,
          "Compare the order with the terminal; Update the EA", "注文を端末と照合する; EA を更新する", escalates=False),
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = {kind.code: kind for kind in _TABLE}


def kind_of(code: str) -> Kind:
    """The kind; one that nobody described is a warning that a person has to see."""
    found = KINDS.get(code)
    return found or Kind(code=code, severity=WARNING, ends=SEEN, escalates=False, actions_en=(), actions_ja=())
