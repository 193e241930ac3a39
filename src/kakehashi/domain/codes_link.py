"""The reason codes of the link to an Expert Advisor."""

from typing import Final

from kakehashi.domain.code import Code

_TOLD: Final = (
    ("NO_LINK", 409, "the account's EA has never been connected over the link",
     "この口座の EA はまだリンクで接続していません",
     "connect it first: docs, EA link", "先に EA を接続してください（EA リンクの文書）"),
    ("BAD_LINK_TIMERS", 422, "heartbeat < stale < dead < lease does not hold",
     "heartbeat < stale < dead < lease になっていません",
     "set link.heartbeat_s alone: the others follow it", "link.heartbeat_s だけを設定すると他は自動で決まります"),
    ("LEASE_HELD", 409, "another EA holds the account", "別の EA がこの口座を担当しています",
     "stop one of the two; a stopped one is replaced when its lease has run out",
     "どちらかを停止してください（停止した EA のリースが切れると交代します）"),
    ("JOURNAL_BACK", 409, "the EA's journal knows less than the hub has seen",
     "EA のジャーナルがハブの記録より古くなっています",
     "nothing: the EA takes a new instance id; what is in doubt is asked for",
     "対応不要です（EA が新しい ID で接続し、不明な注文は照会されます）"),
    ("INSTANCE_CLONED", 409, "one EA instance runs on two machines", "同じ EA が 2 台で動いています",
     "stop the copy; each EA takes a new instance id when it is started again",
     "複製を停止してください（再起動すると新しい ID になります）"),
    ("HUB_RESTORED", 409, "the EA knows more than the hub: the hub was restored from an old copy",
     "EA の記録がハブより新しくなっています（ハブが古いバックアップから復元されました）",
     "compare positions and orders with the terminal, then confirm the account",
     "端末のポジションと注文を確認してから口座を承認してください"),
    ("MIRROR_MISMATCH", 409, "the mirror differs from the terminal twice running", "ミラーが端末と 2 回続けて一致しません",
     "a new snapshot is asked for by itself; if it comes again, compare with the terminal",
     "自動で再同期します。繰り返す場合は端末と照合してください"),
    ("CLOSED_UNEXPLAINED", 409, "a position is gone and no deal says why", "ポジションが消えましたが約定が見つかりません",
     "look into the terminal's history", "端末の履歴を確認してください"),
    ("RESULT_CONFLICT", 409, "an order ended in two ways", "注文の結果が二通り報告されました",
     "compare the order with the terminal's history", "端末の履歴と照合してください"),
    ("EXECUTED_AFTER_ALL", 409, "an order taken for not executed was executed", "未執行とされた注文が執行されていました",
     "check that the position is wanted", "そのポジションが必要か確認してください"),
    ("BAD_RESULT", 422, "the EA told a result that does not exist", "EA が存在しない結果を報告しました",
     "update the EA", "EA を更新してください"),
    ("EA_ERROR", 409, "the EA refused a frame", "EA がフレームを拒否しました",
     "the message says which; update the EA", "メッセージを確認し、EA を更新してください"),
    ("EVENTS_LOST", 409, "the EA no longer has events that the hub has not seen",
     "ハブが受け取っていないイベントが EA に残っていません",
     "compare orders and positions with the terminal", "注文とポジションを端末と照合してください"),
)  # fmt: skip

LINK_CODES: Final = tuple(Code(*row) for row in _TOLD)
