"""The product under an offered load, through a real worker process, and what the model says of the same arrivals."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench import populate
from bench.bench import Bench
from bench.capacity.lane import Arrival, Pace, Passage, Worker, by_chance
from bench.capacity.queueing import Queue
from bench.figures import percentile
from bench.measures.delivery import wait_until_sent
from notify import lanes

PLACES: Final = 16
LATENCY_S: Final = 0.08
PROVIDER: Final[dict[str, Any]] = {
    "name": "steady",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": PLACES,
    "config": {"journal": False, "latency_ms": LATENCY_S * 1000},
}
_PASSAGES: Final = (
    "SELECT extract(epoch FROM d.created_at), d.lane, d.application_id, extract(epoch FROM a.claimed_at),"
    " extract(epoch FROM a.started_at), a.latency_ms / 1000"
    " FROM notify_delivery d JOIN notify_attempt a ON a.delivery_id = d.id ORDER BY d.created_at, d.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Passages as PostgreSQL and the worker wrote them down: seconds since the first arrival; ``claimed_at`` and
    ``latency_s`` of each."""

    passages: tuple[Passage, ...]
    claimed_at: tuple[float, ...]
    latency_s: tuple[float, ...]


def offer(bench: Bench, arrivals: Sequence[Arrival], *, due: Mapping[int, int] | None = None) -> Seen:
    """Puts ``arrivals`` (their ``application`` is its primary key) into the lanes when their time comes, one by one;
    before them so many bulk messages of applications at once (``due``). Waits until all of them are sent."""
    with bench.rig.database() as cursor:
        populate.empty(cursor)
        for application, count in (due or {}).items():
            populate.queue(cursor, application_id=application, channel="sms", priority="bulk", count=count)
            lanes.ring(["sms.bulk"])
        began = time.monotonic()
        for arrival in arrivals:
            time.sleep(max(0.0, began + arrival.at - time.monotonic()))
            populate.queue(
                cursor, application_id=arrival.application, channel="sms", priority=arrival.priority, count=1
            )
            lanes.ring([f"sms.{arrival.priority}"])
        wait_until_sent(cursor)
        cursor.execute(_PASSAGES)
        rows = cursor.fetchall()
    first = float(rows[0][0])
    return Seen(
        passages=tuple(
            Passage(
                Arrival(float(created) - first, lane.partition(".")[2], application),
                started_at=float(started) - first,
                answered_at=float(started) - first + float(latency_s),
            )
            for created, lane, application, _claimed, started, latency_s in rows
        ),
        claimed_at=tuple(float(row[3]) - first for row in rows),
        latency_s=tuple(float(row[5]) for row in rows),
    )


def find_pace(bench: Bench, *, application: int, message_s: float) -> Pace:
    """A worker's times, from messages that come so far apart that each finds it at rest. How long a record takes
    nobody writes down: it is taken to be as long as a claim."""
    count = bench.size(24, least=10)
    seen = offer(bench, [Arrival(number * (LATENCY_S + 0.07), "critical", application) for number in range(count)])
    pairs = list(zip(seen.passages, seen.claimed_at, strict=True))
    claim_s = percentile([one.started_at - claimed for one, claimed in pairs], 0.5)
    return Pace(
        bell_s=percentile([claimed - one.arrival.at for one, claimed in pairs], 0.5),
        claim_s=claim_s,
        record_s=claim_s,
        message_s=message_s,
        conversation_s=percentile(seen.latency_s, 0.5) - LATENCY_S,
    )


def simulate(arrivals: Sequence[Arrival], pace: Pace) -> list[Passage]:
    """What the model says of these very arrivals."""
    return Worker(pace=pace, places=PLACES, service_s=lambda: LATENCY_S).run(arrivals)


def try_load(bench: Bench, *, application: int, pace: Pace, load: float, seconds: float) -> dict[str, float]:
    """One offered load, as a share of what the places can do: measured, simulated, and by Erlang's formula."""
    service_s = LATENCY_S + pace.conversation_s
    rng = random.Random(f"{load}")
    per_second = load * PLACES / service_s
    seen = offer(
        bench,
        list(by_chance(per_second=per_second, seconds=seconds, rng=rng, priority="critical", application=application)),
    )
    arrivals = [one.arrival for one in seen.passages]
    simulated = simulate(arrivals, pace)
    # The formula's waits come on top of what a message needs that finds everything free.
    rest_s = pace.bell_s + pace.claim_s
    queue = Queue(
        per_second=len(arrivals) / (arrivals[-1].at or 1.0), service_s=service_s, places=PLACES, service_varies=0.0
    )
    return {
        "load": load,
        "offered": queue.per_second,
        **summary(seen.passages, "measured"),
        **summary(simulated, "simulated"),
        "formula_rate": min(queue.per_second, PLACES / service_s),
        **_waits_ms(queue, rest_s),
    }


def _waits_ms(queue: Queue, rest_s: float) -> dict[str, float]:
    """By the formula; nothing where it says that the line grows without end."""
    if queue.utilisation >= 1:
        return {}
    return {f"formula_p{share}": (rest_s + queue.wait_s(share / 100)) * 1000 for share in (50, 99)}


def summary(passages: Sequence[Passage], whose: str) -> dict[str, float]:
    """Throughput (from the first arrival to the last answer), and milliseconds of waiting."""
    waits_ms = [one.wait_s * 1000 for one in passages]
    return {
        f"{whose}_rate": len(passages) / max(one.answered_at for one in passages),
        f"{whose}_p50": percentile(waits_ms, 0.5),
        f"{whose}_p99": percentile(waits_ms, 0.99),
    }


def try_flood(bench: Bench, *, flooding: int, small: int, pace: Pace, due: int, seconds: float) -> dict[str, float]:
    """What no formula says: one application floods a bulk lane, another has single messages in it, and critical ones
    come to the same provider. Measured, and simulated."""
    rng = random.Random("flood")
    arrivals = [
        *by_chance(per_second=40, seconds=seconds, rng=rng, priority="critical", application=small),
        *by_chance(per_second=8, seconds=seconds, rng=rng, priority="bulk", application=small),
    ]
    seen = offer(bench, sorted(arrivals), due={flooding: due}).passages
    simulated = simulate([one.arrival for one in seen], pace)
    found: dict[str, float] = {}
    for whose, passages in (("measured", seen), ("simulated", simulated)):
        kinds = {
            "critical": [one for one in passages if one.arrival.priority == "critical"],
            "single": [one for one in passages if one.arrival.priority == "bulk" and one.arrival.application == small],
        }
        for kind, some in kinds.items():
            found |= {f"{kind}_{key}": value for key, value in summary(some, whose).items()}
        flood = [one for one in passages if one.arrival.application == flooding]
        found[f"flood_{whose}_rate"] = len(flood) / max(one.answered_at for one in flood)
    return found
