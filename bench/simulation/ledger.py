"""What was seen of one provider, second by second: sums over any window in constant time."""

from __future__ import annotations

from dataclasses import dataclass, field

from channels.figures import Figures


@dataclass(slots=True)
class Ledger:
    """Cumulative counts: entry ``t + 1`` holds what came before the end of second ``t``."""

    ok: list[int] = field(default_factory=lambda: [0])
    faults: list[int] = field(default_factory=lambda: [0])
    accepted: list[int] = field(default_factory=lambda: [0])
    swallowed: list[int] = field(default_factory=lambda: [0])
    #: Slow answers only: (second, latency in seconds, how many). What is not here was quick.
    slow: list[tuple[int, float, int]] = field(default_factory=list)
    in_flight: int = 0
    heard_at: int = 0

    def tick(self, seconds: int) -> None:
        """Begins the next so many seconds; what comes in them is noted in the last one."""
        for counts in (self.ok, self.faults, self.accepted, self.swallowed):
            counts.extend([counts[-1]] * seconds)

    def note(self, t: int, *, ok: int = 0, faults: int = 0, latency_s: float = 0.0) -> None:
        """Answers that came in second ``t``."""
        self.ok[-1] += ok
        self.faults[-1] += faults
        self.heard_at = t
        if latency_s >= 1.0:
            self.slow.append((t, latency_s, ok + faults))

    def sent(self, *, accepted: int, swallowed: int) -> None:
        """Messages that were accepted, and how many of them will never be reported."""
        self.accepted[-1] += accepted
        self.swallowed[-1] += swallowed

    def total(self, counts: list[int], begin: int, end: int) -> int:
        """What ``counts`` gained from second ``begin`` up to and without ``end``."""
        last = len(counts) - 1
        return counts[min(max(end, 0), last)] - counts[min(max(begin, 0), last)]

    def figures(self, t: int, *, window_s: float, late_after_s: float) -> Figures:
        """The window that ends with second ``t``."""
        begin, end = t + 1 - max(1, int(window_s)), t + 1
        ok, faults = self.total(self.ok, begin, end), self.total(self.faults, begin, end)
        due_from, due_to = begin - int(late_after_s), end - int(late_after_s)
        return Figures(
            window_s=window_s,
            tries=ok + faults,
            successes=ok,
            provider_faults=faults,
            p95_ms=self._p95_ms(begin, ok + faults),
            in_flight=self.in_flight,
            silent_s=float(t - self.heard_at) if self.in_flight else 0.0,
            receipts_due=self.total(self.accepted, due_from, due_to),
            receipts_late=self.total(self.swallowed, due_from, due_to),
        )

    def _p95_ms(self, begin: int, answers: int) -> float | None:
        if not answers:
            return None
        beyond = answers * 0.05
        slow = sorted((latency_s, n) for second, latency_s, n in self._since(begin))
        for latency_s, n in reversed(slow):
            beyond -= n
            if beyond < 0:
                return latency_s * 1000
        return 300.0

    def _since(self, begin: int) -> list[tuple[int, float, int]]:
        if self.slow and self.slow[0][0] < begin - 120:
            self.slow = [one for one in self.slow if one[0] >= begin - 120]
        return [one for one in self.slow if one[0] >= begin]
