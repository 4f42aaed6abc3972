"""How many more messages a lane's providers have room for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from channels.errors import Misconfigured
from channels.lines import LINES, Line
from channels.routing import Plan
from channels.specs import CALLBACK_PROVIDER, TEST_PROVIDER, built_in


def open_lines(*, channel: str, plan: Plan) -> list[Line]:
    """The lines that a channel's messages go over, but for those that are at their rate limit for long."""
    callbacks = built_in(CALLBACK_PROVIDER)
    carriers = [*(one for one, _weight in plan.weighted), *plan.last, *([callbacks] if has_callbacks(channel) else [])]
    lines = []
    for spec in carriers:
        try:
            lines.append(LINES.line(spec))
        except Misconfigured:
            continue
    if not lines:  # messages are fetched nevertheless: each has to be told that there is nobody, or go elsewhere
        return [LINES.line(built_in(TEST_PROVIDER))]
    now = time.monotonic()
    return [line for line in lines if line.refused_until <= now]


def has_callbacks(channel: str) -> bool:
    """Whether status callbacks travel this channel's lanes. They do not depend on how its providers stand."""
    return channel == built_in(CALLBACK_PROVIDER).channel


def room(lines: Sequence[Line], *, priority: str, waiting: int, pending: int, at_most: int, ahead_s: float) -> int:
    """How many messages, up to ``at_most``, go into free places, and in the next ``ahead_s`` seconds. None while no
    line has room for a good part of what it can hold: one by one they cost more than they gain. ``waiting`` of the
    ``pending`` ones wait for such room already."""
    rooms = [line.room(priority, ahead_s=ahead_s) for line in lines]
    for line, here in zip(lines, rooms, strict=True):
        if here * 2 >= min(line.capacity(priority, ahead_s=ahead_s), at_most):
            free = sum(max(one, 0) for one in rooms) - waiting
            # What can only go where nothing moves must not pile up here behind what moves.
            bound = sum(one.spec.max_concurrency for one in lines) + 2 * at_most - pending
            return max(0, min(free, bound, at_most))
    return 0
