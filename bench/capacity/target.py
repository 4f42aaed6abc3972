"""What is asked for: messages a second by channel, and what stands there already. From YAML or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1)]


class TargetError(ValueError):
    """A target that can't be read; the message says where and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Strict):
    """One channel's messages: how many a second, how long its providers take, how long a message may wait for a place
    (99 of 100), how urgent most of them are (bulk and normal may not use all places)."""

    per_second: _Positive
    latency_ms: _Positive = 100.0
    latency_varies: Annotated[float, Field(ge=0)] = 1.0
    p99_ms: _Positive = 1000.0
    priority: Literal["critical", "normal", "bulk"] = "critical"


class Standing(_Strict):
    """What stands there: by default what `make run` starts, on one machine with two cores. ``log_mb_per_second``: what
    the database's disk writes; by default what was measured on ours."""

    cores: _Count = 2
    web_processes: _Count = 2
    workers_a_channel: _Count = 1
    places_a_channel: _Count = 16
    database_cores: _Count = 2
    log_mb_per_second: _Positive | None = None
    connections: _Count = 200
    broker_cores: _Count = 1


class Target(_Strict):
    """What is wanted. ``singles``: the part of the messages that is accepted one by one, not in batches.
    ``utilisation``: how busy anything may be. ``retention_days``: for how long rows are kept."""

    name: str = "target"
    channels: Annotated[dict[str, Channel], Field(min_length=1)]
    singles: Annotated[float, Field(ge=0, le=1)] = 0.2
    utilisation: Annotated[float, Field(gt=0, lt=1)] = 0.7
    retention_days: _Positive = 30.0
    standing: Standing = Standing()

    @property
    def per_second(self) -> float:
        """Messages a second, over all channels."""
        return sum(channel.per_second for channel in self.channels.values())


def read(path: Path) -> list[Target]:
    """The targets of a file: one, or several under ``targets``. Raises TargetError."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TargetError(f"{path}: {error}") from error
    several = data.get("targets") if isinstance(data, dict) else None
    return [parse(one) for one in (several or [data])]


def parse(data: object) -> Target:
    """One target. Raises TargetError."""
    try:
        return Target.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise TargetError(f"{'.'.join(map(str, first['loc'])) or 'target'}: {first['msg']}") from error


def parse_channel(text: str) -> tuple[str, Mapping[str, Any]]:
    """``sms=500``, ``sms=500,latency_ms=80,p99_ms=300,priority=bulk``: a channel on the command line. Raises
    TargetError."""
    first, *rest = text.split(",")
    name, _, per_second = first.partition("=")
    given = dict(one.partition("=")[::2] for one in rest)
    if not name or not per_second or not all(given.values()):
        raise TargetError(f"{text!r}: write CHANNEL=A_SECOND[,latency_ms=…][,p99_ms=…][,priority=…]")
    return name, {"per_second": per_second, **given}
