"""The figures in docs/performance.md: ``python -m bench.page`` writes the table, the pictures and the kept JSON
from the results of the last runs. The words around them are a person's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.measures import MEASURES
from bench.report import RESULTS, Result, columns
from bench.rig import BASE_DIR

PAGE: Final = BASE_DIR / "docs" / "performance.md"
KEPT: Final = BASE_DIR / "docs" / "performance.json"
PICTURES: Final = BASE_DIR / "docs" / "images" / "bench"
_BEGIN: Final = "<!-- figures: written by `make bench` -->"
_END: Final = "<!-- end of figures -->"


def read(folder: Path) -> list[Result]:
    """The results in ``folder``, in the order of the measures."""
    paths = [folder / f"{name}.json" for name in MEASURES]
    return [Result.read(path) for path in paths if path.exists()]


def kept() -> list[Result]:
    """The results of the last full run, as docs/ keeps them."""
    return [Result.from_json(data) for data in json.loads(KEPT.read_text())]


def write(results: Sequence[Result]) -> None:
    """Everything of the page that is not words, and the tables of docs/capacity.md, which follow from the figures."""
    from bench import plots
    from bench.capacity import page as capacity_page

    plots.draw_overview(results, PICTURES / "overview.svg")
    for result in results:
        plots.draw_measure(result, PICTURES / f"{result.measure}.svg")
    kept = json.dumps([result.as_json() for result in results], indent=1, ensure_ascii=False)
    KEPT.write_text(f"{kept}\n")
    before, begin, rest = PAGE.read_text().partition(_BEGIN)
    _old, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no place for the figures: {_BEGIN} … {_END}")
    PAGE.write_text(f"{before}{begin}\n\n{table(results)}\n\n{end}{after}")
    capacity_page.write(results)


def table(results: Sequence[Result]) -> str:
    """The figures as Markdown."""
    head = ("figure", "ours", "baseline", "judged: median (least–greatest)", "target", "")
    rows = [(figure.label, *columns(figure)) for result in results for figure in result.figures]
    machine = results[0].machine
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}, Valkey {machine['valkey']}; {machine['at'][:10]}.",
        "",
        *(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    write(read(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS))
