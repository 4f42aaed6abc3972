"""What this room stores: channels, their providers, and the policies they are judged by."""

from channels.models.channel import Channel
from channels.models.inbox import InboxMessage
from channels.models.policy import Policy
from channels.models.provider import Provider
from channels.models.quality import ProviderMinute

__all__ = ["Channel", "InboxMessage", "Policy", "Provider", "ProviderMinute"]
