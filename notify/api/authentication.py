"""Who is asking: ``Authorization: Bearer <key>``, and what that key may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from notify import api_keys
from notify.errors import Forbidden, NotifyError
from notify.models import ApiKey
from notify.models.application import Scope

_KEY_KINDS: Final = ("gt_live_", "gt_test_")
_MAX_KEY_LENGTH: Final = 128


class Unauthenticated(NotifyError):
    """Nobody we know is asking."""

    code = "invalid_key"
    status = HTTPStatus.UNAUTHORIZED
    challenge: ClassVar[str] = 'Bearer realm="goutong", error="invalid_token"'

    @property
    def headers(self) -> Mapping[str, str]:
        """How to authenticate (RFC 6750)."""
        return {"WWW-Authenticate": self.challenge}


class MissingKey(Unauthenticated):
    """Send a key: Authorization: Bearer <key>."""

    code = "missing_key"
    challenge = 'Bearer realm="goutong"'


class InvalidKey(Unauthenticated):
    """There is no such key."""


class ExpiredKey(Unauthenticated):
    """This key has expired."""

    code = "expired_key"


class RevokedKey(Unauthenticated):
    """This key was revoked."""

    code = "revoked_key"


class InactiveApplication(Forbidden):
    """The application of this key is switched off."""

    code = "application_inactive"


class AddressNotAllowed(Forbidden):
    """This key may not be used from this address."""

    code = "ip_not_allowed"


class MissingScope(Forbidden):
    """This key's scopes do not cover this call."""

    code = "missing_scope"


def client_address(request: Request | HttpRequest) -> str:
    """Where the request comes from. ``X-Forwarded-For`` counts only as far as proxies that we trust
    (``NOTIFY["TRUSTED_PROXIES"]``) wrote it: read from the right, the first address that is not one of them."""
    address: str = request.META.get("REMOTE_ADDR", "")
    trusted: Sequence[str] = settings.NOTIFY.get("TRUSTED_PROXIES", ())
    if not trusted:
        return address
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    while hops and (not address or api_keys.allows_address(trusted, address)):
        address = hops.pop()
    return address


def _check_state(key: ApiKey, request: Request) -> None:
    now = timezone.now()
    if key.revoked_at is not None:
        raise RevokedKey
    if key.expires_at is not None and key.expires_at <= now:
        raise ExpiredKey
    if not key.application.is_active:
        raise InactiveApplication
    if key.allowed_ips or key.application.allowed_ips:
        address = client_address(request)
        for allowed in (key.allowed_ips, key.application.allowed_ips):
            if not api_keys.allows_address(allowed, address):
                raise AddressNotAllowed
    api_keys.note_use(key=key, now=now)


class ApiKeyAuthentication(BaseAuthentication):
    """Makes ``request.auth`` the ApiKey, with its ``application``; there is no user. One query."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        """The key that the request carries; None when it carries none. Raises Unauthenticated or Forbidden."""
        header: str = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, plain = header.partition(" ")
        plain = plain.strip()
        if scheme.lower() != "bearer" or not plain:
            raise MissingKey
        if not plain.startswith(_KEY_KINDS) or len(plain) > _MAX_KEY_LENGTH or not plain.isascii() or "\0" in plain:
            raise InvalidKey
        key = api_keys.find(plain)
        if key is None:
            raise InvalidKey
        _check_state(key, request)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return MissingKey.challenge


_WRITES: Final = (Scope.SEND.value,)
_READS: Final = (Scope.READ.value,)


def required_scopes(view: object, method: str) -> Sequence[str]:
    """The scopes of which a key needs one. A view says so in ``required_scopes``: alternatives, or a dict of them by
    method; else ``read`` for reading and ``send`` for everything that changes something."""
    declared: Sequence[str] | Mapping[str, Sequence[str]] | None = getattr(view, "required_scopes", None)
    if isinstance(declared, Mapping):
        declared = declared.get("GET" if method == "HEAD" else method)
    if declared is None:
        return _READS if method in SAFE_METHODS else _WRITES
    return declared


class HasScope(BasePermission):
    """Lets a request through whose key has one of the scopes that the view asks for."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True, or raises MissingKey or MissingScope."""
        key = request.auth
        if not isinstance(key, ApiKey):
            raise MissingKey
        wanted = required_scopes(view, request.method or "GET")
        if not any(scope in key.scopes for scope in wanted):
            raise MissingScope(f"This call needs a key with the scope {' or '.join(wanted)}.")
        return True


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description names our keys."""

    target_class = "notify.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """The OpenAPI security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of an application: `gt_live_…`, or `gt_test_…`, whose messages only reach a sandbox.",
        }
