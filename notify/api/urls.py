"""``/api/v1/``: each module of views brings its own ``urlpatterns``."""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern

from notify.api import batches, channels, dead_letters, notifications, reads, receipts, templates

urlpatterns: Final[list[URLPattern]] = [
    *notifications.urlpatterns,
    *reads.urlpatterns,
    *batches.urlpatterns,
    *dead_letters.urlpatterns,
    *templates.urlpatterns,
    *channels.urlpatterns,
    *receipts.urlpatterns,
]
