"""The fixed words of the platform: channels, priorities, the lanes they form, and what people may order of them.

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
