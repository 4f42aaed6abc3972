"""How much of a slow provider's concurrency one worker process uses."""

from __future__ import annotations

import time
from typing import Any, Final

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.measures.delivery import wait_until_sent
from notify import lanes

_LATENCY_MS: Final = 100
_CONCURRENCY: Final = 64
_PROVIDER: Final[dict[str, Any]] = {
    "name": "slow",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": _CONCURRENCY,
    "config": {"journal": False, "latency_ms": _LATENCY_MS},
}
#: A provider keeps places free for what is more urgent; only critical messages may have them all.
_PRIORITIES: Final = ("critical", "bulk")


def run(bench: Bench) -> Outcome:
    """The lane of each of two priorities alone, against 64 / 0.1 s."""
    bench.providers(_PROVIDER)
    application = bench.application("provider")
    most = _CONCURRENCY / (_LATENCY_MS / 1000)
    count = bench.size(int(most * 3), least=_CONCURRENCY * 10)

    def drain(priority: str) -> float:
        with bench.rig.database() as cursor:
            populate.empty(cursor)
            populate.queue(cursor, application_id=application.pk, channel="sms", priority=priority, count=count)
            began = time.monotonic()
            lanes.ring([f"sms.{priority}"])
            return count / (wait_until_sent(cursor) - began)

    bench.rig.run_process("sms")
    drain("critical")  # opens the provider's threads
    found = bench.alternate("/s", **{priority: lambda priority=priority: drain(priority) for priority in _PRIORITIES})
    ideal = Series(name="64 / 0.1 s", unit="/s", values=(most,) * bench.runs)
    return Outcome(
        figures=tuple(
            Figure(
                measure="provider",
                label=f"deliveries to a provider of {_LATENCY_MS} ms, {_CONCURRENCY} at once ({priority})",
                ours=found[priority],
                baseline=ideal,
                target=Target(least=0.9) if priority == "critical" else None,
            )
            for priority in _PRIORITIES
        )
    )
