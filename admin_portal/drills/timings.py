"""From what happened on the stage to how long it took to notice, to go another way, and to be as before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from admin_portal.steering.actions import Kind

#: States in which the engine holds nothing against a target (whoever is disabled is so by somebody's order), or it is
#: on its way there.
_AT_REST: Final = frozenset({"healthy", "normal", "disabled"})
_GOOD: Final = _AT_REST | {"recovering"}
#: Whoever carries no more than this part of what it did carries little: traffic has gone another way.
_LITTLE: Final = 0.5
#: What of a plan's doing sends messages another way; the rest only holds them back.
_MOVES: Final = frozenset({Kind.DISABLE_PROVIDER, Kind.SET_WEIGHTS, Kind.SWITCH_CHANNEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change on the stage, under the real names. ``source``: the engine (``auto``), or the plan (``plan``); then
    ``after`` is the kind of its action."""

    at: datetime
    target: str
    before: str
    after: str
    share_before: float
    share_after: float
    reason: str = ""
    source: str = "auto"

    @property
    def moves_traffic(self) -> bool:
        """Whether what went over the target goes another way from here on."""
        if self.source == "plan":
            return self.after in _MOVES
        if self.target.startswith("channel:"):
            return self.after in {"switched", "paused"}
        return self.after == "open" or self.share_after <= self.share_before * _LITTLE

    def as_json(self) -> dict[str, Any]:
        """As it is kept in a report."""
        return {
            "at": self.at.isoformat(),
            "target": self.target,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a provider took, and when."""

    at: datetime
    channel: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """In seconds; None: it was not seen. ``still``: who was not as before when it was last looked at, and how."""

    detect_s: float | None = None
    switch_s: float | None = None
    recover_s: float | None = None
    still: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong, and when. ``provider`` empty: all of the channel."""

    channel: str
    provider: str
    begins: datetime
    ends: datetime


def measure(changes: Sequence[Change], sent: Sequence[Sent], *, fault: Fault) -> Timings:
    """How long it took. ``changes`` and ``sent`` in any order."""
    after = sorted((one for one in changes if one.at >= fault.begins), key=lambda one: one.at)
    noticed = next((one.at for one in after if one.after not in _GOOD and one.source == "auto"), None)
    last = {one.target: one for one in after if one.source == "auto"}
    return Timings(
        detect_s=_since(fault.begins, noticed),
        switch_s=_since(fault.begins, _switched(after, sent, fault)),
        recover_s=_since(fault.ends, _recovered(last.values(), fault)),
        still={target: one.after for target, one in last.items() if one.after not in _AT_REST},
    )


def _switched(changes: Sequence[Change], sent: Sequence[Sent], fault: Fault) -> datetime | None:
    """When the first message went another way, once it had been decided that they do."""
    decided = next((one.at for one in changes if one.moves_traffic and one.at < fault.ends), None)
    if decided is None:
        return None
    return min((one.at for one in sent if one.at >= decided and _elsewhere(one, fault)), default=None)


def _elsewhere(one: Sent, fault: Fault) -> bool:
    if not fault.provider:
        return one.channel != fault.channel
    return one.provider != fault.provider


def _recovered(last: Collection[Change], fault: Fault) -> datetime | None:
    """When the last target was as before, from the last change of each; at the fault's end, if all were by then. None:
    one of them is not yet, or nothing had changed at all."""
    if not last or any(one.after not in _AT_REST for one in last):
        return None
    return max([one.at for one in last] + [fault.ends])


def _since(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else max(0.0, round((end - begin).total_seconds(), 2))
