"""What is stored of a provider and of a channel between two decisions, and what a decision changed.

Frozen, and JSON both ways: PostgreSQL keeps them, processes cache them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from math import inf
from typing import Any, ClassVar, Final, Self

from channels.figures import Figures


class ProviderState(StrEnum):
    """Names of the contract."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    OPEN = "open"
    RECOVERING = "recovering"
    DISABLED = "disabled"


class ChannelState(StrEnum):
    """Names of the contract, from the best to the worst."""

    NORMAL = "normal"
    SHEDDING = "shedding"
    SWITCHED = "switched"
    PAUSED = "paused"


#: States in which a provider carries traffic by its share.
CARRYING = frozenset({ProviderState.HEALTHY, ProviderState.DEGRADED, ProviderState.RECOVERING})


#: After so many, a hundredfold, there is nothing left to be careful with.
_DOUBLINGS: Final = 7


def provider_target(name: str) -> str:
    """As a policy and an event write it."""
    return f"provider:{name}"


def channel_target(name: str) -> str:
    """As a policy and an event write it."""
    return f"channel:{name}"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


class _Stored:
    """JSON both ways, for flat dataclasses. Keys that are missing take their defaults and unknown ones are left out, so
    that two versions can share what is stored."""

    __slots__ = ()
    _MOMENTS: ClassVar[frozenset[str]] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def _values(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        known = {one.name for one in fields(cls)}  # type: ignore[arg-type]
        return {
            name: datetime.fromisoformat(value) if name in cls._MOMENTS and value is not None else value
            for name, value in data.items()
            if name in known
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStanding(_Stored):
    """How a provider stands. ``share`` is what it may carry of its configured weight, from 0 to 1."""

    state: ProviderState
    share: float
    #: When this state began, and when state or share changed last.
    since: datetime
    changed_at: datetime
    reason: str = ""
    #: Who has pinned it (``PinSource``): the policy leaves it alone until the pin is over. What stands here is how it
    #: comes back then.
    pinned_by: str = ""
    #: Faults that came soon after a recovery, and when the last fault began (None: long ago).
    relapses: int = 0
    tripped_at: datetime | None = None
    #: While open: when the next probe may go, when the last one went, how many succeeded in a row, or failed, and
    #: how many have to succeed.
    next_probe_at: datetime | None = None
    probed_at: datetime | None = None
    probe_successes: int = 0
    probe_failures: int = 0
    probes_needed: int = 0

    _MOMENTS: ClassVar[frozenset[str]] = frozenset({"since", "changed_at", "tripped_at", "next_probe_at", "probed_at"})

    @property
    def carries(self) -> bool:
        """Whether it gets ordinary traffic."""
        return self.state in CARRYING

    @property
    def at_rest(self) -> bool:
        """Whether it carries all that it is configured to."""
        return self.state is ProviderState.HEALTHY and self.share >= 1.0 and not self.pinned_by

    @classmethod
    def healthy(cls, *, now: datetime, reason: str = "") -> Self:
        """A provider of which nothing bad is known."""
        return cls(state=ProviderState.HEALTHY, share=1.0, since=now, changed_at=now, reason=reason)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        values = cls._values(data)
        return cls(**{**values, "state": ProviderState(values["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStanding(_Stored):
    """How a channel stands. ``share`` is what of the affected messages still goes over it: of the pace of bulk while
    shedding, of what could be switched while switched, of everything while paused."""

    state: ChannelState
    share: float
    since: datetime
    changed_at: datetime
    reason: str = ""
    pinned_by: str = ""
    relapses: int = 0
    tripped_at: datetime | None = None
    #: How long each step up is held in this episode.
    hold_s: float = 0.0
    #: Whether the last change was one for the better.
    rising: bool = False
    #: Whether nobody carried anything, and what was held then is still coming back.
    stopped: bool = False
    #: What its providers could carry at the last decision, as a share of all weights.
    carrying: float = 1.0
    #: What they got through before bulk was held, in messages a second: no more of it than that comes back at first.
    #: 0: never measured.
    pace: float = 0.0
    #: Once the state is normal again, in how many seconds that doubles. 0: nothing comes back.
    pace_doubles_s: float = 0.0

    _MOMENTS: ClassVar[frozenset[str]] = frozenset({"since", "changed_at", "tripped_at"})

    @property
    def at_rest(self) -> bool:
        """Whether everything goes over it."""
        return self.state is ChannelState.NORMAL and not self.pinned_by

    @property
    def holds_bulk(self) -> bool:
        """Whether none of it goes anywhere."""
        return self.state is not ChannelState.NORMAL and not (self.state is ChannelState.SHEDDING and self.share > 0)

    def bulk_pace(self, *, now: datetime) -> float:
        """At how many messages a second bulk comes back: not at all while it is held, then at its share of what the
        channel got through before, in the normal state at all of that, and more and more. ``inf``: as it likes."""
        if self.holds_bulk:
            return 0.0
        if self.state is ChannelState.SHEDDING:
            return self.share * self.pace or inf
        doublings = (now - self.since).total_seconds() / self.pace_doubles_s if self.pace_doubles_s else inf
        return self.pace * 2.0**doublings if doublings < _DOUBLINGS else inf

    @property
    def in_use(self) -> bool:
        """Whether messages of other channels may come to it: it sends none of its own elsewhere."""
        return self.state not in {ChannelState.SWITCHED, ChannelState.PAUSED}

    @classmethod
    def normal(cls, *, now: datetime, reason: str = "") -> Self:
        """A channel of which nothing bad is known."""
        return cls(state=ChannelState.NORMAL, share=1.0, since=now, changed_at=now, reason=reason)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        values = cls._values(data)
        return cls(**{**values, "state": ChannelState(values["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of a state or a share, with the reason in words and the figures it was decided on. ``target`` is
    written as in a policy: ``provider:sms-a``, ``channel:sms``."""

    target: str
    before: str
    after: str
    share_before: float
    share_after: float
    reason: str
    at: datetime
    figures: Figures | None = None
    #: Who decided it: the engine, or whose pin (``PinSource``).
    source: str = "auto"

    def as_json(self) -> dict[str, Any]:
        """Plain values, ``before`` and ``after`` as ``from`` and ``to``."""
        figures = None if self.figures is None else {**asdict(self.figures), "errors": dict(self.figures.errors)}
        return {
            "target": self.target,
            "from": self.before,
            "to": self.after,
            "share_from": self.share_before,
            "share_to": self.share_after,
            "reason": self.reason,
            "at": self.at.isoformat(),
            "figures": figures,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision: the standings from now on (providers that were removed are not in it), and what changed."""

    channel: ChannelStanding
    providers: Mapping[str, ProviderStanding] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
