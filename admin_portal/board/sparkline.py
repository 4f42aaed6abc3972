"""Small curves without axes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

WIDTH: Final = 120
HEIGHT: Final = 28
_MARGIN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """Values of equal spans of time, the oldest first; None where there was nothing. ``low`` and ``high``: what the
    bottom and the top stand for, where the values themselves do not say."""

    values: Sequence[float | None]
    low: float | None = None
    high: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for value in self.values)

    def lines(self) -> list[str]:
        """The points of a polyline for each stretch without a gap; a single value is a short dash."""
        known = [value for value in self.values if value is not None]
        if not known:
            return []
        low = min(known) if self.low is None else self.low
        high = max(known) if self.high is None else self.high
        step = WIDTH / max(len(self.values) - 1, 1)
        scale = (HEIGHT - 2 * _MARGIN) / ((high - low) or 1)
        stretches: list[list[str]] = [[]]
        for place, value in enumerate(self.values):
            if value is None:
                stretches.append([])
                continue
            level = HEIGHT - _MARGIN - (min(max(value, low), high) - low) * scale
            stretches[-1].append(f"{place * step:.0f},{level:.1f}")
        return [" ".join(_dash(stretch)) for stretch in stretches if stretch]

    def draw(self, label: str, tone: str = "") -> SafeString:
        """As SVG; ``label`` says in words what it shows."""
        lines = mark_safe("".join(f'<polyline points="{points}"/>' for points in self.lines()))  # noqa: S308  (numbers)
        return format_html(
            '<svg class="board-spark {}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}'
            "</svg>",
            tone,
            WIDTH,
            HEIGHT,
            label,
            lines,
        )


def _dash(points: list[str]) -> list[str]:
    if len(points) > 1:
        return points
    place, _comma, level = points[0].partition(",")
    return [f"{max(0, int(place) - 1)},{level}", f"{int(place) + 1},{level}"]
