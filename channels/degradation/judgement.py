"""What figures say of a provider: how bad it is, by which signal, and that in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from channels.degradation.standing import ProviderStanding
from channels.degradation.thresholds import Thresholds
from channels.figures import Figures

#: So many messages have to be out before their silence says anything.
_SILENT_AT_LEAST: Final = 5


class Severity(IntEnum):
    """From the best to the worst."""

    WELL = 0  # below every threshold of leaving
    QUIET = 1  # too few samples, and none of them bad
    FAIR = 2  # too few samples, or between leaving and entering: no reason to change anything
    DEGRADED = 3
    OPEN = 4
    DEAD = 5  # hardly anything gets through: not even worth trying when nobody else is well


class Signal(IntEnum):
    """Which of the figures said so."""

    NONE = 0
    ERRORS = 1
    LATENCY = 2
    SILENCE = 3
    RECEIPTS = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """A judgement. The words are made when somebody wants them: nearly always nobody does."""

    severity: Severity
    signal: Signal
    figures: Figures
    thresholds: Thresholds

    @property
    def bad(self) -> bool:
        """Whether it is a reason to act."""
        return self.severity >= Severity.DEGRADED

    @property
    def well(self) -> bool:
        """Whether a share may go up."""
        return self.severity <= Severity.QUIET

    @property
    def words(self) -> str:
        """The figures that led to it: “61% errors over 60 s, 412 samples”."""
        figures = self.figures
        window = f"over {figures.window_s:.0f} s, {figures.samples} samples"
        if self.signal is Signal.LATENCY:
            return f"p95 {figures.p95_ms or 0:.0f} ms {window}"
        if self.signal is Signal.SILENCE:
            return f"no answer for {figures.silent_s:.0f} s with {figures.in_flight} under way"
        if self.signal is Signal.RECEIPTS:
            late = f"{figures.late_receipt_rate:.0%} of {figures.receipts_due} receipts"
            return f"{late} missing or later than {self.thresholds.receipt_delay.late_after_s:.0f} s"
        if not figures.samples:
            return f"no traffic for {figures.window_s:.0f} s"
        p95 = "" if figures.p95_ms is None else f", p95 {figures.p95_ms:.0f} ms"
        return f"{figures.error_rate:.0%} errors {window}{p95}"


def spans(*, standing: ProviderStanding | None, thresholds: Thresholds, now: datetime) -> tuple[float, float]:
    """The seconds over which ``figures`` and ``recent`` are to be read: not past the standing's last change, so that
    what was before it is not held against the provider again."""
    longest = thresholds.window_s
    if standing is not None:
        longest = min(longest, max((now - standing.changed_at).total_seconds(), 1.0))
    return longest, min(thresholds.recent_s, longest)


def judge(*, figures: Figures, thresholds: Thresholds) -> Finding:
    """The worst that ``figures`` say. Recipients' faults and throttling are not among the samples."""
    by_signal = (
        (_by_errors(figures, thresholds), Signal.ERRORS),
        (_by_latency(figures, thresholds), Signal.LATENCY),
        (_by_silence(figures, thresholds), Signal.SILENCE),
        (_by_receipts(figures, thresholds), Signal.RECEIPTS),
    )
    severity, signal = max(by_signal, key=lambda pair: pair[0])
    if severity < Severity.DEGRADED:
        signal = Signal.NONE
    return Finding(severity, signal, figures, thresholds)


def judge_both(*, figures: Figures, recent: Figures | None, thresholds: Thresholds) -> Finding:
    """What the whole window says, unless the short one says something worse that is bad: a fault is seen in either of
    them, and being well is only believed of the whole one."""
    whole = judge(figures=figures, thresholds=thresholds)
    if recent is None:
        return whole
    short = judge(figures=recent, thresholds=thresholds)
    return short if short.bad and short.severity > whole.severity else whole


def _by_errors(figures: Figures, thresholds: Thresholds) -> Severity:
    limits, faults, rate = thresholds.error_rate, figures.provider_faults, figures.error_rate
    if figures.samples < thresholds.min_samples:
        return Severity.FAIR if faults and rate >= limits.well_below else Severity.QUIET
    if faults < min(thresholds.min_faults, thresholds.min_samples):
        # Two of twenty are chance: neither a reason to cut, nor, at such a rate, one to give back.
        return Severity.WELL if rate < limits.degrade else Severity.FAIR
    if rate >= limits.open:
        return Severity.DEAD if rate >= limits.dead else Severity.OPEN
    if rate >= limits.degrade:
        return Severity.DEGRADED
    return Severity.FAIR if rate >= limits.well_below else Severity.WELL


def _by_latency(figures: Figures, thresholds: Thresholds) -> Severity:
    if figures.p95_ms is None or figures.samples < thresholds.min_samples:
        return Severity.WELL
    limits = thresholds.latency_p95_ms
    if figures.p95_ms >= limits.open:
        return Severity.OPEN
    if figures.p95_ms >= limits.degrade:
        return Severity.DEGRADED
    return Severity.FAIR if figures.p95_ms >= limits.well_below else Severity.WELL


def _by_silence(figures: Figures, thresholds: Thresholds) -> Severity:
    silent = figures.in_flight >= _SILENT_AT_LEAST and figures.silent_s * 1000 >= thresholds.latency_p95_ms.open
    return Severity.OPEN if silent else Severity.WELL


def _by_receipts(figures: Figures, thresholds: Thresholds) -> Severity:
    limits, rate = thresholds.receipt_delay, figures.late_receipt_rate
    if figures.receipts_due >= thresholds.min_samples and rate >= limits.degrade:
        return Severity.DEGRADED
    return Severity.FAIR if rate >= limits.well_below else Severity.WELL
