"""What a target needs, from what a message costs. Pure, but for the chance in the simulation, which has a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.capacity.costs import Costs
from bench.capacity.lane import Pace, Worker, by_chance
from bench.capacity.queueing import places_for
from bench.capacity.target import Channel, Target
from bench.figures import percentile, rounded
from channels.bulkhead import CEILINGS
from channels.names import LANES

_SHARE: Final = 0.99
#: More conversations at once than this one process has not with one provider (``Provider.max_concurrency``).
_MOST_PLACES: Final = 256
#: Connections, as docs/architecture.md counts them: of a web process, of a channel's worker (drains and a pulse), and
#: of control, lifeboat and beat together.
_OF_WEB: Final = 8
_OF_WORKER: Final = 9
_OF_THE_REST: Final = 4 + len(LANES) + 2 + 1
_SIMULATED_MESSAGES: Final = 4000
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How much of a resource is needed, how much stands there, and how the figure came about."""

    resource: str
    kind: str
    needed: float
    standing: float
    arithmetic: str

    @property
    def times(self) -> float:
        """How many times what stands there is needed; above 1 it gives way."""
        return self.needed / self.standing


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlan:
    """One channel: worker processes, places at its providers over all of them, and the p99 of the wait for one in one
    worker's share of it, simulated."""

    channel: str
    workers: int
    places: int
    formula_places: int
    wait_p99_ms: float
    wanted_p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a target needs, the scarcest first; and what is no question of more or less: bytes a day and in all,
    transactions and commands a second, and how many transactions have to share a flush of the disk that was measured
    (below 1: none)."""

    target: Target
    needs: tuple[Need, ...]
    channels: tuple[ChannelPlan, ...]
    gb_a_day: float
    gb_kept: float
    transactions: float
    commands: float
    commits_a_flush: float

    @property
    def first(self) -> Need:
        """What gives way first."""
        return self.needs[0]


def plan(target: Target, costs: Costs) -> Plan:
    """What ``target`` needs."""
    channels = tuple(_channel(name, channel, target, costs) for name, channel in target.channels.items())
    needs = [*_processes(target, costs, channels), *_engines(target, costs), _cores(target, costs)]
    needs.append(_connections(target, needs, channels))
    stored = costs.stored_bytes * target.per_second * _DAY_S / 1e9
    return Plan(
        target=target,
        needs=tuple(sorted(needs, key=lambda need: need.times, reverse=True)),
        channels=channels,
        gb_a_day=stored,
        gb_kept=stored * target.retention_days,
        transactions=_sum(target, costs, "transactions"),
        commands=_sum(target, costs, "commands"),
        commits_a_flush=_sum(target, costs, "transactions") / costs.disk.flushes_per_second,
    )


def _sum(target: Target, costs: Costs, of: str) -> float:
    """So much of it a second: accepting, alone and in batches, and delivering."""
    singles = target.singles * getattr(costs.single, of) + (1 - target.singles) * getattr(costs.recipient, of)
    return float(target.per_second * (singles + getattr(costs.delivery, of)))


def _channel(name: str, channel: Channel, target: Target, costs: Costs) -> ChannelPlan:
    """Places by the formula, workers by what one does over sockets; and what the simulation says of both."""
    service_s = channel.latency_ms / 1000 + costs.pace.conversation_s
    wanted_s = channel.p99_ms / 1000
    rest_s = costs.pace.bell_s + costs.pace.claim_s
    formula = places_for(
        per_second=channel.per_second,
        service_s=service_s,
        wait_s=max(0.0, wanted_s - rest_s),
        share=_SHARE,
        utilisation=target.utilisation,
        service_varies=channel.latency_varies,
    )
    places = math.ceil(formula / CEILINGS[channel.priority])
    workers = max(
        math.ceil(channel.per_second / costs.socket_per_second / target.utilisation), math.ceil(places / _MOST_PLACES)
    )
    pace = Pace(
        bell_s=costs.pace.bell_s,
        claim_s=costs.pace.claim_s,
        record_s=costs.pace.record_s,
        message_s=1 / costs.socket_per_second,
        conversation_s=costs.pace.conversation_s,
    )
    wait_s = _simulated_p99_s(channel, pace, workers=workers, places=places)
    return ChannelPlan(
        channel=name,
        workers=workers,
        places=places,
        formula_places=formula,
        wait_p99_ms=wait_s * 1000,
        wanted_p99_ms=channel.p99_ms,
    )


def _simulated_p99_s(channel: Channel, pace: Pace, *, workers: int, places: int) -> float:
    """Of one worker's share. Services vary as a gamma distribution of that variation does."""
    rng = random.Random(f"{channel}")
    mean_s, varies = channel.latency_ms / 1000, channel.latency_varies

    def service_s() -> float:
        return rng.gammavariate(1 / varies, mean_s * varies) if varies else mean_s

    per_second = channel.per_second / workers
    arrivals = by_chance(
        per_second=per_second, seconds=_SIMULATED_MESSAGES / per_second, rng=rng, priority=channel.priority
    )
    worker = Worker(pace=pace, places=max(1, math.ceil(places / workers)), service_s=service_s)
    return percentile([one.wait_s for one in worker.run(list(arrivals))], _SHARE)


def _processes(target: Target, costs: Costs, channels: Sequence[ChannelPlan]) -> Iterator[Need]:
    accepted = _of_web(target, costs)
    yield Need(
        resource="web processes",
        kind="web",
        needed=accepted / target.utilisation,
        standing=target.standing.web_processes,
        arithmetic=(
            f"{rounded(target.per_second * target.singles)}/s × {_ms(costs.single.process_s)}"
            f" + {rounded(target.per_second * (1 - target.singles))}/s × {_ms(costs.recipient.process_s)}"
            f" = {accepted:.2f} busy, ÷ {target.utilisation:g}"
        ),
    )
    for one in channels:
        wanted = target.channels[one.channel]
        yield Need(
            resource=f"{one.channel}: worker processes",
            kind=f"workers {one.channel}",
            needed=max(wanted.per_second / costs.socket_per_second / target.utilisation, one.places / _MOST_PLACES),
            standing=target.standing.workers_a_channel,
            arithmetic=(
                f"{rounded(wanted.per_second)}/s ÷ {rounded(costs.socket_per_second)}/s ÷ {target.utilisation:g}"
            ),
        )
        yield Need(
            resource=f"{one.channel}: places at providers",
            kind=f"places {one.channel}",
            needed=one.places,
            standing=target.standing.places_a_channel,
            arithmetic=(
                f"{rounded(wanted.per_second)}/s × {wanted.latency_ms:g} ms ="
                f" {rounded(wanted.per_second * wanted.latency_ms / 1000)} busy; {one.formula_places:,} by Erlang,"
                f" ÷ {CEILINGS[wanted.priority]:g} for {wanted.priority}"
            ),
        )


def _of_web(target: Target, costs: Costs) -> float:
    return target.per_second * (
        target.singles * costs.single.process_s + (1 - target.singles) * costs.recipient.process_s
    )


def _engines(target: Target, costs: Costs) -> Iterator[Need]:
    database, log, broker = (_sum(target, costs, of) for of in ("database_s", "wal_bytes", "broker_s"))
    each = rounded(target.per_second)
    yield Need(
        resource="PostgreSQL's cores",
        kind="database",
        needed=database / target.utilisation,
        standing=target.standing.database_cores,
        arithmetic=f"{each}/s × {_ms(database / target.per_second)} = {database:.2f} busy, ÷ {target.utilisation:g}",
    )
    yield Need(
        resource="PostgreSQL's log, MB/s",
        kind="log",
        needed=log / target.utilisation / 1e6,
        standing=target.standing.log_mb_per_second or costs.disk.bytes_per_second / 1e6,
        arithmetic=(
            f"{each}/s × {rounded(log / target.per_second)} B = {rounded(log / 1e6)} MB/s, ÷ {target.utilisation:g}"
        ),
    )
    yield Need(
        resource="Valkey's cores",
        kind="broker",
        needed=broker / target.utilisation,
        standing=target.standing.broker_cores,
        arithmetic=(
            f"{rounded(_sum(target, costs, 'commands'))} commands/s, {broker:.2f} busy, ÷ {target.utilisation:g}"
        ),
    )


def _cores(target: Target, costs: Costs) -> Need:
    parts = {
        "web": _of_web(target, costs),
        "workers": target.per_second / costs.socket_per_second,
        "PostgreSQL": _sum(target, costs, "database_s"),
        "Valkey": _sum(target, costs, "broker_s"),
    }
    return Need(
        resource="cores in all",
        kind="cores",
        needed=sum(parts.values()) / target.utilisation,
        standing=target.standing.cores,
        arithmetic=(f"{' + '.join(f'{name} {busy:.2f}' for name, busy in parts.items())}, ÷ {target.utilisation:g}"),
    )


def _connections(target: Target, needs: Sequence[Need], channels: Sequence[ChannelPlan]) -> Need:
    web = next(math.ceil(need.needed) for need in needs if need.kind == "web")
    workers = sum(one.workers for one in channels)
    return Need(
        resource="connections to PostgreSQL",
        kind="connections",
        needed=web * _OF_WEB + workers * _OF_WORKER + _OF_THE_REST,
        standing=target.standing.connections,
        arithmetic=f"{web} × {_OF_WEB} + {workers} × {_OF_WORKER} + {_OF_THE_REST}",
    )


def _ms(seconds: float) -> str:
    return f"{rounded(seconds * 1000)} ms"
