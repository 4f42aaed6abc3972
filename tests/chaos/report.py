"""The report: a table for the terminal, JSON, and a plot of throughput over time with the fault marked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tests.chaos.experiment import Result

_HEAD = (
    ("fault", 30),
    ("offered", 7),
    ("accepted", 8),
    ("refused", 7),
    ("refused s", 9),
    ("delivered", 9),
    ("lost", 5),
    ("duplicated", 24),
    ("moves s", 7),
    ("drained s", 9),
    ("verdict", 7),
)


def head() -> str:
    """The table's first line."""
    return _row(name for name, _width in _HEAD)


def _row(cells: Iterable[object]) -> str:
    return "  ".join(
        str(cell).ljust(width) if name in ("fault", "duplicated") else str(cell).rjust(width)
        for cell, (name, width) in zip(cells, _HEAD, strict=True)
    )


def line(result: Result) -> str:
    """One experiment as a line of the table, and what speaks against the product below it."""
    found = result.judgement
    if found is None:
        return f"{result.fault.name:<30}  not tried: {result.skipped}"
    duplicates = ", ".join(f"{count} {cause}" for cause, count in sorted(found.duplicates.items()))
    if found.duplicates_unexplained:
        duplicates += f" {found.duplicates_unexplained} unexplained"
    otherwise = "".join(f" +{count} {state}" for state, count in sorted(found.ended_otherwise.items()))
    cells = (
        result.fault.name,
        found.offered,
        found.accepted,
        found.refused + found.unanswered,
        found.refused_s,
        found.delivered,
        found.lost,
        (duplicates or "0") + otherwise,
        found.moves_again_s,
        "never" if found.drained_s is None else found.drained_s,
        "held" if found.held else "FAILED",
    )
    return "\n".join([_row(cells), *(f"    against it: {words}" for words in found.against)])


def write_json(results: Sequence[Result], path: Path, **more: Any) -> None:
    """Everything, for whoever wants to look again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**more, "results": [result.as_dict() for result in results]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


_BEGIN: Final = "<!-- figures: written by `make chaos CHAOS_ARGS=--page` -->"
_END: Final = "<!-- end of figures -->"


def write_page(results: Path, page: Path) -> None:
    """Writes the figures of ``results`` (the JSON) into ``page``, between its marks."""
    content = json.loads(results.read_text())
    lines = [
        f"{len(content['results'])} faults, {content['rate']:.0f} requests a second, {content['took_s']:.0f} s in all.",
        "",
        "| fault | accepted | refused | for | delivered | lost | twice, and why | moves again after | drained | |",
        "| --- | --: | --: | --: | --: | --: | --- | --: | --: | --- |",
        *(_page_row(one) for one in content["results"]),
    ]
    before, _mark, rest = page.read_text().partition(_BEGIN)
    page.write_text("\n".join([before + _BEGIN, "", *lines, "", _END + rest.partition(_END)[2]]))


def _page_row(one: dict[str, Any]) -> str:
    name, found = one["fault"]["name"], one.get("judgement")
    if found is None:
        return f"| `{name}` | | | | | | | | | not tried: {one['skipped']} |"
    twice = [f"{count} {cause}" for cause, count in sorted(found["duplicates"].items())]
    otherwise = [f"{count} {state} instead" for state, count in sorted(found["ended_otherwise"].items())]
    cells = (
        f"`{name}`",
        found["accepted"],
        found["refused"] + found["unanswered"],
        f"{found['refused_s']} s",
        found["delivered"],
        found["lost"],
        ", ".join([*twice, *otherwise]) or "0",
        f"{found['moves_again_s']} s" if found["moves_again_s"] else "did not stop",
        "never" if found["drained_s"] is None else f"{found['drained_s']} s",
        "held" if found["held"] else "**" + "; ".join(found["against"]) + "**",
    )
    return f"| {' | '.join(map(str, cells))} |"


def plot(results: Path, picture: Path) -> bool:
    """Draws what ``results`` (the JSON) holds; False when there is no matplotlib to draw with."""
    if find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = [one for one in json.loads(results.read_text())["results"] if "judgement" in one]
    columns = 3
    rows = max(1, -(-len(found) // columns))
    figure, axes = pyplot.subplots(rows, columns, figsize=(15, 2.3 * rows), squeeze=False, layout="constrained")
    for place, one in zip(axes.flat, found, strict=False):
        _draw(place, one)
    for place in list(axes.flat)[len(found) :]:
        place.set_axis_off()
    axes.flat[0].legend(loc="upper right", fontsize=7, frameon=False)
    figure.savefig(picture, dpi=100)
    pyplot.close(figure)
    return True


def _draw(place: Any, one: dict[str, Any]) -> None:
    judgement = one["judgement"]
    place.axvspan(0, max(one["healed_s"], 0.15), color="tab:red", alpha=0.15, lw=0, label="fault")
    for key, label, colour in (
        ("accepted_per_s", "accepted/s", "tab:blue"),
        ("delivered_per_s", "handed over/s", "tab:green"),
    ):
        moments = [moment for moment, _count in one[key]]
        counts = [count for _moment, count in one[key]]
        place.step(moments, counts, where="post", label=label, color=colour, lw=1)
    place.set_title(
        f"{one['fault']['name']}: lost {judgement['lost']}, twice {sum(judgement['duplicates'].values())}", fontsize=8
    )
    place.tick_params(labelsize=7)
    place.set_ylim(bottom=0)
    place.margins(x=0.01)
