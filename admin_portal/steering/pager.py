"""What a call to an approver says, and as whom the platform sends it: an application of its own, made on first use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from admin_portal.models import Summons
from admin_portal.models.requests import Occasion
from admin_portal.steering import subjects
from admin_portal.steering.actions import Action
from admin_portal.steering.surroundings import SYSTEM
from notify import api_keys, templating
from notify.models import ApiKey, Application
from notify.models.application import Tier

CHANNELS: Final = ("inapp", "email", "webhook")
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
    with override(settings.LANGUAGE_CODE):
        about = subjects.read(call)
        return {
            "who": about.who,
            "what": about.what,
            "why": about.why,
            "severity": about.severity,
            "until": about.until,
            "link": settings.PAGER["PUBLIC_URL"].rstrip("/") + about.page,
        }


def locale() -> str:
    """The language of the calls, as templates name it."""
    return _LOCALES.get(settings.LANGUAGE_CODE, "en")


def category_for(actions: Iterable[Action]) -> str:
    """The category of a call about ``actions``: one that they do not touch."""
    return "pager" if f"category:{_CATEGORY}" in {one.target for one in actions} else _CATEGORY
