"""``make chaos``: every fault in turn on a real stack under load. ``python -m tests.chaos --list`` names them."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from itertools import groupby
from pathlib import Path

from _pytest.outcomes import OutcomeException

from tests.chaos import report
from tests.chaos.experiment import Measures, Result, run
from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS
from tests.chaos.scene import PROCESSES, Scene, Stuck, with_clock
from tests.stack.live import REPOSITORY, LiveStack


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _play(faults: list[Fault], measures: Measures, results: list[Result]) -> None:
    """Plays faults of one kind of stack on one stack."""
    with LiveStack(only=PROCESSES, LEASE_S="5") as live:
        if faults[0].with_clock:
            with_clock(live)
        _say(f"starting a stack in {live.data_dir} ({PROCESSES})")
        live.start()
        live.wait_until_ready()
        scene = Scene.on(live)
        try:
            for fault in faults:
                results.append(run(fault, scene, measures))
                _say(report.line(results[-1]))
        finally:
            scene.provider.end()
            code = live.stop()
            left = live.remains()
    if code != 0 or left:
        raise Stuck(f"the stack ended with {code} and left {left}")


def _choose(names: list[str]) -> list[Fault]:
    known = {fault.name: fault for fault in FAULTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no fault is called {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(FAULTS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("names", nargs="*", help="faults to try (default: all)")
    parser.add_argument("--list", action="store_true", help="name the faults and what each may cost")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second (default: %(default)s)")
    parser.add_argument("--long", type=float, default=1.0, help="stretch the faults (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "chaos")
    parser.add_argument("--page", action="store_true", help="only write docs/chaos.md from the last run's figures")
    arguments = parser.parse_args()
    if arguments.page:
        _write_page(arguments.output)
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stack is stopped as at a Ctrl-C
    faults = _choose(arguments.names)
    if arguments.list:
        for fault in faults:
            _say(f"{fault.name}: {fault.what}; {fault.ends}. Duplicates: {fault.expect.why}.")
        return 0
    return _run(faults, Measures(rate=arguments.rate, long=arguments.long), arguments.output)


def _write_page(output: Path) -> None:
    docs = REPOSITORY / "docs"
    report.write_page(output / "results.json", docs / "chaos.md")
    report.plot(output / "results.json", docs / "images" / "chaos.png")


def _run(faults: list[Fault], measures: Measures, output: Path) -> int:
    began, results, broken = time.monotonic(), list[Result](), ""
    _say(report.head())
    try:
        for _kind, group in groupby(faults, key=lambda fault: fault.with_clock):
            _play(list(group), measures, results)
    except (Stuck, OutcomeException) as error:  # the second is how LiveStack says that a stack does not start
        broken = str(error)
    path = output / "results.json"
    report.write_json(results, path, rate=measures.rate, took_s=round(time.monotonic() - began, 1), broken=broken)
    drawn = report.plot(path, output / "throughput.png")
    failed = [result.fault.name for result in results if not result.held]
    _say(
        f"\n{len(results)} faults in {time.monotonic() - began:.0f} s; {path}"
        + (" and throughput.png" if drawn else "")
    )
    if broken:
        _say(f"broken off: {broken}")
    if failed:
        _say(f"did not hold: {', '.join(failed)}")
    return 1 if failed or broken else 0


if __name__ == "__main__":
    sys.exit(main())
