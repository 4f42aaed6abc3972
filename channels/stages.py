"""Stages of drills: opened, closed and read here alone. Whether one is there, and what goes wrong on it, the time says.

On a stage every provider is played by the sandbox, whatever its adapter is, under a name of its own (``names.staged``):
it is judged, degraded and recovered by the same engine as the real one, and nobody real is ever asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zlib import crc32

from channels.models.stage import Stage
from channels.names import FaultKind, off_stage

#: An answer takes a moment, as real ones do: what answers at once takes whole batches at once, and none fails alone.
_LATENCY_MS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """A stage. ``channels``: those that are played; ``provider``: who fails, empty for all of the first channel."""

    id: UUID
    channels: tuple[str, ...]
    fault: FaultKind
    opens_at: datetime
    faulty_from: datetime
    faulty_until: datetime
    closes_at: datetime
    share: float = 0.0
    application: str = ""
    provider: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def is_open(self, now: datetime) -> bool:
        """Whether it is there."""
        return self.opens_at <= now < self.closes_at

    def is_faulty(self, now: datetime) -> bool:
        """Whether something goes wrong on it."""
        return self.is_open(now) and self.faulty_from <= now < self.faulty_until

    def since(self, now: datetime) -> datetime:
        """Since when it is played as it is now: what was made of it before is out of date."""
        return max(one for one in (self.opens_at, self.faulty_from, self.faulty_until) if one <= now)

    def takes(self, *, channel: str, application: str, message_id: UUID) -> bool:
        """Whether a test key's message plays on it: the same at each look."""
        if channel not in self.channels:
            return False
        return application == self.application or _ticket(message_id) < self.share

    def behaviour(self, provider: str, *, channel: str, now: datetime) -> Mapping[str, Any]:
        """How the sandbox plays ``provider`` of ``channel`` at this moment, as its configuration."""
        told = "later" if self.fault is FaultKind.RECEIPTS_STOP else "instant"
        config = {"latency_ms": _LATENCY_MS, "receipts": told, "journal": False}
        fails = self.fault is FaultKind.OUTAGE or self.provider in {"", off_stage(provider)}
        if not fails or off_stage(channel) != self.channels[0] or not self.is_faulty(now):
            return config
        return {**config, **_FAULTS[self.fault], **self._given()}

    def _given(self) -> dict[str, Any]:
        known = _PARAMETERS.get(self.fault, {})
        return {known[name]: value for name, value in self.parameters.items() if name in known}


def _ticket(message_id: UUID) -> float:
    """A message's place among all, from 0 to 1. Not the one that it has in the ramp of a channel: those of a small
    share would be the first of every ramp too."""
    return crc32(message_id.bytes) / (1 << 32)


_FAULTS: Final[Mapping[FaultKind, Mapping[str, Any]]] = {
    FaultKind.NONE: {},
    FaultKind.ERRORS: {"error_rate": 1.0, "error": "unavailable"},
    FaultKind.LATENCY: {"latency_ms": 3000.0},
    FaultKind.HANG: {"timeout_rate": 1.0},
    # They would come when nobody waits for them any more.
    FaultKind.RECEIPTS_STOP: {"receipt_delay_ms": 3_600_000},
    FaultKind.OUTAGE: {"error_rate": 1.0, "error": "unavailable"},
}
#: Which parameters a fault has, and what they are called in the sandbox's configuration.
_PARAMETERS: Final[Mapping[FaultKind, Mapping[str, str]]] = {
    FaultKind.ERRORS: {"rate": "error_rate"},
    FaultKind.LATENCY: {"latency_ms": "latency_ms"},
    FaultKind.HANG: {"rate": "timeout_rate"},
}


def open_stage(
    *,
    stage_id: UUID,
    channels: Sequence[str],
    fault: FaultKind,
    provider: str,
    parameters: Mapping[str, Any],
    share: float,
    application: str,
    opens_at: datetime,
    faulty_from: datetime,
    faulty_until: datetime,
    closes_at: datetime,
) -> None:
    """Opens a stage, in the caller's transaction. Raises IntegrityError for one that overlaps another, lasts longer
    than two hours, or whose times make no sense."""
    Stage.objects.create(
        id=stage_id,
        channels=list(channels),
        fault=fault,
        provider=provider,
        parameters=dict(parameters),
        share=share,
        application=application,
        opens_at=opens_at,
        faulty_from=faulty_from,
        faulty_until=faulty_until,
        closes_at=closes_at,
    )


def close(*, stage_id: UUID, now: datetime) -> bool:
    """Closes it before its time; says whether it was open, or still to open. Once is enough."""
    return bool(Stage.objects.filter(pk=stage_id, closed_at=None, closes_at__gt=now).update(closed_at=now))


def known(*, now: datetime) -> StageSpec | None:
    """The stage that is open, or else the next that will be: what a process has to know to be on time."""
    row = Stage.objects.filter(closed_at=None, closes_at__gt=now).order_by("opens_at").first()
    if row is None:
        return None
    return StageSpec(
        id=row.id,
        channels=tuple(row.channels),
        fault=FaultKind(row.fault),
        opens_at=row.opens_at,
        faulty_from=row.faulty_from,
        faulty_until=row.faulty_until,
        closes_at=row.closes_at,
        share=row.share,
        application=row.application,
        provider=row.provider,
        parameters=row.parameters,
    )
