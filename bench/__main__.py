"""``make bench``: measures, prints a table, and writes the results as JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final

import django

from bench import machine, page, report
from bench.measures import MEASURES, load
from bench.report import RESULTS
from bench.rig import Rig, RigError

#: Fewer are for looking at, and not for keeping on the page.
_ENOUGH_RUNS: Final = 5


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="shrinks sizes and durations (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="how often each side is measured (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes (default: bench/results)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASURES):
        parser.error(f"there is no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return arguments


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    names = arguments.names or list(MEASURES)
    screen = report.Screen(total=len(names))
    rig = Rig()
    try:
        with screen:
            screen.say("starting PostgreSQL and Valkey")
            rig.start()
            os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
            django.setup()
            sys.excepthook = sys.__excepthook__  # a person reads this, not a collector of logs
            results = _measure(rig, names, arguments, screen)
    except RigError as error:
        screen.complain(str(error))
        return 1
    except KeyboardInterrupt:
        screen.complain("interrupted")
        return 130
    finally:
        rig.close()
    screen.table(results)
    if set(names) == set(MEASURES) and arguments.scale == 1 and arguments.runs >= _ENOUGH_RUNS:
        page.write(results)
    return 0


def _measure(rig: Rig, names: list[str], arguments: argparse.Namespace, screen: report.Screen) -> list[report.Result]:
    from bench.bench import Bench

    bench = Bench(rig=rig, scale=arguments.scale, runs=arguments.runs, step=screen.step)
    described = machine.describe(rig)
    results = []
    for name in names:
        screen.begin(name, MEASURES[name])
        began = time.monotonic()
        try:
            outcome = load(name)(bench)
        finally:
            rig.stop_all_but_servers()
        result = report.Result(
            measure=name,
            figures=outcome.figures,
            details=outcome.details,
            machine=described,
            scale=arguments.scale,
            seconds=round(time.monotonic() - began, 1),
        )
        result.write(arguments.results)
        results.append(result)
    return results


if __name__ == "__main__":
    sys.exit(main())
