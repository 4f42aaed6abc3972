"""What a plan waits for, checks, or is proposed by: a figure of a channel, a lane or a provider, compared. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from admin_portal.kept_words import Sayable, Words
from admin_portal.kept_words import Words as _
from admin_portal.steering.errors import Fault
from admin_portal.steering.setup import Setup
from channels.names import CHANNELS, LANES


class Metric(StrEnum):
    """What is looked at."""

    DEPTH = "depth"
    OLDEST_AGE = "oldest_age_s"
    SUCCESS_RATE = "success_rate"
    P95 = "p95_ms"
    STATE = "state"


class Comparison(StrEnum):
    """How it is compared. A figure that nobody knows compares with nothing."""

    BELOW = "below"
    ABOVE = "above"
    IS = "is"


#: What each figure can be asked of, as the part of a target before the colon.
TARGETS: Final[Mapping[Metric, frozenset[str]]] = MappingProxyType(
    {
        Metric.DEPTH: frozenset({"channel", "lane"}),
        Metric.OLDEST_AGE: frozenset({"channel", "lane"}),
        Metric.SUCCESS_RATE: frozenset({"channel", "provider"}),
        Metric.P95: frozenset({"channel", "provider"}),
        Metric.STATE: frozenset({"channel", "provider"}),
    }
)
STATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "channel": ("normal", "shedding", "switched", "paused"),
        "provider": ("healthy", "degraded", "open", "recovering", "disabled"),
    }
)
#: What was seen, by what was looked at; None: nobody knows; missing: nobody looked.
Observations = Mapping[tuple[Metric, str], float | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``metric`` of ``target`` (``channel:sms``, ``lane:sms.bulk``, ``provider:sms-a``) is below or above a number, or,
    for a state, is a word. ``for_s``: so long without a break, for triggers."""

    metric: Metric
    target: str
    comparison: Comparison
    value: float | str
    for_s: float = 0.0

    @property
    def looks_at(self) -> tuple[Metric, str]:
        """What has to be observed for it."""
        return self.metric, self.target

    def holds(self, seen: Observations) -> bool:
        """Whether it is true of what was seen."""
        found = seen.get(self.looks_at)
        if found is None:
            return False
        if self.comparison is Comparison.IS:
            return str(found) == self.value
        if isinstance(found, str) or isinstance(self.value, str):
            return False
        return found < self.value if self.comparison is Comparison.BELOW else found > self.value

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "metric": self.metric.value,
            "target": self.target,
            "comparison": self.comparison.value,
            "value": self.value,
            "for_s": self.for_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        return cls(
            metric=Metric(data["metric"]),
            target=data["target"],
            comparison=Comparison(data["comparison"]),
            value=data["value"],
            for_s=data.get("for_s", 0.0),
        )


def validate(condition: Condition, *, setup: Setup) -> Iterator[Fault]:
    """What is wrong with it as things are."""
    kind, _colon, name = condition.target.partition(":")
    if kind not in TARGETS[condition.metric]:
        words = _("“%(metric)s” is a figure of: %(kinds)s.")
        kinds = ", ".join(sorted(TARGETS[condition.metric]))
        yield Fault("steps", "wrong_target", words % {"metric": condition.metric.value, "kinds": kinds})
        return
    known = {"channel": CHANNELS, "lane": LANES, "provider": setup.providers}[kind]
    if name not in known:
        yield Fault("steps", "unknown_target", _("There is no target “%(target)s”.") % {"target": condition.target})
    if condition.metric is Metric.STATE and condition.value not in STATES[kind]:
        words = _("A %(kind)s is never “%(state)s”; it is one of: %(states)s.")
        states = ", ".join(STATES[kind])
        yield Fault("steps", "unknown_state", words % {"kind": kind, "state": condition.value, "states": states})


def describe(condition: Condition) -> str:
    """The condition as a phrase in the reader's language: ``email: messages waiting < 5,000``."""
    return str(worded(condition))


def worded(condition: Condition) -> Words:
    """The same, to be kept or to be put into other words."""
    names = {
        Metric.DEPTH: _("messages waiting"),
        Metric.OLDEST_AGE: _("oldest waiting, seconds"),
        Metric.SUCCESS_RATE: _("success rate"),
        Metric.P95: _("p95, ms"),
        Metric.STATE: _("state"),
    }
    sign = {Comparison.BELOW: "<", Comparison.ABOVE: ">", Comparison.IS: "="}[condition.comparison]
    words = Words(
        "%(name)s: %(figure)s %(sign)s %(value)s",
        {
            "name": condition.target.partition(":")[2],
            "figure": names[condition.metric],
            "sign": sign,
            "value": show(condition, condition.value),
        },
    )
    if condition.for_s:
        words = _("%(condition)s for %(seconds)d s") % {"condition": words, "seconds": condition.for_s}
    return words


def show(condition: Condition, value: float | str | None) -> Sayable:
    """A value of the condition's figure, as people read it."""
    if value is None:
        return _("unknown")
    if isinstance(value, str):
        return value
    if condition.metric is Metric.SUCCESS_RATE:
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"
