"""Bulk that was held comes back no faster than its channel's pace, whoever sends it; nobody else is slowed down."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.utils import timezone

from channels import directory, gateway
from channels.degradation import standings
from channels.degradation.standing import ChannelStanding, ChannelState
from channels.models import Provider
from channels.session import Session
from tests.channels.wire import message
from tests.conftest import WaitFor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_directory", "clean_redis")]


def coming_back(channel: str = "sms", *, state: ChannelState = ChannelState.SHEDDING, **changes: Any) -> None:
    """A provider, and its channel on the way back."""
    adapter, now = ("webhook" if channel == "webhook" else "sandbox"), timezone.now()
    Provider.objects.create(name="a", channel=channel, adapter=adapter, config={}, max_concurrency=64)
    fields: dict[str, Any] = {"share": 0.5, "pace": 10.0, "pace_doubles_s": 3600.0, **changes}
    standings.write(standings={f"channel:{channel}": ChannelStanding(state=state, since=now, changed_at=now, **fields)})
    directory.forget()


def session(priority: str, *, channel: str = "sms") -> Session:
    return gateway.open_session(channel=channel, priority=priority)


@pytest.mark.parametrize(("state", "share", "per_s"), [(ChannelState.SHEDDING, 0.5, 5), (ChannelState.NORMAL, 1.0, 10)])
def test_sessions_together_send_no_more_bulk_in_a_second_than_the_pace_and_all_of_it_in_the_end(
    state: ChannelState, share: float, per_s: int, wait_for: WaitFor
) -> None:
    coming_back(state=state, share=share)
    began, sent = time.monotonic(), 0
    talks = [session("bulk"), session("bulk")]
    for talk in talks:
        talk.submit(message(priority="bulk") for _ in range(per_s))

    def all_sent() -> bool:
        nonlocal sent
        for talk in talks:
            sent += sum(one.receipt is not None for one in talk.collect(timeout=0.05, at_most=50))
        assert sent <= per_s * (int(time.monotonic() - began) + 2)  # windows begin when they are first asked
        return sent == 2 * per_s

    assert sent <= per_s
    wait_for(all_sent, timeout=10)
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize(("priority", "at_least"), [("critical", 64), ("normal", 50), ("bulk", 0)])
def test_only_bulk_waits_in_the_table_beyond_what_may_go_soon(priority: str, at_least: int) -> None:
    coming_back()
    fetched = session(priority).appetite(at_most=500, ahead_s=0.25)
    assert fetched >= at_least if at_least else fetched == 10  # two seconds of five


def test_bulk_that_is_held_is_not_fetched_at_all() -> None:
    coming_back(share=0.0)
    assert session("bulk").appetite(at_most=500, ahead_s=0.25) == 0


def test_what_was_never_measured_is_not_slowed_down() -> None:
    coming_back(pace=0.0)
    assert session("bulk").appetite(at_most=500, ahead_s=0.25) > 20


def test_status_callbacks_are_in_nobody_s_way_back() -> None:
    coming_back("webhook")
    assert session("bulk", channel="webhook").appetite(at_most=500, ahead_s=0.25) > 20
