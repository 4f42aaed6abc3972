"""Guessing passwords is slowed down: after a few failures a name is closed, for some minutes, to the address that they
came from. Only to that one: else anybody could shut a known colleague out from anywhere. django-axes counts, in
PostgreSQL, so that it works without Valkey."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from notify.api.authentication import client_address


def address(request: HttpRequest) -> str | None:
    """Where a request comes from, for django-axes (``AXES_CLIENT_IP_CALLABLE``)."""
    return client_address(request) or None


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """What somebody sees who is locked out (``AXES_LOCKOUT_CALLABLE``). It says nothing about whether the name is
    anybody's."""
    context = {**admin.site.each_context(request), "title": _("Too many attempts")}
    return render(request, "admin_portal/locked_out.html", context, status=429)
