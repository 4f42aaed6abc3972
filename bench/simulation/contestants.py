"""What the world asks of a way of keeping traffic off bad providers, and ours. The rivals are in ``rivals``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from bench.simulation.ledger import Ledger
from channels.degradation import fast_trip, policy, probing
from channels.degradation.admission import Admission, admit
from channels.degradation.judgement import spans
from channels.degradation.policy import Subject, decide, is_alone
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState, Transition
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.degradation.weights import effective_weights

_T0: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Contestant(Protocol):
    """What the world asks, and tells."""

    #: Weights for drawing, by provider.
    weights: list[float]
    #: What of the traffic that may be switched, or is bulk, is touched at all: False skips ``admit``.
    restricts: bool

    @property
    def calm(self) -> bool:
        """Whether it is at rest, and so will do nothing for as long as nothing happens."""
        ...

    def evaluate(self, t: int) -> None:
        """Once a second."""
        ...

    def note(self, provider: int, t: int, *, ok: int, faults: int) -> None:
        """The answers to one batch, or a part of it."""
        ...

    def admit(self, *, priority: str, may_switch: bool, place: float) -> Admission:
        """Where a message goes."""
        ...

    def bulk_pace(self, t: int) -> float:
        """How much bulk it lets through in a second: ``inf`` for all there is."""
        ...

    def probe(self, provider: int, t: int) -> bool:
        """Whether a message that may be a probe goes to this provider now."""
        ...

    def note_probe(self, provider: int, t: int, *, succeeded: bool) -> None:
        """What became of it."""
        ...

    @property
    def steps(self) -> Sequence[float]:
        """At which places of the ramp ``admit`` may answer differently."""
        ...


class Goutong:
    """Ours: the product's own policy, with the engine's part played by this class."""

    def __init__(
        self,
        rest: Sequence[float],
        ledgers: Sequence[Ledger],
        *,
        thresholds: Thresholds = DEFAULTS,
        fallback_usable: bool = True,
        watch: Callable[[Transition], None] = lambda _transition: None,
    ) -> None:
        self.ledgers = ledgers
        self.thresholds = thresholds
        self.names = [chr(ord("a") + number) for number in range(len(rest))]
        self.configured = dict(zip(self.names, rest, strict=True))
        self.standings = {name: ProviderStanding.healthy(now=_T0) for name in self.names}
        self.channel = ChannelStanding.normal(now=_T0)
        self.weights = list(rest)
        self.restricts = False
        self._fallback_usable = fallback_usable
        self._run = [0] * len(rest)
        self._before: list[deque[bool]] = [deque(maxlen=50) for _ in rest]
        self._good = [0] * len(rest)
        self._watch = watch

    @property
    def steps(self) -> Sequence[float]:
        return (self.channel.share,)

    @property
    def calm(self) -> bool:
        healthy = all(one.state is ProviderState.HEALTHY for one in self.standings.values())
        return healthy and self.channel.state is ChannelState.NORMAL

    def evaluate(self, t: int) -> None:
        now = _at(t)
        verdict = decide(
            channel="sms",
            standing=self.channel,
            providers=self.standings,
            subjects=[self._subject(number, name, t, now) for number, name in enumerate(self.names)],
            now=now,
            thresholds=self.thresholds,
            fallback_usable=self._fallback_usable,
        )
        self.channel = verdict.channel
        self._apply(dict(verdict.providers), verdict.transitions)

    def _subject(self, number: int, name: str, t: int, now: datetime) -> Subject:
        window_s, recent_s = spans(standing=self.standings[name], thresholds=self.thresholds, now=now)
        ledger, late_after_s = self.ledgers[number], self.thresholds.receipt_delay.late_after_s
        return Subject(
            name=name,
            weight=self.configured[name],
            figures=ledger.figures(t, window_s=window_s, late_after_s=late_after_s),
            recent=ledger.figures(t, window_s=recent_s, late_after_s=late_after_s),
            flow=ledger.total(ledger.ok, t + 1 - int(self.thresholds.window_s), t + 1) / self.thresholds.window_s,
            thresholds=self.thresholds,
        )

    def _apply(self, standings: dict[str, ProviderStanding], transitions: Sequence[Transition]) -> None:
        self.standings = standings
        self.restricts = self.channel.state != "normal" or not self._carried
        if transitions:
            effective = effective_weights(standings=self.standings, configured=self.configured)
            self.weights = [effective[name] for name in self.names]
            for one in transitions:
                self._watch(one)

    @property
    def _carried(self) -> bool:
        return any(standing.carries for standing in self.standings.values())

    def note(self, provider: int, t: int, *, ok: int, faults: int) -> None:
        before, run = self._before[provider], self._run[provider]
        if ok:
            before.extend([True] * run + [True] * faults + [False] * ok)
            self._good[provider] = ok if run or faults else self._good[provider] + ok
            self._run[provider] = 0
        self._run[provider] += faults if not ok else 0
        if not faults or ok:
            return
        name = self.names[provider]
        tripped = fast_trip.trip(
            standing=self.standings[name],
            consecutive_faults=self._run[provider],
            batch=faults,
            batch_faults=faults,
            alone=is_alone(name, self.standings),
            thresholds=self.thresholds,
            now=_at(t),
            rate_before=sum(before) / len(before) if len(before) >= 10 else None,
            good_before=self._good[provider],
        )
        if tripped is not None:
            self._replace(name, tripped)

    def _replace(self, name: str, standing: ProviderStanding) -> None:
        before = self.standings[name]
        changed = (standing.state, standing.share) != (before.state, before.share)
        transitions = [policy.transition(f"provider:{name}", before, standing, None)] if changed else []
        self._apply({**self.standings, name: standing}, transitions)

    def bulk_pace(self, t: int) -> float:
        return self.channel.bulk_pace(now=_at(t)) if self._carried else 0.0

    def admit(self, *, priority: str, may_switch: bool, place: float) -> Admission:
        return admit(
            standing=self.channel,
            priority=priority,
            may_switch=may_switch and self._fallback_usable,
            carried=self._carried,
            ticket=place,
        )

    def probe(self, provider: int, t: int) -> bool:
        name = self.names[provider]
        standing = self.standings[name]
        if standing.state is not ProviderState.OPEN or not probing.probes_allowed(standing=standing, now=_at(t)):
            return False
        self.standings[name] = probing.begin(
            standing=standing, thresholds=self.thresholds, alone=is_alone(name, self.standings), now=_at(t)
        )
        return True

    def note_probe(self, provider: int, t: int, *, succeeded: bool) -> None:
        name = self.names[provider]
        after = probing.note(
            standing=self.standings[name],
            succeeded=succeeded,
            thresholds=self.thresholds,
            alone=is_alone(name, self.standings),
            now=_at(t),
        )
        self._replace(name, after)


def _at(t: int) -> datetime:
    return _T0 + timedelta(seconds=t)
