"""The reason codes of the MT5 bridge."""

from typing import Final

from kakehashi.domain.code import Code

_TOLD: Final = (
    ("NOT_EXECUTED", 503, "the terminal died, and the broker shows that the request was not carried out",
     "端末が停止し、注文は執行されていないことを確認しました",
     "send it again under a new id if it is still wanted", "必要なら新しい id で再送してください"),
    ("SESSION_RESTARTING", 503, "the session's terminal is being replaced, and its queue is full",
     "端末の再起動中で、待ち行列が満杯です", "try again in a second", "少し待って再送してください"),
    ("SESSION_FAILED", 503, "the session's terminal cannot be started", "セッションの端末を起動できません",
     "the message says why; it is tried again by itself", "理由はメッセージを参照。自動で再試行します"),
    ("SESSION_CLOSED", 409, "the session was closed", "セッションは閉じられました",
     "create another one", "新しいセッションを作成してください"),
    ("LOGIN_FAILED", 422, "the terminal could not log in", "端末がログインできません",
     "check login, password and server", "login, password, server を確認してください"),
    ("TOO_MANY_SESSIONS", 429, "there are as many sessions as are allowed", "セッション数が上限です",
     "delete one, or raise bridge.max_sessions", "不要なものを削除するか bridge.max_sessions を上げてください"),
    ("QUEUE_FULL", 429, "too many commands wait for the session", "待機中のコマンドが多すぎます",
     "wait for answers, or raise bridge.queue_max", "応答を待つか bridge.queue_max を上げてください"),
    ("NO_SUCH_COMMAND", 404, "the package has no such function", "その関数はありません",
     "see the command reference", "コマンド一覧を参照してください"),
    ("COMMAND_REFUSED", 403, "a session logs in and out by itself", "ログインと終了はセッション自身が行います",
     "create a session to log in, delete it to shut down", "ログインは create、終了は DELETE を使ってください"),
    ("ID_REUSED", 409, "the command id stands for another command", "この id は別のコマンドで使われています",
     "give each command an id of its own", "コマンドごとに別の id を付けてください"),
    ("ALREADY_SENT", 409, "the terminal has the command already", "コマンドは送信済みです",
     "wait for its answer", "応答を待ってください"),
    ("CANCELLED", 409, "the command was cancelled before it was sent", "コマンドは送信前に取り消されました",
     "nothing: it was not carried out", "対応不要です(執行されていません)"),
    ("KEY_MISMATCH", 409, "the stored password was sealed with another key", "保存済みパスワードの鍵が異なります",
     "give the bridge its old key, or delete the session and create it again",
     "元の bridge.key に戻すか、セッションを作り直してください"),
    ("BRIDGE_KEY", 503, "the bridge's key file cannot be used", "ブリッジの鍵ファイルを使えません",
     "set bridge.key_file to a file that can be read", "読み取れるファイルを bridge.key_file に指定してください"),
    ("FOLDER_TAKEN", 409, "another bridge uses the terminal's directory", "端末のディレクトリは別のブリッジが使用中です",
     "stop the other bridge", "もう一方のブリッジを止めてください"),
    ("TERMINAL_FAILED", 502, "the terminal did not give what was asked of it", "端末が情報を返しません",
     "see the package's last_error in the message", "メッセージの last_error を確認してください"),
    ("BAD_SERVER", 422, "the server's name is not allowed", "server の指定が不正です",
     "a broker's server name, or the bridge's own trade server", "ブローカーのサーバー名を指定してください"),
    ("BRIDGE_UNREACHABLE", 503, "the bridge does not answer", "ブリッジに接続できません",
     "`kakehashi run bridge`", "`kakehashi run bridge` を起動してください"),
)  # fmt: skip

BRIDGE_CODES: Final = tuple(Code(*row) for row in _TOLD)
