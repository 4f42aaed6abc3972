"""The engine: judges every channel once a second. (What is decided at once, inside a drain, is in ``breaker``.)

Its effects are rows in PostgreSQL; what they mean to a message is for routing. One engine decides at a time (an
advisory lock), and two would do no harm: standings are locked while they are changed. The figures are read before,
since no transaction is open while Redis is spoken to.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from channels import directory, quality, signals, stages
from channels.degradation import handing_back, pins, policy, standings
from channels.degradation.judgement import spans
from channels.degradation.pin import PinSpec, in_force, on_channel, removed
from channels.degradation.policy import Subject
from channels.degradation.standing import (
    ChannelStanding,
    ProviderStanding,
    Transition,
    Verdict,
    channel_target,
    provider_target,
)
from channels.degradation.standings import Standings
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.models import Channel, Policy, Provider
from channels.names import is_staged, staged
from channels.quality.reading import Reading, Span
from channels.stages import StageSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Configured:
    """A provider's row, as far as it matters here."""

    name: str
    channel: str
    weight: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Setup:
    """What is configured: providers by channel, fallback channels, the rules each target is judged by, and what people
    have ordered. While a drill's stage is open, it is set up too, under its own names; afterwards nobody knows them any
    more, and their standings go."""

    providers: Mapping[str, Sequence[_Configured]]
    fallback: Mapping[str, Sequence[str]]
    rules: Mapping[str, Thresholds]
    pins: Sequence[PinSpec]

    @property
    def has_stage(self) -> bool:
        """Whether there is a stage."""
        return any(is_staged(name) for name in self.providers)

    def of_provider(self, one: _Configured) -> Thresholds:
        own = self.rules.get(provider_target(one.name))
        return own or self.of_channel(one.channel)

    def of_channel(self, name: str) -> Thresholds:
        return self.rules.get(channel_target(name)) or DEFAULTS


def evaluate(*, now: datetime) -> list[Transition]:
    """Judges all channels; returns what changed. Nothing, when another engine is at it."""
    setup = _setup(now)
    reading = quality.read(spans=_spans(setup, standings.read_all(), now), now=now)
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
    quiet = not changed and not setup.pins and not setup.has_stage and before.at_rest
    _Last.at_rest = quiet and not _is_busy(setup, before, reading, now)
    if changed or gone:
        directory.forget()
    tell(transitions)
    return transitions


def _is_busy(setup: _Setup, before: Standings, reading: Reading, now: datetime) -> bool:
    """Whether anybody was asked in a window that counts."""
    return any(
        reading.figures(one.name, span=_spans_of(one, setup, before.providers.get(one.name), now)[0]).tries
        for providers in setup.providers.values()
        for one in providers
    )


class _Last:
    """What this process's last evaluation found."""

    at_rest: ClassVar[bool] = False


def is_at_rest() -> bool:
    """Whether at the last evaluation of this process nobody was sending and nothing was known against anybody."""
    return _Last.at_rest


def _setup(now: datetime) -> _Setup:
    providers: dict[str, list[_Configured]] = {}
    for name, channel, weight, enabled in Provider.objects.order_by("name").values_list(
        "name", "channel", "weight", "enabled"
    ):
        providers.setdefault(channel, []).append(_Configured(name, channel, weight, enabled))
    rules = {target: Thresholds.parse(rules) for target, rules in Policy.objects.values_list("target", "rules")}
    fallback = dict(Channel.objects.values_list("name", "fallback"))
    orders = in_force(pins.known(now=now), now=now)
    setup = _Setup(providers=providers, fallback=fallback, rules=rules, pins=orders)
    stage = stages.known(now=now)
    return setup if stage is None or not stage.is_open(now) else _with_stage(setup, stage)


def _with_stage(setup: _Setup, stage: StageSpec) -> _Setup:
    """``setup``, and beside it what is on ``stage``, configured as in earnest."""
    providers, fallback, rules = dict(setup.providers), dict(setup.fallback), dict(setup.rules)
    for channel in stage.channels:
        name, real = staged(channel), setup.providers.get(channel, ())
        providers[name] = [replace(one, name=staged(one.name), channel=name) for one in real]
        fallback[name] = [staged(one) if one in stage.channels else one for one in setup.fallback.get(channel, ())]
        rules[channel_target(name)] = setup.of_channel(channel)
        rules |= {provider_target(staged(one.name)): setup.of_provider(one) for one in real}
    return replace(setup, providers=providers, fallback=fallback, rules=rules)


def _spans(setup: _Setup, stored: Standings, now: datetime) -> list[Span]:
    found = []
    for providers in setup.providers.values():
        for one in providers:
            found += _spans_of(one, setup, stored.providers.get(one.name), now)
    return found


def _spans_of(one: _Configured, setup: _Setup, standing: ProviderStanding | None, now: datetime) -> list[Span]:
    rules = setup.of_provider(one)
    windows = (*spans(standing=standing, thresholds=rules, now=now), rules.window_s)
    return [Span(window_s=window_s, late_after_s=rules.receipt_delay.late_after_s) for window_s in windows]


def _judge(name: str, setup: _Setup, before: Standings, reading: Reading, now: datetime) -> Verdict:
    subjects, orders = [], on_channel(setup.pins, name)
    pinned = handing_back.pinned_providers(
        orders, configured={one.name: one.weight for one in setup.providers[name] if one.enabled}
    )
    for one in setup.providers[name]:
        long, short, whole = _spans_of(one, setup, before.providers.get(one.name), now)
        subjects.append(
            Subject(
                name=one.name,
                weight=one.weight,
                enabled=one.enabled,
                thresholds=setup.of_provider(one),
                figures=reading.figures(one.name, span=long),
                recent=reading.figures(one.name, span=short),
                flow=reading.flow(one.name, span=whole),
                pinned=pinned.get(one.name),
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
        pinned=handing_back.pinned_channel(orders),
    )


def _is_usable(name: str, setup: _Setup, before: Standings) -> bool:
    orders = on_channel(setup.pins, name)
    pinned = handing_back.pinned_channel(orders)
    standing = before.channels.get(name) if pinned is None else pinned.standing
    enabled = any(one.enabled and one.name not in removed(orders) for one in setup.providers.get(name, ()))
    return enabled and (standing is None or standing.in_use)


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


def tell(transitions: Sequence[Transition]) -> None:
    """Says what changed: in the log, and to the rooms above."""
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
