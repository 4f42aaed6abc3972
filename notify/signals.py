"""What this room tells those above it, without knowing them. Receivers must be quick and must not raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTry:
    """One conversation with a provider, as it was recorded. ``outcome`` is ``sent`` or the code of an error."""

    lane: str
    provider: str
    outcome: str
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedResult:
    """What became of one delivery: its new status (``queued`` means that it will be tried again)."""

    lane: str
    provider: str
    status: str
    age_s: float


#: After commit: ``application: str``, ``lanes: Mapping[str, int]`` (deliveries accepted by lane).
accepted = Signal()
#: After commit, once a batch: ``tries: Sequence[RecordedTry]``, ``results: Sequence[RecordedResult]``.
recorded = Signal()
#: After commit: ``lane: str``, ``count: int``: leases that ran out (a worker died).
leases_expired = Signal()
#: ``lane: str``, ``decision: str``: a request was not taken (slowed or refused), because the lane was too deep.
shaved = Signal()
#: After commit, once a callback: ``provider: str``, ``counts: Mapping[str, int]`` (reports by what they meant; see
#: ``receipt_rules.Meaning``).
receipts = Signal()
#: Once a second, by the lifeboat: ``now: datetime``. For what falls due in the rooms above when their own workers are
#: gone; receivers must be quick, idempotent, and harmless beside others that do the same.
tick = Signal()


def send_accepted(*, application: str, lanes: Mapping[str, int]) -> None:
    """Tells that deliveries were accepted."""
    accepted.send(sender=None, application=application, lanes=lanes)


def send_recorded(*, tries: Sequence[RecordedTry], results: Sequence[RecordedResult]) -> None:
    """Tells what was recorded."""
    recorded.send(sender=None, tries=tries, results=results)


def send_tick(*, now: datetime) -> None:
    """Tells that another second has gone by."""
    tick.send(sender=None, now=now)
