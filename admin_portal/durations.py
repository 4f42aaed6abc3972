"""Spans of time as people read them. Pure."""

from __future__ import annotations

from django.utils.translation import gettext as _


def span(seconds: float) -> str:
    """``0.4`` -> ``0.4 s``, ``75`` -> ``1 min 15 s``, ``7500`` -> ``2 h 5 min``, from two days on in days."""
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    days, hours = divmod(hours, 24)
    return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
