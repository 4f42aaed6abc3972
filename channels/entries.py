"""What the entries of a configuration file may be: channels, providers, policies. Shapes and bounds; whether adapters
and targets exist is seen where they are read (``channels.configuration``)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from channels.models.channel import OutcomeUnknownPolicy
from channels.types import MAX_CONCURRENCY

ChannelName = Literal["email", "sms", "push", "im", "voice", "webhook", "inapp"]
#: Such as 500/s; empty, or null as for a quota, stands for no limit.
Rate = Annotated[
    str,
    BeforeValidator(lambda rate: "" if rate is None else rate),
    StringConstraints(pattern=r"^([1-9]\d{0,8}/(s|m|h|d))?$"),
]
Ratio = Annotated[float, Field(gt=0, le=1)]
Milliseconds = Annotated[int, Field(ge=1, le=600_000)]


class Entry(BaseModel):
    """The root of everything in a configuration file: keys that nobody knows are faults, and so are silent guesses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _distinct(names: list[ChannelName]) -> list[ChannelName]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("duplicate", "each channel at most once")
    return names


ChannelNames = Annotated[list[ChannelName], AfterValidator(_distinct)]


class ChannelEntry(Entry):
    """Standing orders of a channel."""

    name: ChannelName
    fallback: ChannelNames = Field(default_factory=list)
    outcome_unknown: OutcomeUnknownPolicy = OutcomeUnknownPolicy.RESEND
    step_deadline_s: Annotated[int, Field(ge=1, le=86_400)] = 60

    @model_validator(mode="after")
    def _not_to_itself(self) -> ChannelEntry:
        if self.name in self.fallback:
            raise PydanticCustomError("not_allowed", "a channel can't be its own fallback")
        return self


class ProviderEntry(Entry):
    """An account at a provider."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    channel: ChannelName
    adapter: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    rate_limit: Rate = ""
    max_concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] = 16
    timeout_s: Annotated[float, Field(ge=0.05, le=120)] = 10.0
    enabled: bool = True
    config: dict[str, Any] = Field(default_factory=dict)


Threshold = TypeVar("Threshold", int, float)


def _check_order(degrade: Threshold, open_: Threshold) -> None:
    if open_ < degrade:
        raise PydanticCustomError("out_of_range", "“open” can't be below “degrade”")


class RateThresholds(Entry):
    """Shares of failed sends."""

    degrade: Ratio = 0.10
    open: Ratio = 0.50

    @model_validator(mode="after")
    def _ordered(self) -> RateThresholds:
        _check_order(self.degrade, self.open)
        return self


class LatencyThresholds(Entry):
    """Latency at the 95th percentile."""

    degrade: Milliseconds = 2000
    open: Milliseconds = 5000

    @model_validator(mode="after")
    def _ordered(self) -> LatencyThresholds:
        _check_order(self.degrade, self.open)
        return self


class ReceiptDelay(Entry):
    """Which share of receipts may be later than ``late_after_s``."""

    late_after_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    degrade: Ratio = 0.15


class Probe(Entry):
    """How an open provider is tried again."""

    interval_s: Annotated[int, Field(ge=1, le=3600)] = 10
    successes: Annotated[int, Field(ge=1, le=1000)] = 5


class Ramp(Entry):
    """How its weight comes back, in per cent."""

    steps: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=lambda: [10, 30, 60, 100], min_length=1, max_length=20
    )
    hold_s: Annotated[int, Field(ge=1, le=3600)] = 30

    @model_validator(mode="after")
    def _upwards(self) -> Ramp:
        if sorted(set(self.steps)) != self.steps or self.steps[-1] != 100:
            raise PydanticCustomError("out_of_range", "steps must rise and end at 100")
        return self


class PolicyEntry(Entry):
    """By which figures a provider or a channel is judged."""

    target: Annotated[str, StringConstraints(pattern=r"^(provider|channel):[A-Za-z0-9_-]{1,64}$")]
    window_s: Annotated[int, Field(ge=5, le=3600)] = 60
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    error_rate: RateThresholds = Field(default_factory=RateThresholds)
    latency_p95_ms: LatencyThresholds = Field(default_factory=LatencyThresholds)
    receipt_delay: ReceiptDelay = Field(default_factory=ReceiptDelay)
    probe: Probe = Field(default_factory=Probe)
    ramp: Ramp = Field(default_factory=Ramp)

    @property
    def rules(self) -> dict[str, Any]:
        """Everything but the target, defaults spelled out."""
        return self.model_dump(exclude={"target"})
