"""The secrets that status callbacks are signed with: one an application, made on first use (Standard Webhooks)."""

from __future__ import annotations

import base64
import secrets

from django.db import transaction

from notify.models import Application


def _new() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def of(*, application_id: int) -> str:
    """The signing secret of an application (``whsec_…``)."""
    known = Application.objects.values_list("signing_secret", flat=True).get(pk=application_id)
    return str(known) if known else _first(application_id)


def _first(application_id: int) -> str:
    with transaction.atomic():
        application = Application.objects.select_for_update().get(pk=application_id)
        if not application.signing_secret:
            application.signing_secret = _new()
            application.save(update_fields=["signing_secret"])
        return str(application.signing_secret)


def rotate(*, application: Application) -> str:
    """Gives ``application`` a new signing secret, and returns it. The old one signs nothing from here on."""
    application.signing_secret = _new()
    application.save(update_fields=["signing_secret", "updated_at"])
    return str(application.signing_secret)
