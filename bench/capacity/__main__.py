"""``python -m bench.capacity``: what a target needs, from what was measured."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import page
from bench.capacity import costs, plan, tables, target
from bench.capacity import page as capacity_page
from bench.capacity.plan import Plan
from bench.report import Result


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="targets as YAML (default: those of docs/capacity.md)")
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME=A_SECOND[,latency_ms=…][,p99_ms=…][,priority=…]",
        help="a target from the command line instead, a channel each",
    )
    parser.add_argument("--singles", type=float, default=0.2, help="what part is accepted one by one (%(default)s)")
    parser.add_argument(
        "--results", type=Path, help="a folder of results that come before those of docs/performance.json"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="writes the plans there too (-: instead, to stdout)")
    parser.add_argument("--page", action="store_true", help="writes the tables of docs/capacity.md")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    try:
        results = _results(given.results)
        known = costs.read(results)
        plans = [plan.plan(one, known) for one in _targets(given)]
        if given.page:
            capacity_page.write(results)
    except (target.TargetError, costs.Unmeasured, ValueError) as error:
        print(f"capacity: {error}", file=sys.stderr)
        return 1
    found = json.dumps([as_json(one) for one in plans], indent=1, ensure_ascii=False)
    if given.json == Path("-"):
        print(found)
        return 0
    if given.json:
        given.json.write_text(f"{found}\n")
    _show(plans, results)
    return 0


def _results(folder: Path | None) -> list[Result]:
    """Those that docs/ keeps, and instead of them those of the folder that are of full size."""
    newer = page.read(folder) if folder else []
    by_measure = {result.measure: result for result in [*page.kept(), *(one for one in newer if one.scale == 1)]}
    return list(by_measure.values())


def _targets(given: argparse.Namespace) -> list[target.Target]:
    if given.channel:
        channels = dict(target.parse_channel(text) for text in given.channel)
        return [target.parse({"channels": channels, "singles": given.singles})]
    return target.read(given.file or capacity_page.TARGETS)


def as_json(one: Plan) -> dict[str, Any]:
    """A plan, for other programs."""
    return {
        "target": one.target.model_dump(),
        "per_second": one.target.per_second,
        "first_to_give_way": one.first.resource if one.first.times > 1 else None,
        "needs": [{**asdict(need), "times": need.times} for need in one.needs],
        "channels": [asdict(channel) for channel in one.channels],
        "gb_a_day": one.gb_a_day,
        "gb_kept": one.gb_kept,
        "transactions_per_second": one.transactions,
        "commits_a_flush": one.commits_a_flush,
        "commands_per_second": one.commands,
    }


def _show(plans: Sequence[Plan], results: Sequence[Result]) -> None:
    console = Console()
    for one in plans:
        table = Table(title=f"{one.target.name}: {one.target.per_second:,.0f} messages a second", title_justify="left")
        for head in ("", "needed", "stands", "arithmetic"):
            table.add_column(head)
        for need in one.needs:
            style = "red" if need.times > 1 else ""
            table.add_row(need.resource, f"{need.needed:,.4g}", f"{need.standing:,.4g}", need.arithmetic, style=style)
        console.print(table)
        console.print(tables.verdict(one.first), markup=False)
        console.print(f"{one.gb_a_day:,.0f} GB a day, {one.gb_kept:,.0f} GB kept\n")
    measured = next(result for result in results if result.measure == "capacity")
    console.print("How far the model is from the product (measured against predicted):")
    for figure in measured.figures:
        if figure.baseline:
            ours, theirs = figure.ours.median, figure.baseline.median
            console.print(
                f"  {figure.label}: {ours:.0f} against {theirs:.0f}, {theirs / ours - 1:+.0%}", highlight=False
            )


if __name__ == "__main__":
    sys.exit(main())
