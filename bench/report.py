"""What a person sees, and what is kept: progress, a table, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.figures import Figure, Series, rounded
from config.env import BASE_DIR

#: Where each run leaves its results, a file a measure; not under version control (docs/performance.json is).
RESULTS: Final = BASE_DIR / "bench" / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measure of one run, as it is kept."""

    measure: str
    figures: tuple[Figure, ...]
    machine: dict[str, Any]
    scale: float
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Keeps it as ``<measure>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(), indent=1, ensure_ascii=False)
        (folder / f"{self.measure}.json").write_text(f"{text}\n")

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return {
            "measure": self.measure,
            "scale": self.scale,
            "seconds": self.seconds,
            "machine": self.machine,
            "figures": [figure.as_json() for figure in self.figures],
            "details": self.details,
        }

    @classmethod
    def read(cls, path: Path) -> Result:
        """What ``write`` kept."""
        return cls.from_json(json.loads(path.read_text()))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        """What ``as_json`` made."""
        data = dict(data)
        figures = tuple(Figure.from_json(figure) for figure in data.pop("figures"))
        return cls(figures=figures, **data)


def columns(figure: Figure) -> tuple[str, str, str, str, str]:
    """A figure in words: ours, the baseline, what is judged with its spread, the target, and whether it is met."""
    judged = figure.judged
    spread = f"{rounded(judged.low)}–{rounded(judged.high)}"
    verdict = {True: "met", False: "missed", None: ""}[figure.met]
    return (
        _amount(figure.ours),
        _amount(figure.baseline) if figure.baseline is not None else "",
        f"{rounded(judged.median)}{judged.unit if figure.baseline is not None else ''} ({spread})",
        str(figure.target or ""),
        verdict,
    )


def _amount(series: Series) -> str:
    return f"{rounded(series.median)} {series.unit}".replace(" /", "/")


class Screen:
    """The terminal: a bar for the whole run, one for the measure under way, and the table at the end."""

    def __init__(self, *, total: int) -> None:
        self._console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._whole = self._progress.add_task("measures", total=total)
        self._current = self._progress.add_task("", total=1, visible=False)
        self._begun = 0
        self._title = ""

    def __enter__(self) -> Screen:
        self._progress.start()
        return self

    def __exit__(self, *_rest: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """What goes on besides measuring."""
        self._progress.update(self._whole, description=text)

    def begin(self, name: str, title: str) -> None:
        """A measure begins."""
        self._title = title
        self._progress.update(self._whole, description="measures", completed=self._begun)
        self._progress.reset(self._current, description=f"{name}: {title}", total=1, visible=True)
        if not self._console.is_terminal:
            self._console.print(f"{name}: {title}")
        self._begun += 1

    def step(self, what: str, done: int, total: int) -> None:
        """Where the measure is."""
        self._progress.update(self._current, description=f"{self._title}: {what}", completed=done, total=total)

    def complain(self, text: str) -> None:
        """Why there is no table."""
        self._console.print(f"bench: {text}", style="red", markup=False)

    def table(self, results: Sequence[Result]) -> None:
        """Every figure of this run."""
        table = Table(title="Medians, and from the least to the greatest of the runs", expand=False)
        for head in ("measure", "ours", "baseline", "judged", "target", ""):
            table.add_column(head)
        for result in results:
            for figure in result.figures:
                table.add_row(figure.label, *columns(figure), style="red" if figure.met is False else "")
        self._console.print(table)
