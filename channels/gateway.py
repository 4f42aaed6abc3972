"""The front door: hand messages in, get results out as they come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from channels import directory, limiter
from channels.session import Session
from channels.types import OutboundMessage, SendResult


def open_session(*, channel: str, priority: str, rng: random.Random | None = None) -> Session:
    """A session for a lane's messages."""
    return Session(channel=channel, priority=priority, limiter=limiter.shared(), rng=rng or random.Random())


def send_batch(messages: Sequence[OutboundMessage], *, channel: str, priority: str) -> Iterator[SendResult]:
    """Hands ``messages`` over and yields a result for each as it comes."""
    session = open_session(channel=channel, priority=priority)
    session.submit(messages)
    while session.pending:
        yield from session.collect(timeout=1.0, at_most=len(messages))


def channel_orders(name: str) -> directory.ChannelSpec:
    """What the dispatcher has to know of a channel: the time a step has, and what to do when an outcome is unknown."""
    return directory.channel(name)
