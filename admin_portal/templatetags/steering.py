"""Rates, as the forecast of a degradation shows them."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def rate(per_s: float) -> str:
    """``3.26`` -> ``3.3/s``, ``0.02`` -> ``1.2/min``, ``0.001`` -> ``3.6/h``; nothing -> ``0``."""
    if per_s <= 0:
        return "0"
    if per_s < 0.005:
        return _("%(count)s/h") % {"count": _rounded(max(per_s * 3600, 0.1), 1)}
    if per_s < 0.5:
        return _("%(count)s/min") % {"count": _rounded(per_s * 60, 1)}
    return _("%(count)s/s") % {"count": _rounded(per_s, 0 if per_s >= 10 else 1)}


def _rounded(number: float, places: int) -> str:
    """Django's own formatting cuts off what it does not show."""
    return number_format(round(number, places), places)


@register.filter
def whole(number: float) -> str:
    """Rounded, but never to nothing."""
    return "<1" if 0 < number < 1 else number_format(round(number), 0, force_grouping=True)
