"""What becomes of deliveries that a person's order is about, and how the API shows it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from channels import directory
from channels.degradation import pins
from channels.degradation.pin import PinSpec
from channels.models import Channel, Provider
from notify import channel_status, dispatch
from notify.models import Attempt, Delivery
from notify.rows import DeliveryRow
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


@pytest.fixture(autouse=True)
def _providers() -> None:
    for name, channel in (("sms-a", "sms"), ("sms-b", "sms"), ("email-a", "email")):
        Provider.objects.create(name=name, channel=channel, adapter="sandbox")


def order(action: str, *, for_s: float = 900, **fields: Any) -> PinSpec:
    now = timezone.now()
    times = {"starts_at": now - timedelta(seconds=1), "ends_at": now + timedelta(seconds=for_s), "now": now}
    made = pins.put(action=action, reason="maintenance", author="ann", **times, **fields)
    directory.forget()
    return made


def drain(lane: str) -> int:
    return dispatch.drain(lane=lane, worker="test", stopping=lambda: False)


def enter_one(**fields: Any) -> DeliveryRow:
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="all", channels=["sms"], **fields)
    return row


def status(row: DeliveryRow) -> tuple[str, str]:
    found = Delivery.objects.get(pk=row.id)
    return found.status, found.error_code


def test_a_category_on_hold_waits_until_the_end_of_the_order_and_the_others_go() -> None:
    one = order("hold", category="marketing")
    waits, goes = enter_one(category="marketing"), enter_one(category="security")
    drain("sms.normal")
    held = Delivery.objects.get(pk=waits.id)
    assert (held.status, held.error_code, held.attempts) == ("queued", "channel_held", 0)
    assert one.ends_at <= held.due_at <= one.ends_at + timedelta(seconds=2)
    assert "hold by ann (manual)" in held.error_detail
    assert status(goes) == ("sent", "")


def test_an_application_on_hold_waits_and_the_others_go() -> None:
    quiet, loud = make_application(), make_application()
    order("hold", application=loud.name)
    fields: dict[str, Any] = {"now": timezone.now(), "priority": "normal", "route": "all", "channels": ["sms"]}
    (waits,), (goes,) = enter(loud, **fields), enter(quiet, **fields)
    drain("sms.normal")
    assert status(waits) == ("queued", "channel_held")
    assert status(goes) == ("sent", "")


def test_what_is_held_by_order_looks_again_within_its_own_time() -> None:
    order("hold", category="marketing")
    deadline = timezone.now() + timedelta(seconds=60)
    row = enter_one(category="marketing", deadline=deadline)
    drain("sms.normal")
    held = Delivery.objects.get(pk=row.id)
    assert held.status == "queued"
    assert held.due_at < deadline


def test_of_a_channel_on_hold_nothing_is_even_fetched() -> None:
    order("hold", channel="sms")
    rows = [enter_one() for _ in range(5)]
    assert drain("sms.normal") == 0
    assert {status(row) for row in rows} == {("queued", "")}


def test_a_priority_on_hold_leaves_the_others_alone() -> None:
    order("hold", channel="sms", priority="bulk")
    (bulk,) = enter(make_application(), now=timezone.now(), priority="bulk")
    normal = enter_one()
    drain("sms.bulk")
    drain("sms.normal")
    assert status(bulk) == ("queued", "")
    assert status(normal) == ("sent", "")


def test_of_a_provider_on_hold_its_share_waits_and_is_not_given_to_the_others() -> None:
    order("hold", provider="sms-a")
    rows = [enter_one() for _ in range(60)]
    drain("sms.normal")
    found = Counter(status(row) for row in rows)
    assert found["sent", ""] + found["queued", "channel_held"] == 60
    assert 10 < found["sent", ""] < 50
    assert set(Attempt.objects.values_list("provider", flat=True)) == {"sms-b"}


def test_a_channel_that_is_switched_by_order_sends_by_its_fallback_and_keeps_the_rest() -> None:
    Channel.objects.create(name="sms", fallback=["email"])
    order("switch", channel="sms")
    row = enter_one()
    drain("sms.normal")
    drain("email.normal")
    found = Delivery.objects.filter(notification_id=row.notification_id).order_by("created_at")
    assert [(one.channel, one.status) for one in found] == [("sms", "failed"), ("email", "sent")]
    assert "switch by ann (manual)" in found[0].error_detail


def test_an_order_may_name_another_fallback_than_the_configured_one() -> None:
    Channel.objects.create(name="sms", fallback=["push"])
    order("switch", channel="sms", parameters={"fallback": ["email"]})
    row = enter_one()
    drain("sms.normal")
    channels = Delivery.objects.filter(notification_id=row.notification_id).values_list("channel", flat=True)
    assert set(channels) == {"sms", "email"}


def test_shedding_by_order_holds_bulk_and_nothing_else() -> None:
    order("shed_bulk", channel="sms")
    (bulk,) = enter(make_application(), now=timezone.now(), priority="bulk")
    normal = enter_one()
    drain("sms.bulk")
    drain("sms.normal")
    assert status(bulk) == ("queued", "")
    assert status(normal) == ("sent", "")


def test_a_slowed_down_application_sends_at_its_rate_and_uses_up_no_attempt() -> None:
    slow = make_application()
    order("throttle", application=slow.name, parameters={"rate": "10/m"})
    rows = enter(slow, count=20, now=timezone.now(), priority="critical", route="all", channels=["sms"])
    drain("sms.critical")
    found = Counter(status(row) for row in rows)
    assert found == {("sent", ""): 10, ("queued", "channel_held"): 10}
    assert not Delivery.objects.filter(status="queued", attempts__gt=0).exists()


def test_test_keys_are_not_what_an_order_is_about() -> None:
    order("hold", category="marketing")
    row = enter_one(category="marketing", is_test=True)
    drain("sms.normal")
    assert status(row)[0] in {"sent", "delivered"}


def test_the_api_shows_an_order_with_its_author_its_reason_and_its_end() -> None:
    one = order("disable", provider="sms-a", source="plan")
    (sms,) = [found for found in channel_status.describe(now=timezone.now()) if found["name"] == "sms"]
    assert sms["degradations"] == [
        {
            "id": one.id,
            "source": "plan",
            "action": "disable",
            "target": "provider:sms-a",
            "reason": "maintenance",
            "author": "ann",
            "started_at": one.starts_at,
            "ends_at": one.ends_at,
        }
    ]
    (off,) = [found for found in sms["providers"] if found["name"] == "sms-a"]
    assert (off["state"], off["effective_weight"]) == ("disabled", 0)


def test_the_api_shows_a_channel_as_it_is_ordered_to_be() -> None:
    order("hold", channel="sms")
    order("set_weights", channel="email", parameters={"weights": {"email-a": 7}})
    found = {one["name"]: one for one in channel_status.describe(now=timezone.now())}
    assert found["sms"]["state"] == "paused"
    assert found["email"]["providers"][0]["effective_weight"] == 7
