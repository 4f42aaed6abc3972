"""Pictures of the results, as SVG that says the same whenever it is drawn from the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from bench.figures import Figure, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

    from bench.report import Result

_OURS: Final = "#0d9488"
_THEIRS: Final = "#9ca3af"
_MISSED: Final = "#dc2626"
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "goutong",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def draw_overview(results: Sequence[Result], path: Path) -> None:
    """Every figure that has a target, as how many times it is reached: 1 is the target, to the right is better. Of
    nothing (a target of 0) there are no multiples."""
    figures = [
        figure
        for result in results
        for figure in result.figures
        if figure.target is not None and figure.target.most != 0
    ]
    with mpl.rc_context(_STYLE):
        picture, axes = plt.subplots(figsize=(9, 0.42 * len(figures) + 1))
        for row, figure in enumerate(reversed(figures)):
            reached = [reach(figure, value) for value in figure.judged.values]
            median = reach(figure, figure.judged.median)
            axes.barh(row, median, color=_OURS if figure.met else _MISSED, height=0.6)
            axes.plot([min(reached), max(reached)], [row, row], color="#111827", linewidth=1.2)
            axes.text(max(median, *reached) * 1.06, row, f"{rounded(median)}×", va="center", fontsize=9)
        axes.axvline(1, color="#111827", linewidth=1, linestyle=":")
        axes.set_yticks(range(len(figures)), [figure.label for figure in reversed(figures)], fontsize=8)
        axes.set_xscale("log")
        axes.set_xlabel("times the target (median; the line spans the runs)")
        _save(picture, path)


def reach(figure: Figure, value: float) -> float:
    """How many times ``value`` reaches the figure's target."""
    assert figure.target is not None
    if figure.target.least is not None:
        return value / figure.target.least
    return (figure.target.most or 0.0) / value if value > 0 else 1000.0


def draw_measure(result: Result, path: Path) -> None:
    """One measure's figures, ours beside the baseline, every run a dot."""
    figures = result.figures
    with mpl.rc_context(_STYLE):
        picture, axes = plt.subplots(len(figures), 1, figsize=(8, 1.15 * len(figures) + 0.4), squeeze=False)
        for (axis,), figure in zip(axes, figures, strict=True):
            pairs = [(figure.ours, _OURS), *([(figure.baseline, _THEIRS)] if figure.baseline else [])]
            for row, (series, colour) in enumerate(reversed(pairs)):
                axis.barh(row, series.median, color=colour, height=0.65)
                axis.plot(series.values, [row] * len(series.values), "o", color="#111827", markersize=3)
            names = [f"{series.name}, {series.unit}" for series, _colour in reversed(pairs)]
            axis.set_yticks(range(len(pairs)), names, fontsize=8)
            axis.set_title(figure.label, fontsize=9, loc="left")
            axis.tick_params(axis="x", labelsize=8)
            axis.set_xlim(left=0)
        _save(picture, path)


def _save(picture: Picture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    plt.close(picture)
