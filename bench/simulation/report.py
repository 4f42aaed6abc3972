"""What people read: tables in Markdown, where we are not the best, and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.simulation.contest import CONTESTANTS, OURS, POINT_S, Entry, Row, rows
from bench.simulation.plots import Plot
from bench.simulation.weather import LIBRARY
from bench.simulation.world import FAULT_AT

_BEGIN: Final = "<!-- simulation: {name} -->"
_END: Final = "<!-- simulation ends -->"
_HEAD: Final = ("behaviour", "contestant", "late", "duplicates", "overload", "peak", "sent to the ill", "back, min")


def table(found: Sequence[Row]) -> str:
    """All rows, the best figures of each weather in bold."""
    lines = [f"| {' | '.join(_HEAD)} |", "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for weather in LIBRARY:
        group = [row for row in found if row.weather == weather]
        for row in group:
            name = weather if row.contestant == OURS else ""
            back = "—" if row.back_min is None else f"{row.back_min:.1f}"
            judged = [_judged(row, group, figure) for figure in ("late", "duplicates", "overload")]
            cells = [name, row.contestant, *judged, f"{row.peak:.2f}", f"{row.wasted:.0f}", back]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _judged(row: Row, group: Sequence[Row], figure: str) -> str:
    value = float(getattr(row, figure))
    best = min(float(getattr(one, figure)) for one in group)
    return f"**{value:.0f}**" if round(value) == round(best) else f"{value:.0f}"


def shortfalls(entries: Sequence[Entry]) -> str:
    """Where a rival has less of something than we have, and how often: a median may be less by chance."""
    lines = []
    by_seed = {(one.weather, one.contestant, one.seed): one.score for one in entries}
    seeds = sorted({one.seed for one in entries})
    found = {(row.weather, row.contestant): row for row in rows(entries)}
    for (weather, name), row in found.items():
        for figure in ("late", "duplicates", "overload"):
            ours, theirs = (round(getattr(one, figure)) for one in (found[weather, OURS], row))
            if theirs >= ours:
                continue
            pairs = [
                tuple(round(getattr(by_seed[weather, one, seed], figure)) for one in (name, OURS)) for seed in seeds
            ]
            less, more = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
            often = f"less in {less} of {len(seeds)} runs, more in {more}"
            lines.append(f"- {weather}: {name} has {theirs} {figure}, we have {ours} ({often}).")
    return "\n".join(lines) or "- Nowhere."


def write_plots(entries: Sequence[Entry], folder: Path) -> None:
    """A plot of A's share of the weights for each weather, of the first seed."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = min(entry.seed for entry in entries)
    for weather in LIBRARY.values():
        drawn = {one.contestant: one.shares for one in entries if (one.weather, one.seed) == (weather.name, seed)}
        plot = Plot(
            title=f"{weather.name}: A's share of the weights",
            lines={name: drawn[name] for name in CONTESTANTS},
            point_s=POINT_S,
            begin_s=-FAULT_AT,
            fault_min=weather.lasts_s / 60,
            until_min=weather.lasts_s / 60 + 20,
        )
        (folder / f"{_slug(weather.name)}.svg").write_text(plot.svg())


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name).replace("--", "-").strip("-")


def put(text: str, *, name: str, path: Path) -> None:
    """Writes ``text`` where the page ``path`` has a place of this name."""
    page = path.read_text()
    begin = _BEGIN.format(name=name)
    before, found, rest = page.partition(begin)
    if not found:
        raise LookupError(f"{path} has no place “{name}”")
    after = rest.partition(_END)[2]
    path.write_text(f"{before}{begin}\n{text}\n{_END}{after}")
