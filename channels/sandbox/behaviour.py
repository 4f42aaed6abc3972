"""How one of the sandbox's providers behaves, as ``PUT /behaviour/<name>`` says it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ErrorCode = Literal[
    "unavailable", "throttled", "recipient_rejected", "message_rejected", "outcome_unknown", "misconfigured"
]
Kind = Literal["answer", "error", "status", "hang", "garbage", "reset"]


class Behaviour(BaseModel):
    """Latency for every message, and a way to misbehave for a share of them: ``error_rate``, or all when a way is named
    and no share is. Of several ways, the first in this order counts: hang, reset, garbage, status, error.

    What hangs, is reset, answered with garbage, or ``outcome_unknown`` was taken all the same: that is what makes these
    failures hard.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float = Field(default=0, ge=0, le=600_000)
    jitter_ms: float = Field(default=0, ge=0, le=600_000)
    error_rate: float | None = Field(default=None, ge=0, le=1)
    error: ErrorCode | None = None
    status: int | None = Field(default=None, ge=200, le=599)
    hang: bool = False
    garbage: bool = False
    reset: bool = False
    retry_after: float | None = Field(default=None, ge=0)
    #: Of what was taken, and is to be reported: whether it is, when, and how much of it as not delivered.
    receipts: bool = True
    receipt_delay_ms: float = Field(default=500, ge=0, le=3_600_000)
    undelivered_rate: float = Field(default=0, ge=0, le=1)

    def decide(self, chance: random.Random) -> Verdict:
        """What becomes of the next message."""
        seconds = (self.latency_ms + self.jitter_ms * chance.random()) / 1000
        misbehaves = chance.random() < self._share
        return Verdict(self._kind if misbehaves else "answer", seconds, self.error or "unavailable")

    @property
    def _share(self) -> float:
        if self.error_rate is not None:
            return self.error_rate
        return 1.0 if self._kind != "error" or self.error else 0.0

    @property
    def _kind(self) -> Kind:
        if self.hang:
            return "hang"
        if self.reset:
            return "reset"
        if self.garbage:
            return "garbage"
        return "error" if self.status is None else "status"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one message: how it is answered, after how many seconds, and with which error if any."""

    kind: Kind
    after_s: float
    error: ErrorCode

    @property
    def taken(self) -> bool:
        """Whether the provider has the message, whatever it answers."""
        return self.kind in ("answer", "hang", "garbage", "reset") or (
            self.kind == "error" and self.error == "outcome_unknown"
        )
