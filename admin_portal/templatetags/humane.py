"""Numbers and spans of time as people read them."""

from __future__ import annotations

from django import template

from admin_portal.durations import span

register = template.Library()
register.filter("span", span)


@register.filter
def amount(number: int | None) -> str:
    """``1234567`` -> ``1,234,567``; nothing -> ``–``."""
    return "–" if number is None else f"{number:,}"
