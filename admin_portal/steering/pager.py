"""What a call to an approver says, and as whom the platform sends it: an application of its own, made on first use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import override

from admin_portal.models import DegradationRequest, Summons
from admin_portal.models.requests import Occasion
from admin_portal.steering import actions, ledger
from admin_portal.steering.surroundings import SYSTEM
from notify import api_keys, templating
from notify.models import ApiKey, Application
from notify.models.application import Tier

CHANNELS: Final = ("inapp", "email", "webhook")
#: Where a request is looked at. Written out: whoever resolves URLs loads all pages, and workers do without them.
PAGE: Final = "/admin/admin_portal/degradationrequest/{}/change/"
_KEY: Final = "pager"
_CATEGORY: Final = "operations"
#: The languages of the portal, as templates name them.
_LOCALES: Final[Mapping[str, str]] = {"en": "en", "zh-hans": "zh-CN"}


def key() -> ApiKey:
    """The key that the platform sends with; a new one when somebody revoked the last."""
    application, _made = Application.objects.get_or_create(name=SYSTEM, defaults={"tier": Tier.VIP})
    found = ApiKey.objects.filter(application=application, name=_KEY, revoked_at=None).order_by("pk").first()
    if found is None:
        # Its plain text is not needed: nothing comes in by the API with it.
        found, _plain = api_keys.create(application=application, name=_KEY)
    found.application = application
    return found


def publish(occasion: str, *, application: Application, now: datetime) -> str:
    """Makes sure that there is a template for ``occasion`` in every language, as this version of the platform words
    it; returns its key."""
    contents: dict[str, dict[str, dict[str, str]]] = {channel: {} for channel in CHANNELS}
    for language, name in _LOCALES.items():
        with override(language):
            subject, text = _words(Occasion(occasion))
        for channel in CHANNELS:
            contents[channel][name] = {"subject": subject, "text": text}
    template = f"pager.{occasion}"
    templating.publish(
        application=application,
        key=template,
        category=_CATEGORY,
        contents=contents,
        default_locale=locale(),
        author="goutong",
        now=now,
    )
    return template


def _words(occasion: Occasion) -> tuple[str, str]:
    if occasion is Occasion.APPROVAL:
        subject = _("Your approval is wanted: {{ what }}")
        text = _(
            "{{ who }} requests: {{ what }}\nWhy: {{ why }}\nSeverity: {{ severity }}\nUntil: {{ until }}\n"
            "Decide here: {{ link }}"
        )
    elif occasion is Occasion.BREAK_GLASS:
        subject = _("Applied without approval: {{ what }}")
        text = _(
            "{{ who }} broke the glass: {{ what }}\nWhy: {{ why }}\nSeverity: {{ severity }}\nUntil: {{ until }}\n"
            "Review it here: {{ link }}"
        )
    else:
        subject = _("A review is overdue: {{ what }}")
        text = _(
            "{{ who }} broke the glass: {{ what }}\nWhy: {{ why }}\nSeverity: {{ severity }}\nUntil: {{ until }}\n"
            "Nobody has reviewed it yet. Review it here: {{ link }}"
        )
    return subject, text


def params(call: Summons) -> dict[str, Any]:
    """What the template is filled with, in the language it is read in."""
    row = call.request
    with override(settings.LANGUAGE_CODE):
        return {
            "who": _who(row),
            "what": f"#{row.pk} {actions.describe(ledger.action_of(row))}",
            "why": row.break_reason or row.reason,
            "severity": row.get_severity_display(),
            "until": f"{localtime(row.ends_at):%Y-%m-%d %H:%M %Z}",
            "link": settings.PAGER["PUBLIC_URL"].rstrip("/") + PAGE.format(row.pk),
        }


def _who(row: DegradationRequest) -> str:
    person = row.broken_by or row.requested_by
    return person.get_full_name() or person.username


def locale() -> str:
    """The language of the calls, as templates name it."""
    return _LOCALES.get(settings.LANGUAGE_CODE, "en")


def category_for(target: str) -> str:
    """The category of a call about ``target``: one that the action does not touch."""
    return "pager" if target == f"category:{_CATEGORY}" else _CATEGORY
