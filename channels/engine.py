"""The engine: judges every channel once a second, and, inside a drain, at once when a provider is dead.

Its effects are rows in PostgreSQL; what they mean to a message is for routing. One engine decides at a time (an
advisory lock), and two would do no harm: standings are locked while they are changed. The figures are read before,
since no transaction is open while Redis is spoken to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar, TypeVar

from django.db import DatabaseError, InterfaceError, transaction

from channels import directory, quality, signals
from channels.degradation import fast_trip, policy, probing, standings
from channels.degradation.judgement import spans
from channels.degradation.policy import Subject
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, Transition, Verdict
from channels.degradation.standings import Standings, channel_target, provider_target
from channels.degradation.thresholds import Thresholds
from channels.figures import Figures
from channels.models import Channel, Policy, Provider
from channels.quality.reading import Reading, Span
from channels.types import SendResult

logger = logging.getLogger(__name__)

Told = TypeVar("Told")

_OUT_OF_USE = frozenset({ChannelState.SWITCHED, ChannelState.PAUSED})


@dataclass(frozen=True, slots=True)
class _Configured:
    """A provider's row, as far as it matters here."""

    name: str
    channel: str
    weight: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Setup:
    """What is configured: providers by channel, fallback channels, and the rules each target is judged by."""

    providers: Mapping[str, Sequence[_Configured]]
    fallback: Mapping[str, Sequence[str]]
    rules: Mapping[str, Thresholds]

    def of_provider(self, one: _Configured) -> Thresholds:
        own = self.rules.get(provider_target(one.name))
        return own or self.of_channel(one.channel)

    def of_channel(self, name: str) -> Thresholds:
        return self.rules.get(channel_target(name)) or Thresholds()


def evaluate(*, now: datetime) -> list[Transition]:
    """Judges all channels; returns what changed. Nothing, when another engine is at it."""
    setup = _setup()
    reading = quality.read(spans=_spans(setup, standings.read(), now), now=now)
    with transaction.atomic():
        if not standings.be_the_one():
            return []
        before = standings.lock()
        verdicts = {name: _judge(name, setup, before, reading, now) for name in setup.providers}
        changed = _changed(before, verdicts)
        known = {one.name for providers in setup.providers.values() for one in providers}
        gone = [provider_target(name) for name in before.providers if name not in known]
        gone += [channel_target(name) for name in before.channels if name not in setup.providers]
        if changed or gone:
            standings.write(standings=changed, gone=gone)
        transitions = [one for verdict in verdicts.values() for one in verdict.transitions]
        standings.log(transitions)
    _Last.at_rest = not changed and before.at_rest and not _is_busy(setup, reading, now)
    if changed or gone:
        directory.forget()
    _tell(transitions)
    return transitions


def _is_busy(setup: _Setup, reading: Reading, now: datetime) -> bool:
    """Whether anybody was asked in a window that counts."""
    return any(
        reading.figures(one.name, span=_spans_of(one, setup, None, now)[0]).tries
        for providers in setup.providers.values()
        for one in providers
    )


class _Last:
    """What this process's last evaluation found."""

    at_rest: ClassVar[bool] = False


def is_at_rest() -> bool:
    """Whether at the last evaluation of this process nobody was sending and nothing was known against anybody."""
    return _Last.at_rest


def _setup() -> _Setup:
    providers: dict[str, list[_Configured]] = {}
    for name, channel, weight, enabled in Provider.objects.order_by("name").values_list(
        "name", "channel", "weight", "enabled"
    ):
        providers.setdefault(channel, []).append(_Configured(name, channel, weight, enabled))
    rules = {target: Thresholds.parse(rules) for target, rules in Policy.objects.values_list("target", "rules")}
    fallback = dict(Channel.objects.values_list("name", "fallback"))
    return _Setup(providers=providers, fallback=fallback, rules=rules)


def _spans(setup: _Setup, now_standing: Standings, now: datetime) -> list[Span]:
    found = []
    for providers in setup.providers.values():
        for one in providers:
            found += _spans_of(one, setup, now_standing.providers.get(one.name), now)
    return found


def _spans_of(one: _Configured, setup: _Setup, standing: ProviderStanding | None, now: datetime) -> list[Span]:
    rules = setup.of_provider(one)
    long, short = spans(standing=standing, thresholds=rules, now=now)
    late_after_s = rules.receipt_delay.late_after_s
    return [Span(window_s=long, late_after_s=late_after_s), Span(window_s=short, late_after_s=late_after_s)]


def _judge(name: str, setup: _Setup, before: Standings, reading: Reading, now: datetime) -> Verdict:
    subjects = []
    for one in setup.providers[name]:
        long, short = _spans_of(one, setup, before.providers.get(one.name), now)
        subjects.append(
            Subject(
                name=one.name,
                weight=one.weight,
                enabled=one.enabled,
                thresholds=setup.of_provider(one),
                figures=reading.figures(one.name, span=long),
                recent=reading.figures(one.name, span=short),
            )
        )
    return policy.decide(
        channel=name,
        standing=before.channels.get(name),
        providers=before.providers,
        subjects=subjects,
        now=now,
        thresholds=setup.of_channel(name),
        fallback_usable=any(_is_usable(one, setup, before) for one in setup.fallback.get(name, ())),
    )


def _is_usable(name: str, setup: _Setup, before: Standings) -> bool:
    standing = before.channels.get(name)
    enabled = any(one.enabled for one in setup.providers.get(name, ()))
    return enabled and (standing is None or standing.state not in _OUT_OF_USE)


def _changed(before: Standings, verdicts: Mapping[str, Verdict]) -> dict[str, ProviderStanding | ChannelStanding]:
    """What has to be written: of what is well and always was, nothing."""
    changed: dict[str, ProviderStanding | ChannelStanding] = {}
    for name, verdict in verdicts.items():
        told = {one.target for one in verdict.transitions}
        if verdict.channel != before.channels.get(name) and (name in before.channels or channel_target(name) in told):
            changed[channel_target(name)] = verdict.channel
        for provider, standing in verdict.providers.items():
            target = provider_target(provider)
            if standing != before.providers.get(provider) and (provider in before.providers or target in told):
                changed[target] = standing
    return changed


# --- inside a drain ---------------------------------------------------------------------------------------------------


def judge(*, channel: str, results: Sequence[SendResult], now: datetime) -> None:
    """Counts what providers did in a batch of results, and looks at those that did nothing right."""
    quality.note(results, now=now)
    for provider, (good, bad) in _score(results).items():
        if good or not bad:
            continue
        leniently(partial(look_at, channel=channel, provider=provider, batch=bad, batch_faults=bad, now=now), provider)


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


def _known(channel: str, provider: str) -> _Known:
    spec = directory.channel(channel)
    others = [spec.standings.get(one.name) for one in spec.providers if one.name != provider]
    return _Known(
        standing=spec.standings.get(provider),
        rules=spec.rules.get(provider) or Thresholds(),
        alone=not any(one is None or one.carries for one in others),
    )


def look_at(*, channel: str, provider: str, batch: int, batch_faults: int, now: datetime) -> Transition | None:
    """Opens ``provider`` when the last ``batch`` of this process, and what came before it, say that it is dead; returns
    the change. Costs nothing while a provider answers."""
    known = _known(channel, provider)
    if known.standing is not None and not known.standing.carries:
        return None
    facts = {"consecutive_faults": quality.own_run(provider), "batch": batch, "batch_faults": batch_faults}

    def trip(standing: ProviderStanding, elsewhere: Figures | None) -> ProviderStanding | None:
        tripped = fast_trip.trip(
            standing=standing, alone=known.alone, thresholds=known.rules, now=now, elsewhere=elsewhere, **facts
        )
        return tripped.standing if tripped is not None else None

    if trip(known.standing or ProviderStanding.healthy(now=now), None) is None:
        return None
    span = Span(window_s=known.rules.recent_s)
    elsewhere = quality.read(spans=[span], now=now).figures(provider, span=span)
    return _move(provider, lambda standing: trip(standing, elsewhere), now=now, figures=elsewhere)


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
    _tell(told)
    return told[0] if told else None


def _tell(transitions: Sequence[Transition]) -> None:
    if not transitions:
        return
    for one in transitions:
        logger.warning(
            "%s: %s %.0f%% → %s %.0f%%: %s",
            one.target,
            one.before,
            one.share_before * 100,
            one.after,
            one.share_after * 100,
            one.reason,
        )
    signals.degraded.send(sender=None, transitions=tuple(transitions))
