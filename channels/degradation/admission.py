"""What a channel's state means for one message: over this channel, over the fallback channel, or held."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from channels.degradation.standing import ChannelStanding, ChannelState

_TICKETS: Final = 1 << 32
#: What was held until one moment comes back over so many seconds.
_SPREAD_S: Final = 1.0
_LOOK_AGAIN_S: Final = {"critical": 3.0, "normal": 15.0, "bulk": 60.0}


class Admission(StrEnum):
    """Where a message goes."""

    SEND = "send"
    SWITCH = "switch"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Where a message goes, and why not over its channel. ``until``: when a person's hold on it is over. ``crowded``:
    it waits for its turn among others, however urgent it is."""

    admission: Admission
    reason: str = ""
    until: datetime | None = None
    crowded: bool = False


def ticket(identifier: UUID) -> float:
    """A message's place in the ramp, from 0 to 1: the same at each look, so that a message which waits does not come
    through by asking often. From the random end of its id."""
    return (identifier.int % _TICKETS) / _TICKETS


def look_again_in(
    *, priority: str, waited_s: float, left_s: float, rng: random.Random, held_s: float | None = None
) -> float:
    """Seconds until a held message looks again: each at its own moment, or all would come back at once; and twice
    more at least in the time that is left to it. Bulk that has ``waited_s`` for long has much company, and is spread
    wider. ``held_s``: for so long a person holds it."""
    if held_s is not None:  # by a person, who says for how long: before that there is nothing to look for
        return min(held_s + rng.uniform(0.0, _SPREAD_S), max(left_s * rng.uniform(0.8, 0.95), 0.5))
    longest_s = _LOOK_AGAIN_S[priority]
    if priority == "bulk":
        longest_s = max(longest_s, waited_s)
    wait_s = rng.uniform(1.0, longest_s)
    return min(wait_s, max(left_s * rng.uniform(0.3, 0.5), 0.5))


def admit(
    *,
    standing: ChannelStanding,
    priority: str,
    may_switch: bool,
    carried: bool,
    ticket: float,
) -> Admission:
    """Where a message goes now. ``may_switch``: its route or channel allows a fallback channel that is usable, and
    its recipient has an address there. ``carried``: at least one provider of the channel carries ordinary traffic.
    ``ticket`` as ``ticket`` says.

    Bulk is held in every state but the normal one, or comes back by its pace, and does not follow to
    the fallback channel, which has its own traffic. What cannot go elsewhere stays for as long as anybody carries it,
    however badly.
    """
    share = standing.share
    if standing.state is ChannelState.NORMAL:
        return _send_or(Admission.HOLD, may_switch and priority != "bulk", carried)
    if priority == "bulk":
        return Admission.SEND if carried and not standing.holds_bulk else Admission.HOLD
    if standing.state is ChannelState.SHEDDING:
        return _send_or(Admission.HOLD, may_switch, carried)
    if carried and ticket < share:
        return Admission.SEND
    if may_switch:
        return Admission.SWITCH
    # What cannot go elsewhere stays; but what was held while nobody carried anything comes back by the ramp, not at
    # once.
    stays = carried and standing.state is ChannelState.SWITCHED and not standing.stopped
    return Admission.SEND if stays else Admission.HOLD


def _send_or(otherwise: Admission, may_switch: bool, carried: bool) -> Admission:
    if carried:
        return Admission.SEND
    return Admission.SWITCH if may_switch else otherwise
