"""``/api/v1/``: the views of every module, each of which brings its own ``urlpatterns``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from django.urls import URLPattern

MODULES: Final = ("notifications", "reads", "batches", "dead_letters", "templates", "channels")


def _patterns() -> list[URLPattern]:
    found: list[URLPattern] = []
    for name in MODULES:
        path = f"notify.api.{name}"
        if find_spec(path) is not None:
            found += getattr(import_module(path), "urlpatterns", [])
    return found


urlpatterns = _patterns()
