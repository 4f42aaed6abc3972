"""What is decided at once, inside a drain: that a provider is dead, and how its probes went.

Its state is the provider's standing in PostgreSQL, shared by all processes and moved under its lock; the engine, which
judges once a second, moves the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from django.db import DatabaseError, InterfaceError, transaction

from channels import directory, engine, quality
from channels.degradation import fast_trip, policy, probing, standings
from channels.degradation.standing import ProviderStanding, Transition, provider_target
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.figures import Figures
from channels.names import is_staged, staged
from channels.quality.reading import Reading, Span
from channels.types import SendResult

logger = logging.getLogger(__name__)

Told = TypeVar("Told")

#: So many tries before a run of faults say how things went until then.
_SAMPLES_BEFORE: Final = 10
#: After so many seconds one knows what the others saw; and so far may two ways to tell the server's time be apart.
_HEARSAY_S: Final = 0.5
_CLOCKS_S: Final = 0.05


def judge(*, channel: str, results: Sequence[SendResult], now: datetime) -> None:
    """Counts what providers did in a batch of results, and looks at those that did nothing right."""
    quality.note(results, now=now)
    for provider, (good, bad) in _score(results).items():
        if good or not bad:
            continue
        carried = staged(channel) if is_staged(provider) else channel
        leniently(partial(look_at, channel=carried, provider=provider, batch=bad, now=now), provider)


def leniently(tell: Callable[[], Told], provider: str) -> Told | None:
    """What ``tell`` returns; None while the database is away: nothing of a message depends on it, and the next
    evaluation sees the same."""
    try:
        return tell()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("provider %s can't be judged now: %s", provider, type(error).__name__)
        return None


def _score(results: Sequence[SendResult]) -> dict[str, tuple[int, int]]:
    """How many tries of each provider succeeded, and how many failed by its own fault."""
    score: dict[str, tuple[int, int]] = {}
    for result in results:
        for one in result.tries:
            good, bad = score.get(one.provider, (0, 0))
            if one.error is None:
                score[one.provider] = good + 1, bad
            elif one.error.provider_fault:
                score[one.provider] = good, bad + 1
    return score


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process knows of a provider without asking anybody."""

    standing: ProviderStanding | None
    rules: Thresholds
    alone: bool
    #: A person says what it carries: whatever it does, nothing is decided on it here.
    pinned: bool


def _known(channel: str, provider: str) -> _Known:
    spec = directory.channel(channel)
    return _Known(
        standing=spec.standings.get(provider),
        rules=spec.rules.get(provider) or DEFAULTS,
        alone=policy.is_alone(provider, {one.name: spec.standings.get(one.name) for one in spec.providers}),
        pinned=spec.is_pinned(provider),
    )


def look_at(*, channel: str, provider: str, batch: int, now: datetime) -> Transition | None:
    """Opens ``provider`` when the last ``batch`` of this process, faults all of them, and what came before it, say that
    it is dead; returns the change. Costs nothing while a provider answers."""
    known = _known(channel, provider)
    if known.pinned or (known.standing is not None and not known.standing.carries):
        return None
    run, good_before = quality.own_run(provider), quality.good_before_run(provider)
    span = Span(window_s=known.rules.recent_s)
    own = quality.read_alone(spans=[span], now=now)

    def trip(standing: ProviderStanding, *, others_get_through: bool) -> ProviderStanding | None:
        return fast_trip.trip(
            standing=standing,
            consecutive_faults=run,
            batch=batch,
            batch_faults=batch,
            alone=known.alone,
            thresholds=known.rules,
            now=now,
            rate_before=_rate_before(own.figures(provider, span=span), run),
            good_before=good_before,
            others_get_through=others_get_through,
        )

    if trip(known.standing or ProviderStanding.healthy(now=now), others_get_through=False) is None:
        return None
    seen = quality.read(spans=[span], now=now)
    others = _others_get_through(provider, seen=seen, own=own)
    return _move(
        provider,
        lambda standing: trip(standing, others_get_through=others),
        now=now,
        figures=seen.figures(provider, span=span),
    )


def _others_get_through(provider: str, *, seen: Reading, own: Reading) -> bool:
    """Whether another process had a success in the second half of our run of faults. What was under way when a provider
    dies comes back well for a moment, and what others saw is known here a moment later."""
    since = max((pulse.run_since for pulse in own.pulses.get(provider, ())), default=seen.now)
    last = max((pulse.success_at for pulse in seen.pulses.get(provider, ())), default=0.0)
    return last > max(since + _CLOCKS_S, seen.now - max((seen.now - since) / 2, _HEARSAY_S))


def _rate_before(own: Figures, run: int) -> float | None:
    """The share of faults in this process before a run of them began; None where too few tries say."""
    samples = own.samples - run
    return max(own.provider_faults - run, 0) / samples if samples >= _SAMPLES_BEFORE else None


def begin_probe(*, channel: str, provider: str, now: datetime) -> bool:
    """Whether a message may try the open ``provider`` now; whoever is told so has the only one."""
    known = _known(channel, provider)
    if known.standing is None or not probing.probes_allowed(standing=known.standing, now=now):
        return False
    began = False

    def begin(standing: ProviderStanding) -> ProviderStanding | None:
        nonlocal began
        began = bool(probing.probes_allowed(standing=standing, now=now))
        return probing.begin(standing=standing, thresholds=known.rules, alone=known.alone, now=now) if began else None

    _move(provider, begin, now=now)
    return began


def note_probe(*, channel: str, provider: str, succeeded: bool, now: datetime) -> Transition | None:
    """Takes note of how a probe went; returns the change, if it was the last that was needed."""
    known = _known(channel, provider)
    return _move(
        provider,
        lambda standing: probing.note(
            standing=standing, succeeded=succeeded, thresholds=known.rules, alone=known.alone, now=now
        ),
        now=now,
    )


def _move(
    provider: str,
    move: Callable[[ProviderStanding], ProviderStanding | None],
    *,
    now: datetime,
    figures: Figures | None = None,
) -> Transition | None:
    """Moves a provider from the standing it has in the database, under its lock; None is no move. Returns the change,
    where there is one to tell."""
    target = provider_target(provider)
    with transaction.atomic():
        before = standings.lock([target]).providers.get(provider) or ProviderStanding.healthy(now=now)
        after = move(before)
        if after is None or after == before:
            return None
        standings.write(standings={target: after})
        change = policy.transition(target, before, after, figures)
        told = [change] if (after.state, after.share) != (before.state, before.share) else []
        standings.log(told)
    directory.forget()
    engine.tell(told)
    return told[0] if told else None
