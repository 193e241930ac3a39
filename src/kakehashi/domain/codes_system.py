"""The reason codes of the machine itself: store, doors, executors."""

from typing import Final

from kakehashi.domain.code import Code

_TOLD: Final = (
    ("DUPLICATE", 200, "the alert was received before", "受信済みのアラートです",
     "nothing: it is carried out once", "対応不要です（一度だけ執行されます）"),
    ("VENUE_REJECTED", 409, "the executor refused the order", "執行側が注文を拒否しました",
     "see retcode and reason with `kakehashi trace`", "`kakehashi trace` で retcode と理由を確認してください"),
    ("BODY_TIMEOUT", 400, "the body did not arrive in time", "本文が時間内に届きませんでした",
     "check the network between sender and hub", "送信元とハブの間の回線を確認してください"),
    ("PORT_TAKEN", 409, "the port cannot be listened on", "ポートを使用できません",
     "choose another port, or end the program that holds it", "別のポートを使うか、使用中のプログラムを終了してください"),
    ("BAD_TARGET", 422, "the target position cannot be understood", "目標ポジションを解釈できません",
     "send market_position long, short or flat, and its size", "market_position（long, short, flat）とサイズを送ってください"),
    ("BAD_SCOPE", 422, "no such token scope", "トークンのスコープが不正です",
     "webhook, ea, operator, admin, read or metrics", "webhook, ea, operator, admin, read, metrics のいずれか"),
    ("TOKEN_ENDED", 409, "the token is revoked or expired", "トークンは失効または期限切れです",
     "make a new one with `kakehashi token create`", "`kakehashi token create` で新しく発行してください"),
    ("STORE_TIMEOUT", 503, "the store did not confirm in time", "ストアの書き込みが時間内に確認できません",
     "the sender tries again by itself; check the disk", "送信元が自動で再送します。ディスクを確認してください"),
    ("UNKNOWN_ACCOUNT", 404, "the account is not known here", "未登録の口座です",
     "`kakehashi accounts add`", "`kakehashi accounts add` で登録してください"),
    ("BAD_STORE_URL", 422, "the store's URL is not understood", "ストアの URL が不正です",
     "sqlite:////abs/file.db or postgresql://...", "sqlite:////abs/file.db または postgresql://..."),
    ("STORE_OUTCOME_UNKNOWN", 503, "the store did not say whether it committed", "コミットの結果が不明です",
     "it is asked again by itself; check the database server", "自動で再確認します。データベースを確認してください"),
    ("UNSTORABLE_ROW", 500, "a row has no table", "保存先のない行です",
     "this is a bug: please report it", "不具合です。報告してください"),
    ("SCHEMA_OUTDATED", 409, "the store's tables are of another version", "ストアの表のバージョンが異なります",
     "`kakehashi db upgrade`", "`kakehashi db upgrade` を実行してください"),
    ("NO_SUCH_TABLE", 404, "no such table", "その表はありません", "see the message for the names", "名前はメッセージを参照"),
    ("NO_SUCH_COLUMN", 404, "no such column", "その列はありません", "see the message for the names", "名前はメッセージを参照"),
    ("BROKER_UNREACHABLE", 503, "the simulated broker does not answer", "模擬ブローカーに接続できません",
     "`kakehashi run broker`", "`kakehashi run broker` を起動してください"),
    ("BROKER_NO_ANSWER", 504, "the simulated broker gave no answer: the outcome is unknown",
     "模擬ブローカーの応答がなく結果は不明です",
     "look at positions and history before sending again", "再送の前にポジションと履歴を確認してください"),
    ("BAD_SIDE", 422, "side must be BUY or SELL", "side は BUY か SELL です",
     "correct the EA's message", "EA の送信内容を修正してください"),
    ("TOO_MANY_KEYS", 422, "too many keys in one ack", "一度の ack のキーが多すぎます",
     "send at most 200", "200 件以下で送ってください"),
    ("BAD_KEY", 422, "a key is empty or too long", "キーが空か長すぎます",
     "send the keys as they came in the poll", "poll で受け取ったキーをそのまま送ってください"),
    ("BAD_STATUS", 422, "no such result status", "結果の status が不正です",
     "filled, partial, placed, done, rejected, nack or taken", "filled, partial, placed, done, rejected, nack, taken のいずれか"),
)  # fmt: skip

SYSTEM_CODES: Final = tuple(Code(*row) for row in _TOLD)
