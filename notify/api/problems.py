"""Everything that can go wrong, as RFC 9457 ``application/problem+json``: for REST framework's views, for Django's own
error pages, and for what fails before or after either of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
import psycopg2
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from psycopg2.errors import ReadOnlySqlTransaction
from pydantic import ValidationError
from rest_framework import exceptions

from notify.api.validation import field_errors
from notify.databases import NO_ROOM
from notify.errors import FieldError, NotifyError

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
#: How soon a client may ask again after a failure of ours: long enough to be kind, short enough for a failover.
RETRY_AFTER_S: Final = 2.0

#: Statuses whose phrase alone tells nothing apart; the others derive their title from the code.
_GENERIC: Final[dict[int, tuple[str, str]]] = {
    400: ("bad_request", "The request is malformed."),
    401: ("missing_key", "Send a key: Authorization: Bearer <key>."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take this method."),
    406: ("not_acceptable", "Answers are application/json."),
    413: ("payload_too_large", "The body is larger than this call takes."),
    415: ("unsupported_media_type", "Send application/json."),
    422: ("invalid_request", "The request has faults; see errors."),
    429: ("rate_limited", "Too many requests."),
    500: ("internal_error", "Something went wrong on our side; the request id helps to find it."),
    503: ("unavailable", "The platform can't take requests right now; nothing was stored. Try again soon."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem, ready to be answered. ``retry_after`` is in seconds."""

    status: int
    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The code, in words: the same for every occurrence, as RFC 9457 asks."""
        return self.code.replace("_", " ").capitalize()


def generic(status: int) -> Problem:
    """The problem of a status of which nothing more is known."""
    known = status if status in _GENERIC else (500 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 400)
    code, detail = _GENERIC[known]
    retry_after = RETRY_AFTER_S if known in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) else None
    return Problem(status=status, code=code, detail=detail, retry_after=retry_after)


def body(problem: Problem, *, request_id: str) -> dict[str, Any]:
    """The members of the problem document."""
    return {
        "type": f"urn:goutong:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": [{"path": fault.path, "code": fault.code, "detail": fault.detail} for fault in problem.errors],
        "request_id": request_id,
    }


def respond(problem: Problem, request: object) -> HttpResponse:
    """The answer that tells ``problem``; ``request`` is where the request id comes from."""
    document = orjson.dumps(body(problem, request_id=getattr(request, "request_id", "")))
    response = HttpResponse(document, status=problem.status, content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    if problem.retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
    return response


# --- what each failure is ---------------------------------------------------------------------------------------------


def _from_notify(error: NotifyError) -> Problem:
    retry_after = error.retry_after
    if retry_after is None:
        retry_after = generic(error.status).retry_after
    return Problem(
        status=int(error.status),
        code=error.code,
        detail=error.detail,
        errors=error.errors,
        retry_after=retry_after,
        headers=getattr(error, "headers", {}),
    )


def _from_rest_framework(error: exceptions.APIException) -> Problem:
    problem = generic(error.status_code)
    headers: dict[str, str] = {}
    detail = problem.detail
    if isinstance(error, exceptions.MethodNotAllowed):
        detail = str(error.detail)
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        headers["WWW-Authenticate"] = 'Bearer realm="goutong"'
    retry_after = problem.retry_after
    if isinstance(error, exceptions.Throttled):
        retry_after = float(getattr(error, "wait", None) or RETRY_AFTER_S)
    code = "malformed_request" if isinstance(error, exceptions.ParseError) else problem.code
    return Problem(status=problem.status, code=code, detail=detail, retry_after=retry_after, headers=headers)


def _from_pydantic(error: ValidationError) -> Problem:
    problem = generic(422)
    return Problem(status=422, code=problem.code, detail=problem.detail, errors=field_errors(error))


#: From the particular to the general; the first that fits decides.
_BY_CLASS: Final[tuple[tuple[type[Exception], Callable[[Any], Problem]], ...]] = (
    (NotifyError, _from_notify),
    (exceptions.APIException, _from_rest_framework),
    (ValidationError, _from_pydantic),
    (Http404, lambda error: generic(404)),
    (PermissionDenied, lambda error: generic(403)),
    (RequestDataTooBig, lambda error: generic(413)),
    (SuspiciousOperation, lambda error: generic(400)),
    (UnreadablePostError, lambda error: generic(400)),
)


def _is_outage(error: BaseException) -> bool:
    """Whether PostgreSQL is away, changing its leader, out of room, or too slow: asking again soon may well succeed."""
    if isinstance(error, (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)):
        return True
    if NO_ROOM in str(error):
        return True
    cause = error.__cause__ if isinstance(error, InternalError) else error
    return isinstance(cause, ReadOnlySqlTransaction)


def problem_of(error: Exception) -> Problem:
    """What ``error`` is to the client. Logs what an operator must know: outages as warnings, defects whole."""
    for kind, describe in _BY_CLASS:
        if isinstance(error, kind):
            return describe(error)
    if _is_outage(error):
        logger.warning("database unavailable: %s: %s", type(error).__name__, str(error).partition("\n")[0])
        return generic(503)
    logger.error("unhandled error in a request", exc_info=error)
    return generic(500)


# --- where failures surface -------------------------------------------------------------------------------------------


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """REST framework's exception handler."""
    request = context.get("request")
    return respond(problem_of(error), getattr(request, "_request", request))


def _is_page(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/")


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's view for malformed requests (an unknown Host, say)."""
    return defaults.bad_request(request, exception) if _is_page(request) else respond(generic(400), request)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's view for what is not allowed."""
    return defaults.permission_denied(request, exception) if _is_page(request) else respond(generic(403), request)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's view for addresses that nobody serves."""
    return defaults.page_not_found(request, exception) if _is_page(request) else respond(generic(404), request)


def handler500(request: HttpRequest) -> HttpResponse:
    """Django's view for defects; Django has logged them already."""
    return defaults.server_error(request) if _is_page(request) else respond(generic(500), request)


class ProblemMiddleware:
    """The net under ``/api/``: no answer there is an HTML error page, whichever layer failed, with DEBUG on or off."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or not request.path_info.startswith("/api/"):
            return response
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        response.close()
        return respond(generic(response.status_code), request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Plain Django views under ``/api/`` fail as the others do."""
        return respond(problem_of(exception), request) if request.path_info.startswith("/api/") else None
