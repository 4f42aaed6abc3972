"""Numbers, spans of time and the platform's own reasons as people read them."""

from __future__ import annotations

from django import template
from django.template.defaultfilters import stringfilter

from admin_portal.durations import span
from admin_portal.engine_words import told
from admin_portal.priorities import priority_word

register = template.Library()
register.filter("span", span)
register.filter("told", stringfilter(told))
register.filter("priority_word", priority_word)


@register.filter
def amount(number: int | None) -> str:
    """``1234567`` -> ``1,234,567``; nothing -> ``–``."""
    return "–" if number is None else f"{number:,}"
