"""Logs: one line a record on standard error, whoever wrote it, with its context and without personal data.

structlog is the front (``structlog.get_logger(__name__)``, ``structlog.contextvars``), the standard library carries
the records, so that those of Django, Celery and every other library take the same way.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

import orjson
import structlog
from django.conf import settings
from structlog.contextvars import get_contextvars

from monitoring.scrubbing import MASK, SECRET_NAMES, scrub, scrub_text

Fields = MutableMapping[str, Any]

#: Loggers that speak more than they say: a line a task, a line a connection.
QUIET: Final = {
    "amqp": logging.WARNING,
    "celery.app.trace": logging.WARNING,
    "celery.beat": logging.WARNING,
    "celery.pool": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "kombu": logging.WARNING,
    "redbeat": logging.WARNING,
    "urllib3": logging.WARNING,
    "asyncio": logging.WARNING,
}
#: What a LogRecord has anyway, and two that frameworks hang on it: a whole request, a whole task.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields", "request", "data"}
_OURS: Final = frozenset({"timestamp", "level", "logger", "event", "process", "exception", "stack"})
#: What a terminal obeys, or takes for the end of a line; of a traceback, what it is laid out with is left.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LAID_OUT: Final = frozenset({"exception", "stack"})
_UNCAUGHT = logging.getLogger("goutong.uncaught")


class LineFormatter(logging.Formatter):
    """A record as one line: our fields, the bound context, the record's own, each of them scrubbed."""

    def __init__(self, *, process: str, render: Callable[[Fields], str]) -> None:
        super().__init__()
        self._process = process
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": scrub_text(record.getMessage()),
            "process": self._process,
        }
        _add(line, get_contextvars())
        _add(line, getattr(record, "fields", {}))
        if extra := vars(record).keys() - _STANDARD:
            _add(line, {name: vars(record)[name] for name in extra})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = scrub_text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = scrub_text(record.stack_info)
        return self._render(line)


class LineHandler(logging.Handler):
    """Writes each record in one piece to whatever standard error is at that moment, and never raises."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  (a log call must not fail its caller; logging's own report of it
            # would print the arguments unmasked)
            line = render_json({"level": "error", "logger": record.name, "event": f"unloggable record: {error!r:.200}"})
        try:
            sys.stderr.write(line + "\n")
        except (OSError, ValueError, AttributeError):
            return  # standard error is closed: there is nobody left to tell


def configure() -> None:
    """Sends this process's records to standard error, as ``settings.LOG_FORMAT`` has it. Calling it again changes
    nothing, and handlers that others put on the root meanwhile go."""
    handler = LineHandler()
    handler.setFormatter(LineFormatter(process=settings.PROCESS_NAME, render=_renderer(settings.LOG_FORMAT)))
    root = logging.getLogger()
    for old in [known for known in root.handlers if type(known) in (LineHandler, logging.StreamHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.LOG_LEVEL)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    _adopt("_granian")
    # The access log has said it already; what remains are the exceptions.
    django_request = logging.getLogger("django.request")
    if _has_exception not in django_request.filters:
        django_request.addFilter(_has_exception)
    logging.captureWarnings(True)
    _configure_structlog()
    _catch_uncaught()


def _adopt(name: str) -> None:
    """Takes a logger that keeps handlers of its own into the common stream."""
    logger = logging.getLogger(name)
    logger.handlers.clear()
    logger.propagate = True


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _to_record,
        ],
        # structlog's own factory replaces the class of all loggers, to find callers that no line here shows.
        logger_factory=_get_logger,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _get_logger(*names: str) -> logging.Logger:
    return logging.getLogger(*names[:1])


def _to_record(_logger: Any, _method: str, event: Fields) -> dict[str, Any]:
    """A structlog event as the arguments of a standard log call: its text stays the message, by which Sentry groups,
    and the rest travels beside it."""
    call: dict[str, Any] = {"msg": event.pop("event", "")}
    for name in ("exc_info", "stack_info"):
        if value := event.pop(name, None):
            call[name] = value
    event.pop("stacklevel", None)
    call["extra"] = {"fields": event}
    return call


def _add(line: Fields, fields: Any) -> None:
    for name, value in fields.items():
        shown = MASK if name in SECRET_NAMES and value else scrub(value)
        line[f"{name}_" if name in _OURS else name] = shown


def _has_exception(record: logging.LogRecord) -> bool:
    return bool(record.exc_info)


def _renderer(log_format: str) -> Callable[[Fields], str]:
    if log_format == "json":
        return render_json
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr is not None and sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=40,
    )
    return lambda line: str(console(None, "", {name: _printable(name, value) for name, value in line.items()}))


def _printable(name: str, value: Any) -> Any:
    """``value`` as it may be written to a terminal: nobody's path or header clears a screen or forges a line."""
    if not isinstance(value, str):
        return value
    kept = "\n\t" if name in _LAID_OUT else ""
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in kept else repr(found[0])[1:-1], value)


def render_json(line: Fields) -> str:
    """``line`` as one line of JSON, whatever is in it."""
    try:
        return orjson.dumps(line).decode()
    except (TypeError, ValueError):  # lone surrogates, integers of more than 64 bits
        return json.dumps(line, default=str)


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Logs an exception that ends the process: Python's own report of it is not masked."""
    if not issubclass(kind, Exception) or hasattr(sys, "ps1"):
        sys.__excepthook__(kind, error, trace)
    else:
        _UNCAUGHT.critical("uncaught exception", exc_info=(kind, error, trace))


def log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    """Logs an exception that ends a thread."""
    if args.exc_value is None or not issubclass(args.exc_type, Exception):
        threading.__excepthook__(args)
    else:
        _UNCAUGHT.critical(
            "uncaught exception in a thread",
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
            extra={"fields": {"thread": args.thread.name if args.thread else ""}},
        )


def _catch_uncaught() -> None:
    # Only in place of Python's own: Sentry and test runners put theirs around ours.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = log_uncaught_in_thread
