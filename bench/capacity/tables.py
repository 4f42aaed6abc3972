"""What the plan and its check say, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.capacity import relief
from bench.capacity.costs import Costs
from bench.capacity.plan import Need, Plan
from bench.capacity.queueing import Queue
from bench.figures import rounded
from bench.report import Result

_KINDS: Final = (("rate", "throughput", "/s"), ("p50", "wait, p50", " ms"), ("p99", "wait, p99", " ms"))


def costs_table(costs: Costs) -> str:
    """What one message costs."""
    rows = []
    for label, spent in (
        ("accepted by a request of its own", costs.single),
        ("accepted in a batch of 10,000", costs.recipient),
        ("delivered, from a full lane", costs.delivery),
    ):
        rows.append(
            (
                label,
                *(_ms(seconds) for seconds in (spent.process_s, spent.database_s, spent.broker_s)),
                f"{rounded(spent.wal_bytes)} B",
                rounded(spent.transactions),
                rounded(spent.commands),
            )
        )
    pace, disk = costs.pace, costs.disk
    flushes, stretches = rounded(disk.flushes_per_second), rounded(disk.bytes_per_second / 1e6)
    words = (
        f"A worker over sockets (`smtp`): {rounded(costs.socket_per_second)} deliveries/s. From the ring to the claim"
        f" {_ms(pace.bell_s)}, from there to the provider {_ms(pace.claim_s)}. The disk: {flushes} flushes/s one after"
        f" the other, {stretches} MB/s in stretches of 1 MB. In the tables one message takes"
        f" {rounded(costs.stored_bytes)} B, indexes included."
    )
    head = (
        "a message",
        "its process",
        "PostgreSQL",
        "Valkey",
        "write-ahead log",
        "transactions that write",
        "commands to Valkey",
    )
    return f"{_table(head, rows)}\n\n{words}"


def check_table(result: Result) -> str:
    """The model beside the product."""
    loads: Sequence[Mapping[str, float]] = result.details["loads"]
    head = ("offered, of what the places can do", "", "measured", "simulated", "error", "Erlang C", "error")
    rows = []
    for found in loads:
        offered = f"{found['load']:.0%} ({rounded(found['offered'])}/s)"
        for key, label, unit in _KINDS:
            measured, formula = found[f"measured_{key}"], found.get(f"formula_{key}")
            simulated = _pair(measured, found[f"simulated_{key}"], unit)
            by_formula = _pair(measured, formula, unit)[1:] if formula is not None else ("no end", "")
            rows.append((offered if key == "rate" else "", label, *simulated, *by_formula))
    return _table(head, rows)


def flood_table(result: Result) -> str:
    """What no formula says, beside the product."""
    flood: Mapping[str, float] = result.details["flood"]
    rows = []
    for kind, label in (
        ("critical", "critical messages, to the same provider"),
        ("single", "another application's single messages, in the flooded lane"),
    ):
        for key in ("p50", "p99"):
            pair = _pair(flood[f"{kind}_measured_{key}"], flood[f"{kind}_simulated_{key}"], " ms")
            rows.append((f"{label}, wait {key}", *pair))
    pair = _pair(flood["flood_measured_rate"], flood["flood_simulated_rate"], "/s")
    rows.append(("the flood itself, throughput", *pair))
    return _table(("", "measured", "simulated", "error"), rows)


def plan_table(plan: Plan) -> str:
    """One target: what it needs, and what gives way first."""
    rows = [
        (
            need.resource,
            _count(need.needed),
            _count(need.standing),
            f"{rounded(plan.target.per_second / need.times)}/s",
            need.arithmetic,
        )
        for need in plan.needs
    ]
    table = _table(("", "needed", "stands", "enough until about", "arithmetic"), rows)
    return "\n\n".join((table, _scarce(plan), _besides(plan)))


def _scarce(plan: Plan) -> str:
    scarce = [need for need in plan.needs if need.times > 1]
    if not scarce:
        return f"**{verdict(plan.first)}**"
    takes_over: dict[str, list[str]] = {}
    for need in scarce:
        takes_over.setdefault(relief.of(need), []).append(need.resource)
    lines = "\n".join(f"- {', '.join(resources)}: {what}." for what, resources in takes_over.items())
    return f"**{verdict(plan.first)}** What takes over, in the order in which they give way:\n\n{lines}"


def _besides(plan: Plan) -> str:
    waits = "; ".join(
        f"{one.channel} {rounded(one.wait_p99_ms)} ms of {rounded(one.wanted_p99_ms)} ms" for one in plan.channels
    )
    days = f"{plan.target.retention_days:g} days"
    return (
        f"Besides: {rounded(plan.gb_a_day)} GB a day, {rounded(plan.gb_kept)} GB in {days};"
        f" {rounded(plan.transactions)} writing transactions a second, {rounded(plan.commits_a_flush)} for each flush"
        " that our disk does one after the other (PostgreSQL lets those that come together share one). Wait until the"
        f" provider's call, p99, simulated for one worker's share: {waits}."
    )


def verdict(need: Need) -> str:
    """Whether anything gives way, and what does first."""
    if need.times <= 1:
        return f"What stands there is enough; next to give way would be {need.resource}, {need.times:.0%} of it needed."
    return f"First to give way: {need.resource}, {rounded(need.times)} times what stands there."


def erlang_table(*, service_s: float) -> str:
    """How the wait grows with the load, for few places and for many: what pooling is worth."""
    head = ("busy", *(f"{places} places" for places in (4, 16, 64, 256)))
    rows = []
    for load in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        waits = [
            Queue(per_second=load * places / service_s, service_s=service_s, places=places).wait_s(0.99)
            for places in (4, 16, 64, 256)
        ]
        rows.append((f"{load:.0%}", *(f"{rounded(wait * 1000)} ms" for wait in waits)))
    return _table(head, rows)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.2g}"


def _pair(measured: float, predicted: float, unit: str) -> tuple[str, str, str]:
    return f"{rounded(measured)}{unit}", f"{rounded(predicted)}{unit}", f"{predicted / measured - 1:+.0%}"


def _ms(seconds: float) -> str:
    return f"{rounded(seconds * 1000)} ms"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
