"""What this room stores: channels, their providers, the policies they are judged by, how they stand, what people have
ordered, and the stages of drills."""

from channels.models.channel import Channel
from channels.models.degradation import DegradationEvent, Standing
from channels.models.inbox import InboxMessage
from channels.models.pin import Pin
from channels.models.policy import Policy
from channels.models.provider import Provider
from channels.models.quality import ProviderMinute
from channels.models.stage import Stage

__all__ = [
    "Channel",
    "DegradationEvent",
    "InboxMessage",
    "Pin",
    "Policy",
    "Provider",
    "ProviderMinute",
    "Stage",
    "Standing",
]
