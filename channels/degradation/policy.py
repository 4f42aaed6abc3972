"""The decision: from how a channel and its providers stood and what the figures say, to how they stand from now on.

Pure. The engine calls ``decide`` each second and stores what it says; ``fast_trip`` and ``probing`` are the
decisions that do not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from channels.degradation import channel_rules, handing_back, provider_rules
from channels.degradation.channel_rules import Situation
from channels.degradation.handing_back import PINNED, Pinned, PinnedChannel
from channels.degradation.judgement import Finding, Severity, Signal, judge_both
from channels.degradation.provider_rules import Circumstances
from channels.degradation.standing import (
    ChannelStanding,
    ProviderStanding,
    ProviderState,
    Transition,
    Verdict,
    channel_target,
    provider_target,
)
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A configured provider and what is known of it: ``figures`` over its window, ``recent`` over its short one (see
    ``judgement.spans``)."""

    name: str
    weight: float
    figures: Figures
    recent: Figures | None = None
    #: How many messages a second it got through in the last ``window_s`` seconds, whatever has changed since.
    flow: float = 0.0
    enabled: bool = True
    thresholds: Thresholds = DEFAULTS
    #: What a person has ordered of it.
    pinned: Pinned | None = None


def decide(
    *,
    channel: str,
    standing: ChannelStanding | None,
    providers: Mapping[str, ProviderStanding],
    subjects: Sequence[Subject],
    now: datetime,
    thresholds: Thresholds = DEFAULTS,
    fallback_usable: bool = False,
    pinned: PinnedChannel | None = None,
) -> Verdict:
    """How ``channel`` and the providers in ``subjects`` stand from ``now`` on. ``standing`` is None, and a provider is
    missing in ``providers``, when nothing is known of them yet; providers that are no subjects any more are dropped.
    ``fallback_usable``: a fallback channel is configured, and itself neither switched nor paused. ``pinned``: what a
    person has ordered of the channel as a whole."""
    before = {one.name: providers.get(one.name) or ProviderStanding.healthy(now=now) for one in subjects}
    findings = {
        one.name: judge_both(figures=one.figures, recent=one.recent, thresholds=one.thresholds) for one in subjects
    }
    well = {one.name for one in subjects if _takes_over(one, before[one.name], findings[one.name], now)}
    after = {one.name: _next_provider(one, before[one.name], findings[one.name], well, now) for one in subjects}
    then = standing or ChannelStanding.normal(now=now)
    situation = _situation(subjects, after, findings, fallback_usable, now)
    if pinned is not None:
        next_channel = handing_back.keep_channel(then, by=pinned, thresholds=thresholds, flow=situation.flow, now=now)
    elif then.pinned_by:
        next_channel = handing_back.release_channel(then, now=now)
    else:
        next_channel = channel_rules.next_standing(then, situation=situation, thresholds=thresholds, now=now)
    transitions = [
        *_provider_transitions(subjects, before, after, findings),
        *_channel_transitions(channel, then, next_channel, pinned),
    ]
    return Verdict(channel=next_channel, providers=after, transitions=tuple(transitions))


def is_alone(name: str, standings: Mapping[str, ProviderStanding | None]) -> bool:
    """Whether no provider but ``name`` is well, as standings say (None: nothing is known against it): for what is
    decided between two evaluations."""
    others = [one for other, one in standings.items() if other != name]
    return not any(one is None or (one.carries and one.state is not ProviderState.DEGRADED) for one in others)


def _carries(subject: Subject, standing: ProviderStanding) -> bool:
    return standing.carries if subject.pinned is None else subject.pinned.share > 0


def _is_well(subject: Subject, standing: ProviderStanding, finding: Finding, now: datetime) -> bool:
    """Whether the channel may count on it. One that was just found bad is not well because its figures begin anew: they
    have to say so, or a cool-down has to pass without anything bad."""
    if not subject.enabled or not _carries(subject, standing) or finding.bad:
        return False
    return standing.state is not ProviderState.DEGRADED or _has_shown(subject, standing, finding, now)


def _takes_over(subject: Subject, standing: ProviderStanding, finding: Finding, now: datetime) -> bool:
    """Whether it can be given what another one loses: not on the strength of a few probes."""
    if not _is_well(subject, standing, finding, now):
        return False
    return standing.state is not ProviderState.RECOVERING or _has_shown(subject, standing, finding, now)


def _has_shown(subject: Subject, standing: ProviderStanding, finding: Finding, now: datetime) -> bool:
    if finding.severity is Severity.WELL:
        return True
    return (now - standing.changed_at).total_seconds() >= subject.thresholds.cooldown_s


def _next_provider(
    subject: Subject, standing: ProviderStanding, finding: Finding, well: set[str], now: datetime
) -> ProviderStanding:
    if not subject.enabled:
        off = standing.state is ProviderState.DISABLED
        return standing if off else provider_rules.disabled(now=now)
    if subject.pinned is not None:
        return handing_back.keep_provider(standing, by=subject.pinned, thresholds=subject.thresholds, now=now)
    if standing.pinned_by:
        return handing_back.release_provider(standing, now=now)
    here = Circumstances(
        finding=finding, thresholds=subject.thresholds, others_well=bool(well - {subject.name}), now=now
    )
    return provider_rules.next_standing(standing, here)


def _situation(
    subjects: Sequence[Subject],
    standings: Mapping[str, ProviderStanding],
    findings: Mapping[str, Finding],
    fallback_usable: bool,
    now: datetime,
) -> Situation:
    enabled = [one for one in subjects if one.enabled]
    carrying = [one for one in enabled if _carries(one, standings[one.name])]
    well = [one for one in carrying if _is_well(one, standings[one.name], findings[one.name], now)]
    total = sum(one.weight for one in enabled)
    share = sum(one.weight for one in carrying) / total if total else float(bool(carrying))
    return Situation(
        enabled=len(enabled),
        carrying=len(carrying),
        well=len(well),
        carrying_share=share,
        strained=any(findings[one.name].signal in {Signal.LATENCY, Signal.SILENCE} for one in carrying),
        fallback_usable=fallback_usable,
        flow=sum(one.flow for one in enabled),
        words=partial(_words, enabled, standings, findings),
    )


def _words(
    enabled: Sequence[Subject], standings: Mapping[str, ProviderStanding], findings: Mapping[str, Finding]
) -> str:
    """How the providers are, for a channel's reason."""
    return "; ".join(
        f"{one.name} {one.pinned.words}"
        if one.pinned is not None
        else f"{one.name} {standings[one.name].state}: {findings[one.name].words}"
        for one in enabled
    )


def _provider_transitions(
    subjects: Sequence[Subject],
    before: Mapping[str, ProviderStanding],
    after: Mapping[str, ProviderStanding],
    findings: Mapping[str, Finding],
) -> list[Transition]:
    found = []
    for one in subjects:
        then, now, figures = before[one.name], after[one.name], findings[one.name].figures
        plain = transition(provider_target(one.name), then, now, figures)
        if one.pinned is not None and now.pinned_by not in {"", then.pinned_by}:
            told = replace(plain, after=PINNED, share_after=one.pinned.share, reason=one.pinned.words)
            found.append(replace(told, at=now.changed_at, source=now.pinned_by))
        elif then.pinned_by and not now.pinned_by:
            found.append(replace(plain, before=PINNED, source=then.pinned_by))
        elif not now.pinned_by and (now.state, now.share) != (then.state, then.share):
            found.append(plain)
    return found


def _channel_transitions(
    name: str, before: ChannelStanding, after: ChannelStanding, pinned: PinnedChannel | None
) -> list[Transition]:
    plain = transition(channel_target(name), before, after, None)
    if pinned is not None and after.pinned_by != before.pinned_by:
        there = pinned.standing
        told = replace(plain, after=there.state, share_after=there.share, reason=there.reason)
        return [replace(told, source=after.pinned_by)]
    if after.pinned_by != before.pinned_by:
        return [replace(plain, before=PINNED, source=before.pinned_by)]
    if after.pinned_by or (after.state, after.share) == (before.state, before.share):
        return []
    return [plain]


def transition(
    target: str,
    before: ProviderStanding | ChannelStanding,
    after: ProviderStanding | ChannelStanding,
    figures: Figures | None,
) -> Transition:
    """What changed between two standings."""
    return Transition(
        target=target,
        before=before.state,
        after=after.state,
        share_before=before.share,
        share_after=after.share,
        reason=after.reason,
        at=after.changed_at,
        figures=figures,
    )
