"""What becomes of deliveries on the stage of a drill, and that real ones notice nothing of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from channels import directory, quality
from channels.degradation import pins, standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState, Transition
from channels.models import Channel, Provider
from channels.names import staged
from channels.quality.reading import Span
from channels.sandbox import reports
from channels.sandbox.reports import Report
from notify import channel_status, dispatch
from notify.hastening import Hastener
from notify.models import Attempt, Delivery
from notify.rows import DeliveryRow
from tests.drill_stage import close, open_stage
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


@pytest.fixture(autouse=True)
def _providers() -> None:
    Channel.objects.create(name="sms", fallback=["inapp"])
    for name, channel, adapter in (("sms-a", "sms", "sandbox"), ("sms-b", "sms", "sandbox"), ("box", "inapp", "inapp")):
        Provider.objects.create(name=name, channel=channel, adapter=adapter)


def enter_some(*, count: int = 1, test: bool = True, **fields: Any) -> list[DeliveryRow]:
    return enter(make_application(), count=count, now=timezone.now(), priority="normal", is_test=test, **fields)


def drain(lane: str = "sms.normal") -> int:
    return dispatch.drain(lane=lane, worker="test", stopping=lambda: False)


def taken_by(rows: list[DeliveryRow]) -> Counter[str]:
    return Counter(Delivery.objects.filter(id__in=[row.id for row in rows]).values_list("provider", flat=True))


def stands(state: ChannelState, *, providers: ProviderState = ProviderState.OPEN) -> None:
    """How the channel sms and its providers stand on the stage."""
    now = timezone.now()
    ill = ProviderStanding(
        state=providers, share=0.0, since=now, changed_at=now, reason="dead", next_probe_at=now + timedelta(hours=1)
    )
    whole = ChannelStanding(state=state, share=0.0, since=now, changed_at=now, reason="nobody is well")
    on_stage = {f"provider:{staged(name)}": ill for name in ("sms-a", "sms-b")}
    standings.write(standings={f"channel:{staged('sms')}": whole, **on_stage})
    directory.forget()


def test_what_a_test_key_sends_is_taken_on_the_stage_and_all_else_by_the_real_providers() -> None:
    open_stage(fault="none")
    plays, real = enter_some(count=10), enter_some(count=10, test=False)
    drain()
    assert set(taken_by(plays)) <= {"drill:sms-a", "drill:sms-b"}
    assert set(taken_by(real)) <= {"sms-a", "sms-b"}


def test_what_fails_at_one_played_provider_falls_over_to_the_next() -> None:
    open_stage(provider="sms-a")
    rows = enter_some(count=10)
    drain()
    assert taken_by(rows) == {"drill:sms-b": 10}
    asked = set(Attempt.objects.values_list("provider", "outcome"))
    assert asked == {("drill:sms-a", "unavailable"), ("drill:sms-b", "sent")}


def test_when_the_channel_is_switched_on_the_stage_only_what_plays_there_goes_by_the_other_channel() -> None:
    open_stage(channels=["sms", "inapp"], fault="outage")
    stands(ChannelState.SWITCHED)
    (plays,), (real,) = enter_some(), enter_some(test=False)
    drain()
    assert Delivery.objects.get(pk=plays.id).error_code == "switched"
    assert taken_by([real]).keys() <= {"sms-a", "sms-b"}
    moved = Delivery.objects.get(notification_id=plays.notification_id, channel="inapp")
    assert moved.is_test
    drain("inapp.normal")
    moved.refresh_from_db()
    assert moved.provider == "drill:box"


def test_when_a_played_channel_has_nowhere_to_go_only_what_plays_there_is_held() -> None:
    Channel.objects.update(fallback=[])
    open_stage(fault="outage")
    stands(ChannelState.PAUSED)
    (plays,), (real,) = enter_some(), enter_some(test=False)
    drain()
    held = Delivery.objects.get(pk=plays.id)
    assert (held.status, held.error_code) == ("queued", "channel_held")
    assert "drill:sms paused" in held.error_detail
    assert Delivery.objects.get(pk=real.id).status == "sent"


def test_what_was_held_on_the_stage_goes_to_the_sandbox_once_it_is_closed() -> None:
    Channel.objects.update(fallback=[])
    stage = open_stage(fault="outage")
    stands(ChannelState.PAUSED)
    (row,) = enter_some()
    drain()
    close(stage)
    Delivery.objects.update(due_at=timezone.now())
    drain()
    assert taken_by([row]) == {"builtin:sandbox": 1}


def test_a_drill_s_hold_holds_what_plays_and_nothing_real() -> None:
    open_stage(fault="none")
    now = timezone.now()
    times = {"starts_at": now - timedelta(seconds=1), "ends_at": now + timedelta(minutes=20), "now": now}
    pins.put(action="hold", source="drill", channel="sms", reason="a drill", author="ann", **times)  # type: ignore[arg-type]
    directory.forget()
    (plays,), (real,) = enter_some(), enter_some(test=False)
    drain()
    assert Delivery.objects.get(pk=plays.id).error_code == "channel_held"
    assert Delivery.objects.get(pk=real.id).status == "sent"


def test_the_real_channels_are_described_as_if_there_were_no_drill() -> None:
    before = channel_status.describe(now=timezone.now())
    open_stage(fault="outage")
    stands(ChannelState.PAUSED)
    now = timezone.now()
    times = {"starts_at": now - timedelta(seconds=1), "ends_at": now + timedelta(minutes=20), "now": now}
    pins.put(action="disable", source="drill", provider="sms-a", reason="a drill", author="ann", **times)  # type: ignore[arg-type]
    enter_some(count=5)
    drain()
    after = channel_status.describe(now=timezone.now())
    for one in (*before, *after):
        one.pop("lanes")
    assert after == before


def test_what_changes_on_the_stage_hastens_only_what_plays_there() -> None:
    open_stage(fault="none")
    waits = {"due_in_s": 300, "attempts": 1, "error_code": "unavailable"}
    (plays,), (real,) = enter_some(**waits), enter_some(test=False, **waits)
    change = {"before": "healthy", "after": "open", "share_before": 1.0, "share_after": 0.0, "reason": "dead"}
    standings.log([Transition(target="provider:drill:sms-a", at=timezone.now(), **change)])  # type: ignore[arg-type]
    assert Hastener().look(now=timezone.now()) == 1
    soon = timezone.now() + timedelta(seconds=5)
    assert [one.id for one in Delivery.objects.filter(due_at__lt=soon)] == [plays.id]
    assert Delivery.objects.get(pk=real.id).due_at > soon


# --- receipts ---------------------------------------------------------------------------------------------------------


def report(*rows: DeliveryRow, provider: str) -> Any:
    said = [Report(id=str(row.id), status=reports.DELIVERED, at=timezone.now()) for row in rows]
    headers, body = reports.write(said, secret=reports.shared_secret(provider), now=timezone.now())
    kind = "application/json"
    return Client().post(f"/api/v1/receipts/{provider}", body, content_type=kind, headers=dict(headers))


def test_a_played_provider_is_heard_and_its_receipts_count_for_it_and_not_for_the_real_one(
    django_capture_on_commit_callbacks: Any,
) -> None:
    open_stage(fault="receipts_stop", faulty_from=timezone.now() + timedelta(minutes=5))
    rows = enter_some(count=4)
    drain()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}
    with django_capture_on_commit_callbacks(execute=True):
        for provider in ("drill:sms-a", "drill:sms-b"):
            assert report(*rows, provider=provider).status_code == 200
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered"}
    quality.publish(now=timezone.now())
    span = Span(window_s=60, late_after_s=10)
    reading = quality.read(spans=[span], now=timezone.now() + timedelta(seconds=30))
    come = {name: reading.figures(name, span=span).receipts_come for name in ("sms-a", "sms-b")}
    assert come == {"sms-a": 0, "sms-b": 0}
    assert reading.figures("drill:sms-a", "drill:sms-b", span=span).receipts_come == 4


def test_a_played_provider_s_receipt_says_nothing_of_what_a_real_one_took() -> None:
    open_stage(fault="receipts_stop")
    (row,) = enter_some(test=False)
    drain()
    before = Delivery.objects.get(pk=row.id).status
    assert report(row, provider="drill:sms-a").status_code == 200
    assert Delivery.objects.get(pk=row.id).status == before


def test_nobody_listens_for_a_played_provider_that_is_none_in_earnest() -> None:
    assert report(provider="drill:nobody").status_code == 404
