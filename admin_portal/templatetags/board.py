"""What the board's templates say in a word or a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from admin_portal.board.attention import PATIENCE_S, Item
from admin_portal.board.queries import Count
from admin_portal.board.sparkline import Sparkline
from admin_portal.board.traffic import Traffic
from admin_portal.durations import span
from admin_portal.engine_words import ORDERS
from channels.names import split_lane
from notify.depths import LaneDepth

register = template.Library()

CHECKS: Final[Mapping[str, Any]] = {
    "database": gettext_lazy("database"),
    "redis": "Valkey",
    "broker": gettext_lazy("broker"),
    "migrations": gettext_lazy("schema"),
}


@register.filter
def rounded(number: float) -> str:
    """``12.3`` -> ``12``, ``0.4`` -> ``0.4``, ``1234.5`` -> ``1,235``."""
    if 0 < number < 10:
        return number_format(round(number, 1), decimal_pos=1)
    return f"{number:,.0f}"


@register.filter
def counted(count: Count) -> str:
    """``10,000+`` where nobody counted further."""
    return f"{count.number:,}{'+' if count.capped else ''}"


@register.filter
def share(rate: float | None) -> str:
    """``0.987`` -> ``98.7 %``; a fault among a million is not 100 %."""
    if rate is None:
        return "–"
    percent = min(100 * rate, 99.9) if rate < 1 else 100.0
    return f"{percent:.1f} %" if percent < 100 else "100 %"


@register.filter
def latency(traffic: Traffic) -> str:
    """The 95th percentile, lately."""
    p95 = traffic.lately.latency.quantile(0.95)
    if p95 is None:
        return "–"
    return f"{p95:.0f} ms" if p95 < 1000 else f"{p95 / 1000:.1f} s"


@register.filter
def is_late(lane: LaneDepth) -> bool:
    """Whether what is due has waited for longer than it may."""
    return lane.oldest_age_s > PATIENCE_S[split_lane(lane.name)[1]]


@register.filter
def time_left(at: datetime, now: datetime) -> str:
    """How long from now until then."""
    return span(max(0.0, (at - now).total_seconds()))


@register.filter
def time_since(at: datetime, now: datetime) -> str:
    """How long ago that was."""
    return span(max(0.0, (now - at).total_seconds()))


@register.simple_tag
def priority_of(lane: LaneDepth) -> str:
    """``sms.critical`` -> ``critical``."""
    return split_lane(lane.name)[1]


@register.simple_tag
def action_label(action: Any) -> Any:
    """What was ordered, or decided."""
    return ORDERS.get(str(action), action)


@register.simple_tag
def check_label(name: str) -> Any:
    """What was asked how it is."""
    return CHECKS.get(name, name)


@register.simple_tag
def behind(board: Mapping[str, Any], item: Item) -> str:
    """Where one gets from a line that needs attention: another page, or further down on this one."""
    links: Mapping[str, str] = board["links"]
    if item.link:
        return links.get(item.link, "")
    return f"#{item.anchor}" if item.anchor else ""


@register.simple_tag
def curve(values: Sequence[float | None], kind: str) -> SafeString | str:
    """An hour as a curve: of shares between one half and all, of latencies from nothing."""
    if kind == "share":
        drawn = Sparkline(values=values, low=0.5, high=1.0)
        worst = min((value for value in values if value is not None), default=1.0)
        tone = "board-spark-bad" if worst < 0.8 else "board-spark-warm" if worst < 0.95 else ""
        label = _("Share of messages taken, last hour; at worst %(worst)s") % {"worst": share(worst)}
    else:
        drawn = Sparkline(values=values, low=0.0)
        most = max((value for value in values if value is not None), default=0.0)
        tone = ""
        label = _("95th percentile of latency, last hour; at most %(most)s ms") % {"most": f"{most:.0f}"}
    return "" if drawn.is_empty else drawn.draw(label, tone)


@register.inclusion_tag("admin_portal/board/figure.html")
def figure(
    label: Any, value: Any, url: str = "", tone: str = "", spark: Sequence[float | None] | None = None
) -> dict[str, Any]:
    """A number with what it is of, and the page behind it."""
    drawn = "" if spark is None else Sparkline(values=spark, low=0.0).draw(_("last hour"))
    return {"label": label, "value": value, "url": url, "tone": tone, "curve": drawn}
