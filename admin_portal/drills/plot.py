"""The timeline of a drill, drawn as SVG: who took how many messages a second, what failed, when the fault was there and
when which change was made. Pure; no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

WIDTH: Final = 960
HEIGHT: Final = 260
_LEFT: Final = 36
_RIGHT: Final = 12
_TOP: Final = 16
_BOTTOM: Final = 24
_MOST_BUCKETS: Final = 180
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60)
#: How many colours the style sheet has for providers.
_TONES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Messages by spans of ``bucket_s`` from ``begins``: taken, by provider, and tries that failed."""

    begins: datetime
    bucket_s: int
    sent: Mapping[str, Sequence[int]] = field(default_factory=dict)
    failed: Sequence[int] = ()

    @classmethod
    def of(
        cls, *, sent: Sequence[tuple[datetime, str]], failed: Sequence[datetime], begins: datetime, ends: datetime
    ) -> Series:
        """Counted from single messages; what lies outside is left out."""
        lasts = max(1.0, (ends - begins).total_seconds())
        bucket_s = next((step for step in _STEPS_S if lasts / step <= _MOST_BUCKETS), _STEPS_S[-1])
        count = int(lasts // bucket_s) + 1
        found: dict[str, list[int]] = {name: [0] * count for name in sorted({name for _at, name in sent})}
        wrong = [0] * count
        for at, name in sent:
            place = int((at - begins).total_seconds() // bucket_s)
            if 0 <= place < count:
                found[name][place] += 1
        for at in failed:
            place = int((at - begins).total_seconds() // bucket_s)
            if 0 <= place < count:
                wrong[place] += 1
        return cls(begins=begins, bucket_s=bucket_s, sent=found, failed=wrong)

    def as_json(self) -> dict[str, Any]:
        """As a report keeps it."""
        return {
            "begins": self.begins.isoformat(),
            "bucket_s": self.bucket_s,
            "sent": {name: list(counts) for name, counts in self.sent.items()},
            "failed": list(self.failed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Series:
        """What ``as_json`` wrote."""
        return cls(
            begins=datetime.fromisoformat(data["begins"]),
            bucket_s=data["bucket_s"],
            sent=data["sent"],
            failed=data["failed"],
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to be marked, with its words, a class of the style sheet, and what the legend calls it."""

    at: datetime
    words: str
    tone: str = ""
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What is drawn: from ``begins`` to ``ends``, with the span in which the fault was there."""

    series: Series
    begins: datetime
    ends: datetime
    faulty_from: datetime
    faulty_until: datetime
    marks: Sequence[Mark] = ()

    def legend(self) -> list[tuple[str, str]]:
        """Each line, and each moment that has a look of its own, with its class and its name."""
        found = [(f"drill-line-{place % _TONES}", name) for place, name in enumerate(self.series.sent)]
        if any(self.series.failed):
            found.append(("drill-line-failed", _("failed tries")))
        return [*found, *dict.fromkeys((one.tone, one.legend) for one in self.marks if one.legend)]

    def draw(self) -> SafeString:
        """As SVG, which scales with the page."""
        return format_html(
            '<svg class="drill-plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}{}</svg>',
            WIDTH,
            HEIGHT,
            _("Messages a second by provider; the shaded span is the fault"),
            self._fault(),
            self._grid(),
            self._lines(),
            self._marks(),
            self._times(),
        )

    @property
    def _most(self) -> float:
        """What the top stands for, a second."""
        rows = [*self.series.sent.values(), self.series.failed]
        most = max((max(counts, default=0) for counts in rows), default=0) / self.series.bucket_s
        return float(next((step for step in (2, 5, 10, 20, 50, 100, 200, 500) if step >= most), most))

    def _x(self, at: datetime) -> float:
        part = (at - self.begins) / max(self.ends - self.begins, timedelta(seconds=1))
        return _LEFT + min(max(part, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, rate: float) -> float:
        return HEIGHT - _BOTTOM - rate / self._most * (HEIGHT - _TOP - _BOTTOM)

    def _fault(self) -> SafeString:
        left, right = self._x(self.faulty_from), self._x(self.faulty_until)
        return format_html(
            '<rect class="drill-fault" x="{}" y="{}" width="{}" height="{}"/>',
            f"{left:.1f}",
            _TOP,
            f"{max(0.0, right - left):.1f}",
            HEIGHT - _TOP - _BOTTOM,
        )

    def _grid(self) -> SafeString:
        levels = [(rate, f"{self._y(rate):.1f}") for rate in (0.0, self._most / 2, self._most)]
        return format_html_join(
            "",
            '<line class="drill-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="drill-text" x="{}" y="{}" text-anchor="end" dominant-baseline="middle">{}</text>',
            ((_LEFT, WIDTH - _RIGHT, y, y, _LEFT - 6, y, f"{rate:g}") for rate, y in levels),
        )

    def _lines(self) -> SafeString:
        rows = [(f"drill-line-{place % _TONES}", counts) for place, counts in enumerate(self.series.sent.values())]
        if any(self.series.failed):
            rows.append(("drill-line-failed", self.series.failed))
        return format_html_join(
            "", '<polyline class="drill-line {}" points="{}"/>', ((tone, self._points(counts)) for tone, counts in rows)
        )

    def _points(self, counts: Sequence[int]) -> str:
        span = timedelta(seconds=self.series.bucket_s)
        middles = (self.series.begins + span * (place + 0.5) for place in range(len(counts)))
        seen = zip(middles, counts, strict=True)
        return " ".join(
            f"{self._x(at):.1f},{self._y(count / self.series.bucket_s):.1f}" for at, count in seen if at <= self.ends
        )

    def _marks(self) -> SafeString:
        if not self.marks:
            return mark_safe("")
        return format_html_join(
            "",
            '<line class="drill-mark {}" x1="{}" x2="{}" y1="{}" y2="{}"><title>{}</title></line>',
            (
                (one.tone, f"{self._x(one.at):.1f}", f"{self._x(one.at):.1f}", _TOP, HEIGHT - _BOTTOM, one.words)
                for one in self.marks
            ),
        )

    def _times(self) -> SafeString:
        lasts = (self.ends - self.begins).total_seconds()
        step = next((step for step in (10, 15, 30, 60, 120, 300, 600) if lasts / step <= 12), 1200)
        places = range(0, int(lasts) + 1, step)
        return format_html_join(
            "",
            '<text class="drill-text" x="{}" y="{}" text-anchor="middle">{}</text>',
            (
                (f"{self._x(self.begins + timedelta(seconds=second)):.1f}", HEIGHT - 6, f"{second} s")
                for second in places
            ),
        )
