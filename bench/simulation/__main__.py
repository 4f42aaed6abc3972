"""``python -m bench.simulation``: holds the contest and prints its tables (``--write``: into docs)."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from bench.simulation import contest, report
from bench.simulation.contest import Setting
from bench.simulation.world import Dispatch

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_SETTINGS: Final = {
    "same dispatch": Setting(),
    "GOV.UK weights": Setting(rest=(51.0, 49.0)),
    "no falling over": Setting(dispatch=Dispatch(fall_over=False)),
    "waiting for reports": Setting(dispatch=Dispatch(report_within_s=10)),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(_SETTINGS)}; all by default")
    parser.add_argument("--seeds", type=int, default=31, help="how many runs of each (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write tables and plots into docs/")
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - set(_SETTINGS):
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    return arguments


def main() -> int:
    arguments = _arguments()
    for name in arguments.tables or _SETTINGS:
        began = time.monotonic()
        entries = contest.hold(setting=_SETTINGS[name], seeds=range(1, arguments.seeds + 1), workers=arguments.workers)
        text = f"{report.table(contest.rows(entries))}\n\nWhere a rival is better:\n\n{report.shortfalls(entries)}"
        print(f"\n## {name} (medians of {arguments.seeds} seeds, {time.monotonic() - began:.0f} s)\n\n{text}")
        if arguments.write:
            report.put(text, name=name, path=_DOCS / "degradation.md")
            if name == "same dispatch":
                report.write_plots(entries, _DOCS / "degradation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
