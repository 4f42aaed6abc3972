"""The fixed words of the platform: channels, priorities, the lanes they form, what people may order of them, and what
goes wrong in drills.

Outsiders rely on these names (API, queues, metrics), so they live in one place and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

CHANNELS: Final = ("email", "sms", "push", "im", "voice", "webhook", "inapp")
PRIORITIES: Final = ("critical", "normal", "bulk")
CONTROL_QUEUE: Final = "control"

#: Which field of a notification's ``to`` holds the address for a channel.
ADDRESS_FIELDS: Final[dict[str, str]] = {
    "email": "email",
    "sms": "phone",
    "voice": "phone",
    "push": "device_token",
    "im": "im",
    "webhook": "url",
    "inapp": "user_id",
}


def lane_name(channel: str, priority: str) -> str:
    """The lane, and so the Celery queue, of a channel and a priority: ``sms.critical``."""
    return f"{channel}.{priority}"


def split_lane(lane: str) -> tuple[str, str]:
    """The channel and the priority of a lane."""
    channel, _, priority = lane.partition(".")
    return channel, priority


LANES: Final = tuple(lane_name(channel, priority) for channel in CHANNELS for priority in PRIORITIES)


class PinAction(StrEnum):
    """What may be ordered of a channel, a provider or a part of the messages, against the engine."""

    DISABLE = "disable"
    SET_WEIGHTS = "set_weights"
    SWITCH = "switch"
    SHED_BULK = "shed_bulk"
    THROTTLE = "throttle"
    HOLD = "hold"


class PinSource(StrEnum):
    """Who ordered it."""

    MANUAL = "manual"
    PLAN = "plan"
    DRILL = "drill"


class FaultKind(StrEnum):
    """What goes wrong on the stage of a drill."""

    NONE = "none"
    ERRORS = "errors"
    LATENCY = "latency"
    HANG = "hang"
    RECEIPTS_STOP = "receipts_stop"
    OUTAGE = "outage"


#: Before the names of what a drill plays. No channel or provider can be called so: there is no colon in their names.
_ON_STAGE: Final = "drill:"
#: As long as a provider's name may be where what it did is stored: who would be longer on the stage is not played.
LONGEST_PROVIDER: Final = 64


def staged(name: str) -> str:
    """What the channel or provider ``name`` is called on the stage of a drill."""
    return _ON_STAGE + name


def is_staged(name: str) -> bool:
    """Whether ``name`` is that of a channel or a provider on the stage."""
    return name.startswith(_ON_STAGE)


def off_stage(name: str) -> str:
    """What the channel or provider is called in earnest."""
    return name.removeprefix(_ON_STAGE)
