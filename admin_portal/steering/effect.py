"""What an action is foretold to do: plain data, kept with the request as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A provider's load, messages a second, before and after; ``capacity_per_s`` None: not known."""

    provider: str
    channel: str
    before_per_s: float
    after_per_s: float
    peak_per_s: float = 0.0
    capacity_per_s: float | None = None

    @property
    def fits(self) -> bool | None:
        """Whether it can take that, also in a minute as busy as its busiest. None: not known."""
        if self.capacity_per_s is None:
            return None
        rush = max(self.peak_per_s - self.before_per_s, 0.0)
        return self.after_per_s + rush <= self.capacity_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """Messages that would have no way left: they wait until the end."""

    channel: str
    priority: str
    category: str
    application: str
    per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The effect. Rates are messages a second: ``switched`` leave their channel, ``held`` wait until the end,
    ``delayed`` wait for their turn. ``unseen_critical``: no critical message was seen, and one that came would have no
    way left."""

    shifts: tuple[Shift, ...] = ()
    switched_per_s: float = 0.0
    held_per_s: float = 0.0
    delayed_per_s: float = 0.0
    stranded: tuple[Stranded, ...] = ()
    unseen_critical: bool = False
    sampled: int = 0

    @property
    def strands_critical(self) -> bool:
        """Whether it has to be confirmed a second time."""
        return self.unseen_critical or any(one.priority == "critical" for one in self.stranded)

    @property
    def overloads(self) -> tuple[Shift, ...]:
        """Those who can't take what would come to them."""
        return tuple(one for one in self.shifts if one.fits is False and one.after_per_s > one.before_per_s)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        values = {
            **data,
            "shifts": tuple(Shift(**one) for one in data.get("shifts", ())),
            "stranded": tuple(Stranded(**one) for one in data.get("stranded", ())),
        }
        return cls(**values)
