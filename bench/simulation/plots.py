"""Plots of shares over time, as SVG, with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

#: Told apart by people who see colours differently (Okabe and Ito), and by their dashes in print.
_STYLES: Final = (("#0072B2", ""), ("#E69F00", "7 3"), ("#CC79A7", "2 2"), ("#999999", "9 3 2 3"))
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 250, 46, 34, 12, 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Lines over time, in minutes from the fault's begin; a line has None where it has no value. ``fault_min`` is
    when the fault ends."""

    title: str
    lines: Mapping[str, Sequence[float | None]]
    point_s: float
    begin_s: float
    fault_min: float
    until_min: float

    def svg(self) -> str:
        """The whole file."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
            f'font-size="11"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            f'<text x="{_LEFT}" y="18" font-size="13" font-weight="bold">{escape(self.title)}</text>',
            self._fault(),
            *self._axes(),
            *(self._line(values, *_STYLES[number]) for number, values in enumerate(self.lines.values())),
            *self._legend(),
            "</svg>\n",
        ]
        return "\n".join(parts)

    def _x(self, minutes: float) -> float:
        begin = self.begin_s / 60
        return _LEFT + (minutes - begin) / (self.until_min - begin) * (_WIDTH - _LEFT - _RIGHT)

    @staticmethod
    def _y(share: float) -> float:
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)

    def _fault(self) -> str:
        x, end = self._x(0), self._x(self.fault_min)
        height = _HEIGHT - _TOP - _BOTTOM
        return f'<rect x="{x:.1f}" y="{_TOP}" width="{end - x:.1f}" height="{height}" fill="#f6dada"/>'

    def _axes(self) -> list[str]:
        parts = []
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = self._y(share)
            parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
        for minute in range(0, int(self.until_min) + 1, 5):
            y = _HEIGHT - _BOTTOM + 14
            parts.append(f'<text x="{self._x(minute):.1f}" y="{y}" text-anchor="middle">{minute}</text>')
        y = _HEIGHT - _BOTTOM + 14
        parts.append(f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end">min</text>')
        return parts

    def _line(self, values: Sequence[float | None], colour: str, dash: str) -> str:
        path, pen_up = [], True
        for number, value in enumerate(values):
            minutes = (self.begin_s + number * self.point_s) / 60
            if value is None or minutes > self.until_min:
                pen_up = True
                continue
            path.append(f"{'M' if pen_up else 'L'}{self._x(minutes):.1f} {self._y(value):.1f}")
            pen_up = False
        drawn = " ".join(path)
        return f'<path d="{drawn}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'

    def _legend(self) -> list[str]:
        parts = []
        for number, name in enumerate(self.lines):
            colour, dash = _STYLES[number]
            x, y = _LEFT + number * 165, _HEIGHT - 12
            parts.append(
                f'<line x1="{x}" x2="{x + 26}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/><text x="{x + 32}" y="{y}">{escape(name)}</text>'
            )
        return parts
