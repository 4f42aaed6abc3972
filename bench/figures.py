"""What was measured, and what follows from it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["ratio", "value"]
_ENOUGH_FOR_QUARTILES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The same thing measured several times, in the order of the runs."""

    name: str
    unit: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.name}: nothing was measured")

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest."""
        return max(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third; the extremes where there are too few runs for quartiles."""
        if len(self.values) < _ENOUGH_FOR_QUARTILES:
            return self.low, self.high
        first, _median, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third

    def over(self, other: Series) -> Series:
        """This as a ratio to ``other``, run by run: what disturbed one pair of runs disturbs one ratio."""
        pairs = zip(self.values, other.values, strict=True)
        return Series(name=f"{self.name} / {other.name}", unit="×", values=tuple(a / b for a, b in pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a figure has to reach: at least, or at most, this."""

    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if (self.least is None) == (self.most is None):
            raise ValueError("a target is either a least or a most")

    def met_by(self, value: float) -> bool:
        """Whether ``value`` reaches it."""
        return value >= self.least if self.least is not None else value <= (self.most or 0.0)

    def __str__(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: ours, beside a baseline where there is one, and the target of their ratio (or of ours)."""

    measure: str
    label: str
    ours: Series
    baseline: Series | None = None
    target: Target | None = None
    note: str = ""

    @property
    def judged(self) -> Series:
        """What the target is about."""
        return self.ours if self.baseline is None else self.ours.over(self.baseline)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        return None if self.target is None else self.target.met_by(self.judged.median)

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "measure": self.measure,
            "label": self.label,
            "ours": _series_as_json(self.ours),
            "baseline": None if self.baseline is None else _series_as_json(self.baseline),
            "judged": _series_as_json(self.judged),
            "target": None if self.target is None else {"least": self.target.least, "most": self.target.most},
            "met": self.met,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Figure:
        """What ``as_json`` wrote."""
        return cls(
            measure=data["measure"],
            label=data["label"],
            ours=_series_from_json(data["ours"]),
            baseline=None if data["baseline"] is None else _series_from_json(data["baseline"]),
            target=None if data["target"] is None else Target(**data["target"]),
            note=data["note"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one measure found: its figures, and what else is worth keeping (memory by process, plans, profiles)."""

    figures: tuple[Figure, ...]
    details: dict[str, Any] = field(default_factory=dict)


def _series_as_json(series: Series) -> dict[str, Any]:
    first, third = series.quartiles
    return {
        "name": series.name,
        "unit": series.unit,
        "values": list(series.values),
        "median": series.median,
        "low": series.low,
        "high": series.high,
        "quartiles": [first, third],
    }


def _series_from_json(data: dict[str, Any]) -> Series:
    return Series(name=data["name"], unit=data["unit"], values=tuple(data["values"]))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of ``values`` lie: the nearest rank, so that it is one that occurred."""
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 10_000) // 10_000))
    return ordered[min(rank, len(ordered)) - 1]


def rounded(value: float) -> str:
    """Three significant digits, with the thousands apart: as exact as a measurement is."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        digits = len(str(int(abs(value))))
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:.3g}"
