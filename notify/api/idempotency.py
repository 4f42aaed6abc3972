"""The same question gets the same answer: ``Idempotency-Key`` on every POST.

The answer is stored in the transaction that does the work. So a crash leaves either both or neither, and there is no
marker of work in progress that could outlive its worker: a lock that ends with the transaction says that a twin is in
flight.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from notify import prepared
from notify.api.parsers import read_body
from notify.api.renderers import encode
from notify.errors import FieldError, IdempotencyKeyInFlight, IdempotencyKeyReused, InvalidRequest
from notify.models import ApiKey, Application, IdempotencyRecord
from notify.prepared import Prepared

_VISIBLE_ASCII: Final = re.compile(r"[\x21-\x7e]{1,255}")
_PURGE_CHUNK: Final = 10_000

Parameters = ParamSpec("Parameters")
View = TypeVar("View")
PostMethod = Callable[Concatenate[View, Request, Parameters], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a view answers. Only ``status`` and ``body`` are kept for a replay: headers belong to the moment."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether it is worth remembering."""
        return 200 <= self.status < 300


def start_fingerprint(request: Request) -> hashlib._Hash:
    """The hash of method and path, to be fed the body as it is read: ``digest()`` is the fingerprint."""
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())


def request_fingerprint(request: Request) -> bytes:
    """What makes two requests the same: method, path and body (which is read, and kept, if it was not before)."""
    limit: int | None = getattr((request.parser_context or {}).get("view"), "max_body_bytes", None)
    digest = start_fingerprint(request)
    digest.update(read_body(request, limit=limit))
    return digest.digest()


def read_key(request: Request) -> str | None:
    """The Idempotency-Key, None without one. Raises InvalidRequest unless it is 1 to 255 visible ASCII characters."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _VISIBLE_ASCII.fullmatch(key):
        detail = "Write 1 to 255 visible ASCII characters, such as a UUID."
        raise InvalidRequest(detail, errors=[FieldError("Idempotency-Key", "wrong_format", detail)])
    return key


def _to_response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, headers=dict(answer.headers))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a key: the answer it was given, if any."""

    record_id: int | None
    request_hash: str = ""
    status: int = 0
    body: str = ""
    created_at: datetime | None = None


#: Lock and look in one round trip, and in this order: what a twin committed before it let go of the lock is seen, since
#: each statement has its own snapshot. The outcome of the lock goes from one to the other as a setting of the
#: transaction.
_LOCK: Final = Prepared(
    "lock", lambda: "SELECT set_config('goutong.locked', pg_try_advisory_xact_lock(%s)::text, true)", {"0": "bigint"}
)
_LOOK: Final = Prepared(
    "look",
    lambda: (
        """
SELECT current_setting('goutong.locked'), r.id, r.request_hash, r.status_code, r.body #>> '{}', r.created_at
  FROM (VALUES (1)) one
  LEFT JOIN notify_idempotencyrecord r ON r.application_id = %s AND r.key_hash = %s
"""
    ),
)
_REMEMBER: Final = Prepared(
    "remember",
    lambda: (
        "INSERT INTO notify_idempotencyrecord"
        " (request_hash, status_code, body, created_at, application_id, key_hash) VALUES (%s, %s, %s, %s, %s, %s)"
    ),
)


def _lock_and_look(application: Application, key_hash: str) -> _Seen:
    digest = hashlib.sha256(f"idempotency:{application.pk}:{key_hash}".encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    with connection.cursor() as cursor:
        prepared.run(cursor, (_LOCK, [lock]), (_LOOK, [application.pk, key_hash]))
        locked, record_id, *rest = cursor.fetchone()
    if locked != "true":
        raise IdempotencyKeyInFlight(retry_after=1.0)
    return _Seen(record_id, *rest) if record_id is not None else _Seen(None)


def _replay(seen: _Seen) -> Response:
    stored = orjson.Fragment(seen.body)
    return Response(stored, status=seen.status, headers={"Idempotent-Replayed": "true"})


def _remember(*, seen: _Seen, application: Application, key_hash: str, request_hash: str, answer: Answer) -> None:
    # JSON inside a JSON string: jsonb would reorder the members, and a replay is the first answer, byte for byte.
    body = orjson.dumps(encode(answer.body).decode()).decode()
    values: list[Any] = [request_hash, answer.status, body, timezone.now()]
    with connection.cursor() as cursor:
        if seen.record_id is None:
            prepared.run(cursor, (_REMEMBER, [*values, application.pk, key_hash]))
        else:
            cursor.execute(
                "UPDATE notify_idempotencyrecord SET request_hash = %s, status_code = %s, body = %s, created_at = %s"
                " WHERE id = %s",
                [*values, seen.record_id],
            )


def run_idempotently(
    *, request: Request, application: Application, fingerprint: bytes, work: Callable[[], Answer]
) -> Response:
    """Answers with ``work()``, or, when the request's Idempotency-Key was used before, with the answer of then.

    With a key, ``work`` runs inside a transaction that also stores a successful answer; what it raises undoes both.
    Without one it just runs. Raises IdempotencyKeyReused when the key came with another ``fingerprint``, and
    IdempotencyKeyInFlight while a twin is at work.
    """
    key = read_key(request)
    if key is None:
        return _to_response(work())
    # A test key's answers are not a live key's: nothing of them was sent.
    kind = "test:" if isinstance(request.auth, ApiKey) and request.auth.is_test else ""
    key_hash = hashlib.sha256(f"{kind}{key}".encode()).hexdigest()
    request_hash = fingerprint.hex()
    with transaction.atomic():
        seen = _lock_and_look(application, key_hash)
        fresh_after = timezone.now() - settings.NOTIFY["IDEMPOTENCY_TTL"]
        if seen.created_at is not None and seen.created_at > fresh_after:
            if seen.request_hash != request_hash:
                raise IdempotencyKeyReused
            return _replay(seen)
        answer = work()
        if answer.is_success:
            _remember(seen=seen, application=application, key_hash=key_hash, request_hash=request_hash, answer=answer)
    return _to_response(answer)


def idempotent(method: PostMethod[View, Parameters]) -> PostMethod[View, Parameters]:
    """Makes a view's ``post`` idempotent. The application is the key's."""

    @functools.wraps(method)
    def post(view: View, request: Request, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
        def work() -> Answer:
            response = method(view, request, *args, **kwargs)
            return Answer(status=response.status_code, body=response.data, headers=dict(response.headers))

        if read_key(request) is None:
            return method(view, request, *args, **kwargs)
        application = cast(ApiKey, request.auth).application
        return run_idempotently(
            request=request, application=application, fingerprint=request_fingerprint(request), work=work
        )

    return post


class IdempotentPost:
    """Mixed into a view, makes its ``post`` idempotent."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        method = cls.__dict__.get("post")
        if method is not None:
            cls.post = idempotent(method)  # type: ignore[attr-defined]


def purge(*, now: datetime) -> int:
    """Deletes the answers that are too old to be replayed, ten thousand at a time; returns how many."""
    old = IdempotencyRecord.objects.filter(created_at__lte=now - settings.NOTIFY["IDEMPOTENCY_TTL"])
    total = 0
    while doomed := list(old.order_by("created_at").values_list("pk", flat=True)[:_PURGE_CHUNK]):
        total += IdempotencyRecord.objects.filter(pk__in=doomed).delete()[0]
    return total
