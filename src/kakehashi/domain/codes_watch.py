"""The reason codes of incidents that nothing else reports: what the hub notices by watching."""

from typing import Final

from kakehashi.domain.code import Code

_TOLD: Final = (
    ("EA_STALE", 409, "the account's mirror is not proven right", "口座のミラーの正しさを確認できません",
     "check the EA's connection; entries wait meanwhile, closing goes on",
     "EA の接続を確認してください（新規は保留、決済は可能です）"),
    ("EA_STOPPED", 409, "the EA has stopped: nobody carries out orders on the account",
     "EA が停止しています。この口座では注文が執行されません",
     "start the terminal and the EA; until then trade by hand, as the runbook page says",
     "端末と EA を起動してください。それまではランブックの手順で手動発注してください"),
    ("SYNC_OVERDUE", 409, "the EA is back, but its snapshot has not come",
     "EA は再接続しましたが、同期データが届きません",
     "`kakehashi accounts resync NAME`; see whether the terminal is connected to its broker",
     "`kakehashi accounts resync NAME` を実行し、端末とブローカーの接続を確認してください"),
    ("IN_DOUBT", 409, "an order was sent and its outcome is still not known", "送信した注文の結果がまだ分かりません",
     "look into the terminal's history; do not send it again",
     "端末の履歴を確認してください。再発注はしないでください"),
    ("POSITION_MISSING", 409, "a position is gone and its deal has not come yet",
     "ポジションが消え、約定がまだ届いていません",
     "wait a minute: history is asked; then look into the terminal",
     "1 分待ってください（履歴を照会中です）。その後、端末を確認してください"),
    ("DEAD_LETTER", 409, "orders wait in the dead letters for a person", "デッドレターに人の判断を待つ注文があります",
     "`kakehashi dlq list`; look at the account, then retry or discard",
     "`kakehashi dlq list` を見て、口座を確認のうえ再試行か破棄をしてください"),
    ("NOTICE_UNDELIVERED", 503, "a notification could not be delivered", "通知を配信できませんでした",
     "`kakehashi notify test`; correct notify.targets", "`kakehashi notify test` で確認し、notify.targets を直してください"),
    ("BAD_TARGET_URL", 422, "a notification target is not understood", "通知先の URL を解釈できません",
     "NAME=URL, one a line; the URLs are Apprise's, such as mailtos:// or slack://",
     "1 行に NAME=URL。URL は Apprise の形式（mailtos://、slack:// など）です"),
    ("INCIDENT_OVER", 409, "the incident is over already", "このインシデントはすでに終了しています",
     "`kakehashi incidents list`", "`kakehashi incidents list` で確認してください"),
)  # fmt: skip

WATCH_CODES: Final = tuple(Code(*row) for row in _TOLD)
