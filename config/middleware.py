"""Middleware for pages that people look at. The API has neither sessions nor forms nor frames, and its calls are many:
they go straight on."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware

_API = "/api/v1/"


class _ForPeople:
    """Mixed into a middleware, keeps it from the API."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(_API):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PeopleSessionMiddleware(_ForPeople, SessionMiddleware):
    """Sessions."""


class PeopleAuthenticationMiddleware(_ForPeople, AuthenticationMiddleware):
    """Who is logged in."""


class PeopleMessageMiddleware(_ForPeople, MessageMiddleware):
    """Notes on the next page."""


class PeopleXFrameOptionsMiddleware(_ForPeople, XFrameOptionsMiddleware):
    """No frames."""


class PeopleCsrfViewMiddleware(_ForPeople, CsrfViewMiddleware):
    """Forms that come from our own pages. The API's views are exempt in any case: they know no cookie."""

    def process_view(self, request: HttpRequest, *rest: Any) -> Any:
        """Nothing for the API."""
        return None if request.path_info.startswith(_API) else super().process_view(request, *rest)
