"""One reason code: what happened, in two languages, and what to do about it."""

import msgspec


class Code(msgspec.Struct, frozen=True):
    """A stable word for a refusal or a fault (law 7).

    :ivar http: the status with which a REST face answers it
    :ivar en: the text; ``{name}`` stands for a value of the occasion
    :ivar fix_en: what the reader can do
    """

    code: str
    http: int
    en: str
    ja: str
    fix_en: str
    fix_ja: str
