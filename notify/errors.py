"""What can go wrong with a request, each with the code programs read and the HTTP status it becomes (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from channels.errors import ChannelsError


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a request: where (``recipients[3].to.email``), which, and in words."""

    path: str
    code: str
    detail: str


class NotifyError(ChannelsError):
    """Root of this room's errors."""

    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self, detail: str = "", *, errors: Sequence[FieldError] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(detail or (self.__doc__ or "").partition("\n")[0])
        self.detail = str(self)
        self.errors = tuple(errors)
        #: Seconds after which asking again makes sense; becomes the Retry-After header.
        self.retry_after = retry_after


class InvalidRequest(NotifyError):
    """The request is understood and can't be accepted; nothing was stored."""

    code = "invalid_request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MalformedRequest(NotifyError):
    """The body is not what its content type says."""

    code = "malformed_request"
    status = HTTPStatus.BAD_REQUEST


class PayloadTooLarge(NotifyError):
    """The body is larger than this call takes."""

    code = "payload_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Forbidden(NotifyError):
    """The key may not do this."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN


class SentByTestKey(Forbidden):
    """A test key sent this: only a test key may act on it."""

    code = "test_data"


class NotFound(NotifyError):
    """There is no such thing among what this key may see."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class Conflict(NotifyError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = HTTPStatus.CONFLICT


class IdempotencyKeyReused(NotifyError):
    """This Idempotency-Key was used with another request."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class IdempotencyKeyInFlight(NotifyError):
    """A request with this Idempotency-Key is being worked on."""

    code = "idempotency_key_in_flight"
    status = HTTPStatus.CONFLICT


class RateLimited(NotifyError):
    """The application sends faster than its rate limit."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS


class QuotaExceeded(NotifyError):
    """The application's quota for today is used up."""

    code = "quota_exceeded"
    status = HTTPStatus.TOO_MANY_REQUESTS


class LaneSaturated(NotifyError):
    """A lane that the request goes to is too deep to take it now."""

    code = "lane_saturated"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, *, lane: str, depth: int, limit: int, kind: str, retry_after: float) -> None:
        super().__init__(
            f"{depth} messages wait in the lane {lane}; its {kind} limit is {limit}. Nothing was stored.",
            retry_after=retry_after,
        )
        self.headers = {
            "RateLimit-Policy": f'"{lane}";q={limit}',
            "RateLimit": f'"{lane}";r=0;t={math.ceil(retry_after)}',
        }


class TemplateError(NotifyError):
    """A template can't be parsed or rendered."""

    code = "template_error"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
