"""Figures and what they are held against: medians of alternating runs, as a ratio to a baseline of the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Run = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Series:
    """What one thing measured, run after run."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        if len(self.values) < 4 or not self.median:
            return 0.0
        low, _middle, high = statistics.quantiles(self.values, n=4)
        return (high - low) / 2 / self.median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measure beside its baseline. ``target`` is the least ratio we claim (the most, with ``at_most``)."""

    measure: str
    ours: Series
    baseline: Series
    target: float
    at_most: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Ours to the baseline: the median of the ratios of runs that stood beside each other."""
        return statistics.median(
            ours / other for ours, other in zip(self.ours.values, self.baseline.values, strict=True) if other
        )

    @property
    def met(self) -> bool:
        """Whether the claim held in this run."""
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def as_dict(self) -> dict[str, Any]:
        """For the results file."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def alternate(
    *, ours: Run, baseline: Run, times: int, names: tuple[str, str], unit: str, step: Callable[[], None]
) -> tuple[Series, Series]:
    """Runs both in turn, ``times`` times each, so that whatever else the machine does meets both."""
    left: list[float] = []
    right: list[float] = []
    for number in range(times):
        for values, run in ((left, ours), (right, baseline)) if number % 2 == 0 else ((right, baseline), (left, ours)):
            values.append(run())
            step()
    return Series(names[0], unit, tuple(left)), Series(names[1], unit, tuple(right))


def table(figures: Sequence[Figure]) -> str:
    """The figures as they are printed."""
    head = ("measure", "ours", "baseline", "ratio", "target", "")
    rows = [
        (
            figure.measure,
            f"{figure.ours.median:,.1f} {figure.ours.unit} ±{figure.ours.spread:.0%}",
            f"{figure.baseline.median:,.1f} {figure.baseline.unit} ±{figure.baseline.spread:.0%}",
            f"{figure.ratio:.2f}",
            f"{'≤' if figure.at_most else '≥'} {figure.target:g}",
            "met" if figure.met else "MISSED",
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    )
