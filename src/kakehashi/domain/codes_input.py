"""What can be wrong with an alert: every code the parsers raise, with its text and remedy."""

from typing import Final

from kakehashi.domain.code import Code


def _code(code: str, http: int, en: str, ja: str, fix_en: str, fix_ja: str) -> Code:
    return Code(code=code, http=http, en=en, ja=ja, fix_en=fix_en, fix_ja=fix_ja)


INPUT_CODES: Final[tuple[Code, ...]] = (
    _code(
        "EMPTY_BODY", 400,
        "The request has no body.",
        "本文が空です。",
        "Write the alert into TradingView's message field.",
        "TradingViewのメッセージ欄にアラート内容を書いてください。",
    ),
    _code(
        "TOO_LARGE", 413,
        "The body is larger than this door takes.",
        "本文が受け付ける上限を超えています。",
        "Send only the fields that matter.",
        "必要な項目だけを送ってください。",
    ),
    _code(
        "NOT_UTF8", 400,
        "The body is not UTF-8 text.",
        "本文がUTF-8ではありません。",
        "Send the message as UTF-8.",
        "UTF-8で送ってください。",
    ),
    _code(
        "BAD_CHARACTER", 400,
        "The body holds a character that cannot be stored.",
        "保存できない文字が含まれています。",
        "Remove NUL characters and halves of surrogate pairs.",
        "NUL文字や不完全なサロゲートを取り除いてください。",
    ),
    _code(
        "BAD_JSON", 400,
        "The body is not valid JSON.",
        "JSONとして正しくありません。",
        "Check quotes and commas at the line and column named.",
        "示された行と列の引用符とカンマを確認してください。",
    ),
    _code(
        "DUPLICATE_FIELD", 400,
        "A field is given twice.",
        "同じ項目が2回指定されています。",
        "Send each field once.",
        "各項目は1回だけ送ってください。",
    ),
    _code(
        "TOO_DEEP", 400,
        "The JSON is nested more than 16 deep.",
        "JSONの入れ子が16段を超えています。",
        "Send a flat object.",
        "入れ子の浅いオブジェクトを送ってください。",
    ),
    _code(
        "NOT_AN_OBJECT", 400,
        "The body is JSON, but not an object.",
        "JSONですが、オブジェクトではありません。",
        'Send one object: {"signal": ..., "symbol": ...}.', '{"signal": ..., "symbol": ...} の形で送ってください。',
    ),
    _code(
        "FORM_ENCODED", 400,
        "The body is form-encoded, which is not a format.",
        "フォーム形式の本文には対応していません。",
        "Send JSON or one of the text formats.",
        "JSONまたは対応するテキスト形式で送ってください。",
    ),
    _code(
        "UNKNOWN_FORMAT", 400,
        "The body is none of the known formats.",
        "対応する形式のいずれでもありません。",
        "Send JSON, PineConnector text, or e.g. buy 0.1 EURUSD sl=20 tp=40.",
        "JSON、PineConnector形式、または buy 0.1 EURUSD sl=20 tp=40 のように送ってください。",
    ),
    _code(
        "MANY_COMMANDS", 400,
        "The text holds more than one command.",
        "1つの本文に複数の命令があります。",
        "Send one command per alert, on one line.",
        "1アラートにつき1命令を1行で送ってください。",
    ),
    _code(
        "MISSING_FIELD", 400,
        "A required field is missing or empty.",
        "必須の項目がないか、空です。",
        "Add the field named.",
        "示された項目を追加してください。",
    ),
    _code(
        "PLACEHOLDER_LEFT", 422,
        "A placeholder was not filled in by TradingView.",
        "プレースホルダーが置き換えられないまま届きました。",
        "Check its spelling; {{strategy...}} works in strategy alerts only.",
        "綴りを確認してください。{{strategy...}}はストラテジーのアラートでのみ使えます。",
    ),
    _code(
        "UNKNOWN_SIGNAL", 422,
        "The signal or action is not known.",
        "シグナルの種類が不明です。",
        "Use LONG, SHORT, TP, CLOSE, REVERSE or another listed word.",
        "LONG、SHORT、TP、CLOSE、REVERSEなどを使ってください。",
    ),
    _code(
        "UNKNOWN_COMMAND", 422,
        "The command of the text is not known.",
        "テキストの命令が不明です。",
        "Use a command that the format lists.",
        "その形式で使える命令にしてください。",
    ),
    _code(
        "UNSUPPORTED_COMMAND", 422,
        "The command is known but asks for two orders in one.",
        "1つで2つの注文を意味する命令には対応していません。",
        "Send the two commands as two alerts.",
        "2つのアラートに分けて送ってください。",
    ),
    _code(
        "BAD_PARAMETER", 422,
        "A parameter cannot be understood.",
        "パラメーターを解釈できません。",
        "Write name=value with a listed name.",
        "一覧にある名前で name=value と書いてください。",
    ),
    _code(
        "CONFLICTING_FIELDS", 422,
        "Two fields contradict each other.",
        "項目どうしが矛盾しています。",
        "Send only the one you mean.",
        "意図するほうだけを送ってください。",
    ),
    _code(
        "BAD_TEXT", 422,
        "A field must be a short text.",
        "短い文字列であるべき項目です。",
        "Send the field as text.",
        "文字列で送ってください。",
    ),
    _code(
        "BAD_NUMBER", 422,
        "A field is not a number.",
        "数値として読めません。",
        "Write 1234.5: a point for decimals, no separators, no unit.",
        "1234.5のように、桁区切りや単位なしで書いてください。",
    ),
    _code(
        "NUMBER_OUT_OF_RANGE", 422,
        "A number is outside what is possible.",
        "数値が範囲外です。",
        "Send a number within the bounds named.",
        "示された範囲の数値を送ってください。",
    ),
    _code(
        "BAD_TIME", 422,
        "A time cannot be read.",
        "時刻として読めません。",
        "Send {{time}} or {{timenow}}.",
        "{{time}}または{{timenow}}を送ってください。",
    ),
    _code(
        "TIME_WITHOUT_ZONE", 422,
        "A time does not say its time zone.",
        "時刻にタイムゾーンがありません。",
        "End it with Z or an offset such as +09:00.",
        "末尾に Z か +09:00 のようなオフセットを付けてください。",
    ),
    _code(
        "BAD_TIMEFRAME", 422,
        "The timeframe is not one of TradingView's.",
        "時間足として読めません。",
        "Send {{interval}}.",
        "{{interval}}を送ってください。",
    ),
    _code(
        "BAD_SYMBOL", 422,
        "The symbol is not a symbol.",
        "シンボルとして読めません。",
        "Send {{ticker}}, e.g. EURUSD or FX:EURUSD.",
        "{{ticker}}を送ってください（例 EURUSD、FX:EURUSD）。",
    ),
    _code(
        "BAD_POSITION", 422,
        "The market position is not long, short or flat.",
        "ポジションがlong、short、flatのいずれでもありません。",
        "Send {{strategy.market_position}}.",
        "{{strategy.market_position}}を送ってください。",
    ),
    _code(
        "BAD_SECRET", 422,
        "The secret must be a text of at most 512 characters.",
        "シークレットは512文字以内の文字列にしてください。",
        "Copy the token as it was shown, in quotes.",
        "表示されたトークンを引用符で囲んでそのまま使ってください。",
    ),
)  # fmt: skip
