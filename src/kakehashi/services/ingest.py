"""The webhook door: body and secret in, one durable answer out.

Order of the checks (SECURITY, "The webhook door"): address, size, rate per address, parse, secret, rate per token, then
the signal's own. Nothing is 200 before its commit; what the store cannot take in time is 503, which TradingView resends.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from kakehashi.domain.alerts import EXITS, Alert
from kakehashi.domain.codes import CODES
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected, Unavailable
from kakehashi.domain.formats import parse, redacted
from kakehashi.domain.messages import SignalReceived
from kakehashi.domain.signals import alert_age_ms, idempotency_key, key_window_ms
from kakehashi.domain.views import Signal
from kakehashi.engine.outcome import Heard, Outcome
from kakehashi.ports import Clock, TokenRow
from kakehashi.services.access import Peers, RateLimit, Tokens
from kakehashi.services.ids import new_id
from kakehashi.services.trader import Trader
from kakehashi.telemetry import redact


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """One request at the door."""

    body: bytes
    content_type: str = ""
    secret: str | None = None
    """From the path, the query or the Authorization header; the body is asked when it is None."""
    peer: str = ""
    """The client's address, proxies already resolved."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    body: dict[str, Any]


class Ingest:
    """Turns knocks into signals. ``observe`` sees every knock and its answer (the inspector)."""

    def __init__(
        self,
        trader: Trader,
        tokens: Tokens,
        clock: Clock,
        peers: Peers,
        *,
        per_ip: RateLimit,
        per_token: RateLimit,
        commit_timeout_s: float,
        longest_ttl_ms: int,
        observe: Callable[[Knock, Alert | None, Answer], None] = lambda *_: None,
    ) -> None:
        self._trader, self._tokens, self._clock, self._peers = trader, tokens, clock, peers
        self._per_ip, self._per_token = per_ip, per_token
        self._commit_timeout_s, self._longest_ttl_ms = commit_timeout_s, longest_ttl_ms
        self.observe = observe

    async def receive(self, knock: Knock) -> Answer:
        """Answer one alert. Never raises for bad input: every fault has its answer."""
        alert: Alert | None = None
        try:
            token, alert = self._admit(knock)
            answer = await self._decide(knock, token, alert)
        except KakehashiError as e:
            answer = refusal(e)
        self.observe(knock, alert, answer)
        return answer

    def _admit(self, knock: Knock) -> tuple[TokenRow, Alert]:
        now = self._clock.now_ms()
        if not self._peers.allowed(knock.peer):
            raise Rejected("FORBIDDEN", "this address may not send alerts")
        token = self._tokens.find(knock.secret, at=now)
        if token is None and not self._peers.unlimited(knock.peer) and not self._per_ip.take(knock.peer):
            raise Rejected("RATE_LIMITED", "too many requests without a valid token")
        fault: Malformed | None = None
        alert: Alert | None = None
        try:
            alert, body_secret = parse(knock.body, content_type=knock.content_type)
            token = token or self._tokens.find(body_secret, at=now)
        except Malformed as e:
            fault = e
        if token is None:
            # Before authentication nobody is told which part was wrong.
            raise Rejected("UNAUTHORIZED", "no valid webhook token")
        if token.scope != "webhook":
            raise Rejected("FORBIDDEN", f"a {token.scope} token may not send alerts")
        if fault is not None or alert is None:
            raise fault or Malformed("EMPTY_BODY", "the body is empty")
        if alert.action not in EXITS and not self._per_token.take(token.id):
            raise Unavailable("RATE_LIMITED", "this token is over its limit", hint="it is resent after 5 s")
        return token, alert

    async def _decide(self, knock: Knock, token: TokenRow, alert: Alert) -> Answer:
        now = self._clock.now_ms()
        key, strong = idempotency_key(token.slot, alert, knock.body)
        age_ms, note = alert_age_ms(alert, now)
        signal = Signal(
            id=new_id("s", now),
            trace_id=new_id("t", now),
            strategy=token.slot,
            token_id=token.id,
            idem=key,
            received_at=now,
            alert=alert,
            age_ms=age_ms,
            raw=redacted(knock.body),
            notes=tuple(n for n in (note, *alert.warnings) if n),
            peer=knock.peer,
        )
        window = key_window_ms(alert, longest_ttl_ms=self._longest_ttl_ms) if strong else 60_000
        wish = SignalReceived(at=now, signal=signal, idem_until=now + window)
        return told(await self._trader.submit(wish, within_s=self._commit_timeout_s))


def told(outcome: Outcome) -> Answer:
    """The 200 of a signal that is on disk."""
    heard = outcome.heard
    if heard is None:
        raise Unavailable("STORE_UNAVAILABLE", "no outcome")
    return Answer(status=200, body=_body(heard))


def _body(heard: Heard) -> dict[str, Any]:
    signal = heard.signal
    body: dict[str, Any] = {
        "status": heard.status,
        "code": heard.code,
        "signal_id": heard.duplicate_of or signal.id,
        "trace_id": signal.trace_id,
        "idem": signal.idem,
        "legs": heard.legs,
    }
    if signal.notes:
        body["warnings"] = list(signal.notes)
    return body


def refusal(error: KakehashiError) -> Answer:
    """An error as an answer: the status is the code's own, 503 for whatever the sender should send again."""
    known = CODES.get(error.code)
    status = 503 if isinstance(error, Unavailable) else known.http if known is not None else 422
    body: dict[str, Any] = {"status": "error", "code": error.code, "message": redact(error.message)}
    hint = error.hint or (known.fix_en if known is not None else "")
    if hint:
        body["hint"] = hint
    if error.value is not None:
        with contextlib.suppress(ValueError, UnicodeError):
            body["value"] = redact(str(error.value)[:200])
    return Answer(status=status, body=body)
