"""Numbers and spans of time as people read them."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def amount(number: int | None) -> str:
    """``1234567`` -> ``1,234,567``; nothing -> ``–``."""
    return "–" if number is None else f"{number:,}"


@register.filter
def span(seconds: float) -> str:
    """``0.4`` -> ``0.4 s``, ``75`` -> ``1 min 15 s``, ``7500`` -> ``2 h 5 min``."""
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
