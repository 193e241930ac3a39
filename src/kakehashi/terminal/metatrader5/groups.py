"""Group filters: ``*USD*, !EURUSD``; conditions by commas, taken in order."""

import re
from collections.abc import Callable


def every(_symbol: str) -> bool:
    return True


def group_filter(group: str) -> Callable[[str], bool]:
    """Whether a symbol belongs to the group.

    A mask may have ``*`` anywhere; ``!`` takes away what it matches. Without ``*`` a mask is a whole name, but one to
    take away is any part of it (documented by the example ``*, !EUR``). A group that only takes away begins with all.
    """
    conditions = [part.strip() for part in group.split(",") if part.strip()]
    rules = [(not text.startswith("!"), _pattern(text)) for text in conditions]
    begins = bool(rules) and not rules[0][0]

    def takes(symbol: str) -> bool:
        taken = begins
        for includes, pattern in rules:
            if pattern.fullmatch(symbol):
                taken = includes
        return taken

    return takes


def _pattern(text: str) -> re.Pattern[str]:
    mask = text.removeprefix("!").strip()
    if text.startswith("!") and "*" not in mask:
        mask = f"*{mask}*"
    return re.compile(".*".join(re.escape(part) for part in mask.split("*")))
