"""Logs as JSON on stderr, with every secret taken out; and the one registry of metrics.

Whatever passes a logger of this process passes :func:`redact` too, those of the libraries included (SEC-4).
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, Protocol, TextIO, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

MASK: Final = "***"
NAMESPACE: Final = "kakehashi"
REGISTRY: Final = CollectorRegistry()

LATENCY_BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""From the fastest answer to the slowest TradingView waits for, and beyond it for deliveries."""

_SECRET_WORDS: Final = (
    r"(?:[\w-]*(?:token|secret|passphrase|password|passwd|api[_-]?key|private[_-]?key|hmac[_-]?key|signature|credential)s?"
    r"|authorization|(?:set-)?cookie|pwd|sig)"
)
_SECRET_NAME: Final = re.compile(_SECRET_WORDS, re.IGNORECASE)
_PATTERNS: Final = (
    # our own tokens, wherever they stand; role and id stay, they are what one searches for
    (re.compile(r"\b(kk_[A-Za-z0-9-]+_[A-Za-z0-9-]+)_[A-Za-z0-9_\-+/=]+"), rf"\1_{MASK}"),
    (re.compile(r"\b((?:bearer|basic)\s+)(?!kk_)[^\s\"',]+", re.IGNORECASE), rf"\1{MASK}"),
    # in a URL, a form or a log line: token=...
    (re.compile(rf"\b({_SECRET_WORDS}=)[^&\s\"'#;,]+", re.IGNORECASE), rf"\1{MASK}"),
    # in JSON, also when it was escaped once
    (re.compile(rf"(\\?[\"']{_SECRET_WORDS}\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]*", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(://[^/?#:@\s]*:)[^/@\s]*@"), rf"\1{MASK}@"),
)

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class LogWishes(Protocol):
    """The part of the settings that says how to log."""

    @property
    def level(self) -> str: ...
    @property
    def format(self) -> str: ...


class Wishes(Protocol):
    """What :func:`setup_logging` needs of the settings (config is a sibling, not an import)."""

    @property
    def log(self) -> LogWishes: ...


def redact(text: str) -> str:
    """``text`` without the secrets in it: our tokens, ``token=...``, JSON fields, passwords in URLs.

    >>> redact("GET /webhook?token=abc&x=1")
    'GET /webhook?token=***&x=1'
    """
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: object, name: str = "") -> Any:
    """The same for any value; ``name`` is the key it stands under, and may condemn it by itself."""
    if value is not None and _SECRET_NAME.fullmatch(name):
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {key: redact_value(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [redact_value(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor; it runs after every other that could add text."""
    return {key: value if key.startswith("_") else redact_value(value, key) for key, value in event.items()}


def setup_logging(settings: Wishes, *, stream: TextIO | None = None) -> None:
    """Send all logs of this process, ours and the libraries', to ``stream`` (stderr), one object a line."""
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    for chatty in ("httpx", "httpcore"):  # a line for each request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    render: Any = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    if settings.log.format == "console":
        render = structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_event, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn brings handlers that would bypass redaction
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: ``log.info("order_filled", order=..., trace_id=...)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """A counter ``kakehashi_<name>_total``; the same name twice is the same counter.

    Labels must have few values (a code, a route's outcome), never an id, a symbol of the sender or an address.
    """
    return _metric(Counter, name.removesuffix("_total"), meaning, labels)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """A gauge ``kakehashi_<name>``."""
    return _metric(Gauge, name, meaning, labels)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = LATENCY_BUCKETS_S
) -> Histogram:
    """A histogram ``kakehashi_<name>``; name ends in its unit, e.g. ``ingest_seconds``."""
    return _metric(Histogram, name, meaning, labels, buckets=tuple(buckets))


def render_metrics() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


_METRICS: Final[dict[str, MetricWrapperBase]] = {}


def _metric(kind: type[Metric], name: str, meaning: str, labels: Sequence[str], **options: Any) -> Metric:
    known = _METRICS.get(name)
    if known is None:
        known = kind(name, meaning, tuple(labels), namespace=NAMESPACE, registry=REGISTRY, **options)
        _METRICS[name] = known
    if not isinstance(known, kind):
        raise TypeError(f"metric {name} is a {type(known).__name__}, not a {kind.__name__}")
    return known
