"""The reason codes of the link to an Expert Advisor."""

from typing import Final

from kakehashi.domain.code import Code

_TOLD: Final = (
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
    ("HUB_UNREACHABLE", 503, "the EA has no connection to the hub", "EA がハブに接続できません",
     "it is tried again by itself; check the hub's address and the EA's token",
     "自動で再接続します。ハブのアドレスと EA のトークンを確認してください"),
    ("JOURNAL_HELD", 409, "the journal belongs to another EA that is running", "ジャーナルは実行中の別の EA が使用しています",
     "one EA for each account: stop the other one", "1 口座に EA は 1 つです。もう一方を停止してください"),
    ("JOURNAL_FAILED", 503, "the EA's journal cannot be written", "EA のジャーナルに書き込めません",
     "the EA has stopped: what is not written down is not done. Make room on the disk, then start it again",
     "EA は停止しました（記録できない注文は執行しません）。ディスクの空きを確保して再起動してください"),
    ("NOT_A_JOURNAL", 422, "the file is not a journal of the link", "リンク用のジャーナルではありません",
     "give the link a file of its own: the mailbox EA's is another kind",
     "リンク専用のファイルを指定してください（ポーリング EA のジャーナルとは別の形式です）"),
    ("EVENTS_LOST", 409, "the EA no longer has events that the hub has not seen",
     "ハブが受け取っていないイベントが EA に残っていません",
     "compare orders and positions with the terminal", "注文とポジションを端末と照合してください"),
)  # fmt: skip

LINK_CODES: Final = tuple(Code(*row) for row in _TOLD)
