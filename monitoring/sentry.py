"""Errors, sent to Sentry: from the web, workers, beat and commands; masked; and few when there are many of one kind."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import django.db
import psycopg2
import redis.exceptions
import sentry_sdk
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.stdlib import StdlibIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from structlog.contextvars import get_contextvars

from channels.errors import ProviderError
from monitoring.allowance import Allowance
from monitoring.scrubbing import scrub
from notify.errors import NotifyError

if TYPE_CHECKING:
    from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint

#: Answers, not accidents: what providers and requests do wrong is recorded with the message or told to the caller.
EXPECTED: Final = (ProviderError, NotifyError)
#: Reports of one kind that a process sends in a minute; of an outage, one.
PER_KIND: Final = 10
PER_OUTAGE: Final = 1
WINDOW_S: Final = 60.0

#: SQLSTATEs (or their classes) that say that the server is away, not that a statement was wrong.
_AWAY: Final = ("08", "57P0", "53300", "25006")
#: What the log context may add to a report.
_TAGS: Final = ("request_id", "notification_id", "delivery_id", "lane")

#: A frame's lines of source lie this deep in an event, and some more.
_EVENT_DEPTH: Final = 12

_allowance = Allowance(per_s=WINDOW_S)


def configure() -> None:
    """Starts Sentry's client where ``settings.SENTRY_DSN`` is set."""
    if not settings.SENTRY_DSN:
        return
    ignore_logger("goutong.access")
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        release=f"goutong@{settings.VERSION}",
        integrations=[
            DjangoIntegration(middleware_spans=False, signals_spans=False),
            CeleryIntegration(propagate_traces=False),
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR, sentry_logs_level=None),
            ThreadingIntegration(propagate_scope=False),
        ],
        # The others cost on every call to Redis and to providers, and would show providers' URLs, secrets and all.
        auto_enabling_integrations=False,
        disabled_integrations=[StdlibIntegration],
        propagate_traces=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=None,
        auto_session_tracking=False,
        ignore_errors=list(EXPECTED),
        before_send=prepare_event,
        before_breadcrumb=prepare_breadcrumb,
    )
    sentry_sdk.get_global_scope().set_tag("process", settings.PROCESS_NAME)


def prepare_event(event: Event, hint: Hint) -> Event | None:
    """``event`` as it may leave: grouped, tagged and masked; None when enough of its kind have left."""
    error = hint.get("exc_info", (None, None, None))[1]
    outage = find_outage(error) if error is not None else None
    if outage:
        event["fingerprint"] = ["outage", outage]
    kind: Hashable = ("outage", outage) if outage else _kind(event)
    if not _allowance.allow(kind, limit=PER_OUTAGE if outage else PER_KIND, now=time.monotonic()):
        return None
    context = get_contextvars()
    tags = cast("dict[str, Any]", event.setdefault("tags", {}))
    tags.update({name: str(context[name]) for name in _TAGS if name in context})
    for name in ("data", "cookies", "query_string"):
        event.get("request", {}).pop(name, None)
    return cast("Event", scrub(event, max_depth=_EVENT_DEPTH))


def prepare_breadcrumb(crumb: Breadcrumb, _hint: BreadcrumbHint) -> Breadcrumb | None:
    """``crumb`` masked. Statements are left out: they hold rows."""
    if crumb.get("category") == "query":
        return None
    return cast("Breadcrumb", {**scrub(crumb), "timestamp": crumb["timestamp"]})


def find_outage(error: BaseException) -> str | None:
    """Which of the servers we lean on is away, by ``error`` or by what it came from; None when it is another thing."""
    for one in _chain(error):
        if isinstance(one, psycopg2.Error) and _says_away(one):
            return "database"
        if isinstance(one, django.db.InterfaceError):
            return "database"
        if isinstance(one, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
            return "redis"
        if isinstance(one, BrokerError):
            return "broker"
    return None


def _says_away(error: psycopg2.Error) -> bool:
    if error.pgcode:
        return error.pgcode.startswith(_AWAY)
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _kind(event: Event) -> Hashable:
    """What reports of the same mistake have in common: the exception and its place, or the logger and its message
    before the arguments went in."""
    for exception in reversed(event.get("exception", {}).get("values", [])):
        frames = (exception.get("stacktrace") or {}).get("frames") or [{}]
        return exception.get("type"), frames[-1].get("module"), frames[-1].get("function")
    entry = event.get("logentry") or {}
    return event.get("logger"), entry.get("message") or event.get("message")
