"""What can go wrong, by remedy. The class tells the caller what to do next.

``code`` is one of :mod:`kakehashi.domain.codes`: one list for HTTP, CLI, logs and docs.
"""


class KakehashiError(Exception):
    """Anything the system says no to, with a stable code, what came, and the fix."""

    def __init__(self, code: str, message: str, *, hint: str = "", value: object = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint
        self.value = value


class Rejected(KakehashiError):
    """Record it; never retry."""


class Malformed(Rejected):
    """The input itself is wrong: one fault, named, with the offending value."""


class Unavailable(KakehashiError):
    """Nothing was sent or written: retry with back-off."""


class OutcomeUnknown(KakehashiError):
    """It was sent and not answered: ask, never resend."""


class IllegalTransition(KakehashiError):
    """An event that cannot happen in this state. Nothing was changed."""
