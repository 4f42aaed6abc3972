"""Three other ways of keeping traffic off bad providers, by their public rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from bench.simulation.ledger import Ledger
from channels.degradation.admission import Admission


class Rival:
    """What the rivals have in common: no channel states, no probes."""

    restricts = False
    steps: Sequence[float] = ()

    def __init__(self, rest: Sequence[float], ledgers: Sequence[Ledger]) -> None:
        self.rest = list(rest)
        self.weights = list(rest)
        self.ledgers = ledgers

    @property
    def calm(self) -> bool:
        return self.weights == self.rest

    def evaluate(self, t: int) -> None:
        """Nothing by itself."""

    def note(self, provider: int, t: int, *, ok: int, faults: int) -> None:
        """Nothing by itself."""

    def admit(self, *, priority: str, may_switch: bool, place: float) -> Admission:
        """Everything, always."""
        return Admission.SEND

    def bulk_pace(self, t: int) -> float:
        """As much as there is."""
        return inf

    def probe(self, provider: int, t: int) -> bool:
        """Never."""
        return False

    def note_probe(self, provider: int, t: int, *, succeeded: bool) -> None:
        """Never."""


class PlainRetry(Rival):
    """Retries, and knows nothing of health."""


class Breaker(Rival):
    """Opens after five faults in a row, and closes after sixty seconds, whatever then comes."""

    FAULTS = 5
    OPEN_S = 60

    def __init__(self, rest: Sequence[float], ledgers: Sequence[Ledger]) -> None:
        super().__init__(rest, ledgers)
        self._run = [0] * len(rest)
        self._until = [0] * len(rest)

    def note(self, provider: int, t: int, *, ok: int, faults: int) -> None:
        """Answers come in a row: the good ones of a mixed part first, which is as kind to it as its order allows."""
        self._run[provider] = (0 if ok else self._run[provider]) + faults
        if self._run[provider] >= self.FAULTS and self._until[provider] <= t:
            self._until[provider] = t + self.OPEN_S
            self._run[provider] = 0
            self.weights[provider] = 0.0

    def evaluate(self, t: int) -> None:
        """Closes what has been open for long enough."""
        self.weights = [weight if until <= t else 0.0 for weight, until in zip(self.rest, self._until, strict=True)]


class GovUkNotify(Rival):
    """GOV.UK Notify's rules (reference/peers.md). Ten points to the other provider at more than fifty errors within
    sixty seconds, at most once a minute; or when 15% of the last fifteen minutes' texts took longer than five
    minutes, unless both are slow or none is, looked at each minute and not within five minutes of a change. Ten
    points back towards rest each five minutes where nothing changed for fifteen."""

    POINTS = 10.0

    def __init__(self, rest: Sequence[float], ledgers: Sequence[Ledger]) -> None:
        super().__init__(rest, ledgers)
        self._changed_at = -(10**6)

    def evaluate(self, t: int) -> None:
        """By errors each second, by slowness each minute, back to rest each five."""
        for provider, ledger in enumerate(self.ledgers):
            errors = ledger.total(ledger.faults, t - 59, t + 1)
            if errors > 50 and t - self._changed_at >= 60:
                self._reduce(provider, t)
        if t % 60 == 0 and t - self._changed_at >= 300:
            slow = [provider for provider in range(len(self.ledgers)) if self._is_slow(provider, t)]
            if slow and len(slow) < len(self.ledgers):
                self._reduce(slow[0], t)
        if t % 300 == 0 and t - self._changed_at >= 900:
            self._restore(t)

    def _is_slow(self, provider: int, t: int) -> bool:
        ledger = self.ledgers[provider]
        sent = ledger.total(ledger.accepted, t - 899, t + 1)
        late = ledger.total(ledger.swallowed, t - 899, t - 299)
        return bool(sent) and late / sent >= 0.15

    def _reduce(self, provider: int, t: int) -> None:
        points = min(self.POINTS, self.weights[provider])
        if len(self.weights) < 2 or not points:
            return
        self.weights[provider] -= points
        self.weights[1 - provider] += points
        self._changed_at = t

    def _restore(self, t: int) -> None:
        gap = self.rest[0] - self.weights[0]
        if gap:
            step = max(-self.POINTS, min(self.POINTS, gap))
            self.weights = [self.weights[0] + step, self.weights[1] - step]
            self._changed_at = t
