"""Middleware for pages that people look at. The API has neither sessions nor forms nor frames, and its calls are many:
they go straight on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axes.middleware import AxesMiddleware
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django_otp.middleware import OTPMiddleware

from channels.acting import Actor, acting
from notify.api.authentication import client_address
from notify.databases import drop_closed_connection

_API = "/api/v1/"
_NO_DEVICES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class _ForPeople:
    """Mixed into a middleware, keeps it from the API."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(_API):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class LanguageMiddleware(LocaleMiddleware):
    """The reader's language. A call of the API that asks for none gets the platform's without further search."""

    def process_request(self, request: HttpRequest) -> None:
        """Chooses the language."""
        if "HTTP_ACCEPT_LANGUAGE" in request.META or not request.path_info.startswith(_API):
            super().process_request(request)
        else:
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Says which it is."""
        if not request.path_info.startswith(_API):
            return super().process_response(request, response)
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        patch_vary_headers(response, ("Accept-Language",))
        return response


class PeopleSessionMiddleware(_ForPeople, SessionMiddleware):
    """Sessions: the first thing that a page asks the database for. A connection that died since the last request is
    replaced here, and costs nobody an error page; for the API, keys see to it."""

    def process_request(self, request: HttpRequest) -> None:
        """Finds the session."""
        drop_closed_connection()
        super().process_request(request)


class PeopleAuthenticationMiddleware(_ForPeople, AuthenticationMiddleware):
    """Who is logged in."""


class PeopleActorMiddleware:
    """Who changes something through a page, and from where, for the audit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/admin/"):
            return self._get_response(request)
        with acting(Actor(name=request.user.get_username() or "anonymous", origin=client_address(request))):
            return self._get_response(request)


class PeopleAxesMiddleware(_ForPeople, AxesMiddleware):  # type: ignore[misc]  # has no types
    """What somebody sees who guesses passwords."""


class PeopleOtpMiddleware(_ForPeople, OTPMiddleware):  # type: ignore[misc]  # has no types
    """Whether somebody has shown a second factor."""


class PeopleContentPolicyMiddleware(_ForPeople, CSPMiddleware):
    """What a browser may load and do on a page of ours."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The two headers that say so."""
        response.headers.setdefault("Permissions-Policy", _NO_DEVICES)
        return super().process_response(request, response)


class PeopleMessageMiddleware(_ForPeople, MessageMiddleware):
    """Notes on the next page."""


class PeopleXFrameOptionsMiddleware(_ForPeople, XFrameOptionsMiddleware):
    """No frames."""


class PeopleCsrfViewMiddleware(_ForPeople, CsrfViewMiddleware):
    """Forms that come from our own pages. The API's views are exempt in any case: they know no cookie."""

    def process_view(self, request: HttpRequest, *rest: Any) -> Any:
        """Nothing for the API."""
        return None if request.path_info.startswith(_API) else super().process_view(request, *rest)
