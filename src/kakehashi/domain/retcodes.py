"""What a trade server's answers and the package's errors mean, and what to do: for the API and the docs.

Numbers and names: MQL5 reference, "Return codes of the trade server"; the package's documentation of ``last_error``.
"""

from typing import Final, NamedTuple


class Told(NamedTuple):
    """One number, in two languages."""

    code: int
    name: str
    en: str
    ja: str
    fix_en: str
    fix_ja: str


RETCODES: Final = (
    Told(0, "OK", "the check passed (order_check)", "検査に合格(order_check)", "send it", "そのまま送信できます"),
    Told(10004, "REQUOTE", "the price has changed", "価格が変わりました", "ask for the price again and send anew", "価格を取り直して送り直す"),
    Told(10006, "REJECT", "the request was rejected", "リクエストは拒否されました", "see the comment; ask the broker", "comment を確認しブローカーに問い合わせる"),
    Told(10007, "CANCEL", "the trader cancelled it", "トレーダーが取り消しました", "nothing was done", "何も執行されていません"),
    Told(10008, "PLACED", "the order was placed", "注文は受け付けられました", "look for it in orders_get and history", "orders_get と履歴で確認する"),
    Told(10009, "DONE", "it was done", "完了しました", "nothing", "対応不要"),
    Told(10010, "DONE_PARTIAL", "only a part was done", "一部だけ約定しました", "volume says how much", "volume で約定数量を確認する"),
    Told(10011, "ERROR", "the request could not be processed", "処理エラーです", "look at positions before sending again", "再送前にポジションを確認する"),
    Told(10012, "TIMEOUT", "the server gave no answer in time", "サーバーの応答がありません", "it may have been done: look before sending again", "執行済みの可能性あり。再送前に確認する"),
    Told(10013, "INVALID", "the request is not valid", "リクエストが不正です", "check action, type and symbol", "action, type, symbol を確認する"),
    Told(10014, "INVALID_VOLUME", "the volume is not allowed", "数量が不正です", "see volume_min, volume_max, volume_step", "volume_min, volume_max, volume_step を確認する"),
    Told(10015, "INVALID_PRICE", "the price is on the wrong side or badly rounded", "価格が不正です", "compare with bid and ask; round to digits", "bid/ask と比べ、桁を丸める"),
    Told(10016, "INVALID_STOPS", "SL or TP is too near or on the wrong side", "SL/TP が不正です", "see trade_stops_level", "trade_stops_level を確認する"),
    Told(10017, "TRADE_DISABLED", "trading is disabled", "取引が無効です", "see trade_mode of the symbol and the account", "銘柄と口座の trade_mode を確認する"),
    Told(10018, "MARKET_CLOSED", "the market is closed", "市場は閉まっています", "wait for the next session", "取引時間まで待つ"),
    Told(10019, "NO_MONEY", "there is not enough free margin", "証拠金が不足しています", "a smaller volume; order_calc_margin", "数量を減らす(order_calc_margin)"),
    Told(10020, "PRICE_CHANGED", "the price has changed", "価格が変わりました", "ask for the price again", "価格を取り直す"),
    Told(10021, "PRICE_OFF", "there are no quotes", "価格がありません", "wait for prices; symbol_select", "価格を待つ(symbol_select)"),
    Told(10022, "INVALID_EXPIRATION", "the expiration is not valid", "有効期限が不正です", "see expiration_mode; use the server's time", "expiration_mode を確認しサーバー時刻で指定する"),
    Told(10023, "ORDER_CHANGED", "the order has changed meanwhile", "注文が変更されています", "read it again", "読み直す"),
    Told(10024, "TOO_MANY_REQUESTS", "too many requests", "リクエストが多すぎます", "slow down", "間隔を空ける"),
    Told(10025, "NO_CHANGES", "nothing would change", "変更がありません", "it is as wished already", "すでに目的の状態です"),
    Told(10026, "SERVER_DISABLES_AT", "the server forbids automated trading", "サーバーが自動売買を禁止しています", "ask the broker", "ブローカーに確認する"),
    Told(10027, "CLIENT_DISABLES_AT", "the terminal forbids automated trading", "端末が自動売買を禁止しています", "switch Algo Trading on in the terminal", "端末のアルゴリズム取引を有効にする"),
    Told(10028, "LOCKED", "the request is locked for processing", "処理中でロックされています", "wait and look", "待ってから確認する"),
    Told(10029, "FROZEN", "the order or position is frozen near its trigger", "凍結レベル内です", "see trade_freeze_level", "trade_freeze_level を確認する"),
    Told(10030, "INVALID_FILL", "the filling mode is not supported", "フィリングモードが不正です", "see filling_mode of the symbol", "銘柄の filling_mode を確認する"),
    Told(10031, "CONNECTION", "there is no connection to the server", "サーバーに接続していません", "it may have been sent: look before sending again", "送信済みの可能性あり。再送前に確認する"),
    Told(10032, "ONLY_REAL", "allowed on real accounts only", "リアル口座のみ可能です", "use a real account", "リアル口座を使う"),
    Told(10033, "LIMIT_ORDERS", "the most pending orders are reached", "予約注文数の上限です", "delete some", "不要な注文を削除する"),
    Told(10034, "LIMIT_VOLUME", "the volume limit of the symbol is reached", "銘柄の数量上限です", "see volume_limit", "volume_limit を確認する"),
    Told(10035, "INVALID_ORDER", "the order is wrong or forbidden", "注文が不正または禁止です", "check its ticket", "チケットを確認する"),
    Told(10036, "POSITION_CLOSED", "the position is closed already", "ポジションは決済済みです", "look for its deal", "約定履歴を確認する"),
    Told(10038, "INVALID_CLOSE_VOLUME", "the volume is over the position's", "決済数量が保有数量を超えています", "a volume up to the position's", "保有数量以下にする"),
    Told(10039, "CLOSE_ORDER_EXIST", "a close order exists already", "決済注文がすでにあります", "wait for it", "その結果を待つ"),
    Told(10040, "LIMIT_POSITIONS", "the most positions are reached", "ポジション数の上限です", "close some", "いくつか決済する"),
    Told(10041, "REJECT_CANCEL", "the pending order's activation was rejected", "予約注文の発動が拒否されました", "see its history", "履歴を確認する"),
    Told(10042, "LONG_ONLY", "only long positions are allowed", "買いのみ可能です", "see trade_mode", "trade_mode を確認する"),
    Told(10043, "SHORT_ONLY", "only short positions are allowed", "売りのみ可能です", "see trade_mode", "trade_mode を確認する"),
    Told(10044, "CLOSE_ONLY", "only closing is allowed", "決済のみ可能です", "see trade_mode", "trade_mode を確認する"),
    Told(10045, "FIFO_CLOSE", "positions close in the order they were opened", "先入れ先出しで決済してください", "close the oldest first", "古いものから決済する"),
    Told(10046, "HEDGE_PROHIBITED", "opposite positions are forbidden", "両建ては禁止です", "close the opposite first", "反対ポジションを先に決済する"),
)  # fmt: skip

LAST_ERRORS: Final = (
    Told(1, "RES_S_OK", "success", "成功", "nothing", "対応不要"),
    Told(-1, "RES_E_FAIL", "a general failure", "一般的な失敗", "see the terminal's journal", "端末のジャーナルを確認する"),
    Told(-2, "RES_E_INVALID_PARAMS", "an argument is not valid", "引数が不正です", "the text names it", "文中の引数を直す"),
    Told(-3, "RES_E_NO_MEMORY", "out of memory", "メモリ不足です", "ask for less at once", "一度の取得量を減らす"),
    Told(-4, "RES_E_NOT_FOUND", "no such symbol or no history", "銘柄または履歴がありません", "check the name; symbol_select", "名前を確認する(symbol_select)"),
    Told(-5, "RES_E_INVALID_VERSION", "terminal and package do not fit", "端末とパッケージの版が合いません", "update both", "両方を更新する"),
    Told(-6, "RES_E_AUTH_FAILED", "log-in refused", "ログインに失敗しました", "check login, password and server", "login, password, server を確認する"),
    Told(-7, "RES_E_UNSUPPORTED", "not supported", "未対応です", "another way", "別の方法を使う"),
    Told(-8, "RES_E_AUTO_TRADING_DISABLED", "automated trading is off", "自動売買が無効です", "switch Algo Trading on in the terminal", "端末のアルゴリズム取引を有効にする"),
    Told(-10000, "RES_E_INTERNAL_FAIL", "an internal error between package and terminal", "内部エラーです", "the session is watched; see its state", "セッションの state を確認する"),
    Told(-10001, "RES_E_INTERNAL_FAIL_SEND", "it could not be sent, or is proven not to have been carried out", "送信できない、または未執行と確認済みです", "nothing was done: it may be sent again", "何も執行されていません。再送できます"),
    Told(-10002, "RES_E_INTERNAL_FAIL_RECEIVE", "sent, and no answer", "送信済みですが応答がありません", "an order's outcome is looked for by the bridge", "注文の結果はブリッジが確認します"),
    Told(-10003, "RES_E_INTERNAL_FAIL_INIT", "the terminal cannot be started", "端末を起動できません", "check its path; a desktop is needed", "パスを確認。デスクトップが必要です"),
    Told(-10004, "RES_E_INTERNAL_FAIL_CONNECT", "there is no terminal", "端末に接続していません", "the session starts a new one", "セッションが新しい端末を起動します"),
    Told(-10005, "RES_E_INTERNAL_FAIL_TIMEOUT", "the terminal gave no answer", "端末の応答がありません", "an order's outcome is looked for by the bridge", "注文の結果はブリッジが確認します"),
)  # fmt: skip
