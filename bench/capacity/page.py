"""The tables of docs/capacity.md, each between its markers. The words around them are a person's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.capacity import costs, plan, tables, target
from bench.report import Result
from bench.rig import BASE_DIR

PAGE: Final = BASE_DIR / "docs" / "capacity.md"
TARGETS: Final = BASE_DIR / "bench" / "capacity" / "targets.yaml"


def write(results: Sequence[Result], path: Path = PAGE) -> None:
    """Every table of the page, from these results. Raises Unmeasured, and ValueError where the page has no place."""
    text = path.read_text()
    for name, table in made(results).items():
        begin, end = f"<!-- {name}: written by `python -m bench.capacity` -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _old, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"{path} has no place for {name}: {begin} … {end}")
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    path.write_text(text)


def made(results: Sequence[Result]) -> Mapping[str, str]:
    """The tables by the names of their places."""
    known = costs.read(results)
    measured = next(result for result in results if result.measure == "capacity")
    plans = [plan.plan(one, known) for one in target.read(TARGETS)]
    return {
        "costs": tables.costs_table(known),
        "check": tables.check_table(measured),
        "flood": tables.flood_table(measured),
        "erlang": tables.erlang_table(service_s=0.1),
        **{f"plan {number}": tables.plan_table(one) for number, one in enumerate(plans, start=1)},
    }
