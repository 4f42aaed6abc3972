"""The part of a configuration file that is this room's: channels, providers and policies.

``check`` finds every fault before anything is touched; ``apply`` then writes what differs, and says what that was. The
transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from django.db.models import Model
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from channels import control_characters, registry
from channels.errors import ConfigurationError
from channels.models import Channel, Policy, Provider
from channels.models.channel import OutcomeUnknownPolicy
from channels.names import CHANNELS
from channels.types import MAX_CONCURRENCY

Fault = tuple[str, str]
ChannelName = Literal["email", "sms", "push", "im", "voice", "webhook", "inapp"]
#: Such as 500/s; empty, or null as for a quota, stands for no limit.
Rate = Annotated[
    str,
    BeforeValidator(lambda rate: "" if rate is None else rate),
    StringConstraints(pattern=r"^([1-9]\d{0,8}/(s|m|h|d))?$"),
]
Ratio = Annotated[float, Field(gt=0, le=1)]
Milliseconds = Annotated[int, Field(ge=1, le=600_000)]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one object; ``fields`` are the names of those that changed, never their values."""

    kind: str
    name: str
    created: bool
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"created {self.kind} {self.name}" if self.created else f"updated {self.kind} {self.name}: {self.what}"

    @property
    def what(self) -> str:
        """The changed fields, in words."""
        return ", ".join(self.fields)


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


# --- reading ----------------------------------------------------------------------------------------------------------

EntryType = TypeVar("EntryType", bound=Entry)
_MAX_KEY: Final = 64


def join_path(prefix: str, parts: Iterable[int | str]) -> str:
    """``providers[2]`` and ``("config", "url")`` as ``providers[2].config.url``."""
    path = prefix
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{str(part)[:_MAX_KEY]}"
    return path


def _words(message: str) -> str:
    """pydantic's message in the words of somebody who edits a file."""
    known = {"Extra inputs are not permitted": "there is no such key here", "Field required": "this key is missing"}
    return known.get(message, message.removeprefix("Value error, ").replace("Input should be", "this should be", 1))


def read_entries(
    raw: object, model: type[EntryType], *, path: str, identity: str, faults: list[Fault]
) -> list[tuple[str, EntryType]]:
    """The good entries of one section, each with its path; what is wrong with the others is added to ``faults``."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        faults.append((path, "write a list"))
        return []
    found: list[tuple[str, EntryType]] = []
    seen: set[object] = set()
    for index, item in enumerate(raw):
        here = f"{path}[{index}]"
        try:
            entry = model.model_validate(item)
        except ValidationError as error:
            faults += [
                (join_path(here, fault["loc"]), _words(fault["msg"]))
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            continue
        name = getattr(entry, identity)
        if name in seen:
            faults.append((f"{here}.{identity}", f"“{name}” is here twice"))
        seen.add(name)
        found.append((here, entry))
    return found


@dataclass(frozen=True, slots=True)
class ChannelsConfiguration:
    """The entries of this room, known to be good."""

    channels: Sequence[ChannelEntry]
    providers: Sequence[ProviderEntry]
    policies: Sequence[PolicyEntry]


def _adapter_faults(path: str, entry: ProviderEntry) -> list[Fault]:
    try:
        control_characters.check(entry.config)
        registry.check(adapter=entry.adapter, channel=entry.channel, config=entry.config)
    except ConfigurationError as error:
        return [
            (f"{path}.adapter" if where == "adapter" else f"{path}.config.{where}".rstrip("."), _words(what))
            for where, what in error.errors
        ]
    return []


def _target_faults(path: str, entry: PolicyEntry, providers: set[str]) -> list[Fault]:
    kind, _, name = entry.target.partition(":")
    if name in (CHANNELS if kind == "channel" else providers):
        return []
    if kind == "provider" and Provider.objects.filter(name=name).exists():
        return []
    return [(f"{path}.target", f"there is no {kind} “{name}”")]


def check(sections: Mapping[str, object], faults: list[Fault]) -> ChannelsConfiguration:
    """The ``channels``, ``providers`` and ``policies`` of a file; every fault is added to ``faults``."""
    channels = read_entries(sections.get("channels"), ChannelEntry, path="channels", identity="name", faults=faults)
    providers = read_entries(sections.get("providers"), ProviderEntry, path="providers", identity="name", faults=faults)
    policies = read_entries(sections.get("policies"), PolicyEntry, path="policies", identity="target", faults=faults)
    for path, provider in providers:
        faults += _adapter_faults(path, provider)
    names = {provider.name for _path, provider in providers}
    for path, policy in policies:
        faults += _target_faults(path, policy, names)
    return ChannelsConfiguration(
        channels=[entry for _path, entry in channels],
        providers=[entry for _path, entry in providers],
        policies=[entry for _path, entry in policies],
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def write(*, model: type[Model], kind: str, identity: str, values: Mapping[str, Any]) -> list[Change]:
    """Makes the row of ``model`` whose ``identity`` is in ``values`` have these values; nothing is written when it has
    them already."""
    manager = model._default_manager
    name = str(values[identity])
    row = manager.select_for_update().filter(**{identity: values[identity]}).first()
    if row is None:
        manager.create(**values)
        return [Change(kind, name, created=True)]
    changed = tuple(field for field, value in values.items() if getattr(row, field) != value)
    if not changed:
        return []
    for field in changed:
        setattr(row, field, values[field])
    stamps = ["updated_at"] if any(field.name == "updated_at" for field in model._meta.get_fields()) else []
    row.save(update_fields=[*changed, *stamps])
    return [Change(kind, name, created=False, fields=changed)]


def apply(configuration: ChannelsConfiguration) -> list[Change]:
    """Writes what differs. What the file does not name is left alone."""
    changes: list[Change] = []
    for channel in configuration.channels:
        changes += write(model=Channel, kind="channel", identity="name", values=channel.model_dump(mode="json"))
    for provider in configuration.providers:
        changes += write(model=Provider, kind="provider", identity="name", values=provider.model_dump(mode="json"))
    for policy in configuration.policies:
        values = {"target": policy.target, "rules": policy.rules}
        changes += write(model=Policy, kind="policy", identity="target", values=values)
    return changes
