"""How many emails a second one worker process hands over to an SMTP server on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.measures.delivery import wait_until_sent
from bench.rig import BASE_DIR
from config import ports
from notify import lanes

_CONCURRENCY: Final = 16


def _provider(port: int) -> dict[str, Any]:
    return {
        "name": "sink",
        "channel": "email",
        "adapter": "smtp",
        "max_concurrency": _CONCURRENCY,
        "config": {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "from_email": "Goutong <no-reply@example.com>",
        },
    }


def run(bench: Bench) -> Outcome:
    """Ours, (e) with a connection a message, and (e) with one that is kept, in turn."""
    port = ports.choose()
    bench.rig.spawn("sink", (sys.executable, "-m", "bench.sinks.smtp", str(port)))
    bench.rig.wait_for(lambda: not ports.is_free(port), process="sink")
    bench.providers(_provider(port))
    application = bench.application("smtp")
    count = bench.size(5_000, least=200)

    def ours() -> float:
        with bench.rig.database() as cursor:
            populate.empty(cursor)
            populate.queue(cursor, application_id=application.pk, channel="email", priority="normal", count=count)
            populate.settle(cursor)
            began = time.monotonic()
            lanes.ring(["email.normal"])
            return count / (wait_until_sent(cursor) - began)

    def loop(kind: str) -> float:
        command = (sys.executable, "-m", "bench.baselines.smtp_loop", str(port), str(count // 3), kind)
        done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
        return float(done.stdout)

    bench.rig.run_process("email")
    ours()
    found = bench.alternate("/s", ours=ours, each=lambda: loop("each"), kept=lambda: loop("kept"))
    return Outcome(figures=(*_figures(found),))


def _figures(found: Mapping[str, Series]) -> Iterator[Figure]:
    for side, target, what in (
        ("each", Target(least=3), "a connection a message"),
        ("kept", None, "one kept connection"),
    ):
        yield Figure(
            measure="smtp",
            label=f"emails, against a loop with {what}",
            ours=found["ours"],
            baseline=found[side],
            target=target,
        )
