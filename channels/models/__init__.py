"""What this room stores: channels, their providers, the policies they are judged by,
and how they stand."""

from channels.models.channel import Channel
from channels.models.degradation import DegradationEvent, Standing
from channels.models.inbox import InboxMessage
from channels.models.policy import Policy
from channels.models.provider import Provider
from channels.models.quality import ProviderMinute

__all__ = ["Channel", "DegradationEvent", "InboxMessage", "Policy", "Provider", "ProviderMinute", "Standing"]
