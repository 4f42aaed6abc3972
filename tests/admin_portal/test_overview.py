"""The overview: honest numbers, and only for those who may see them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.urls import reverse

from admin_portal import dashboard
from channels.models import Provider
from tests import factories


def html(client: Client) -> str:
    return client.get(reverse("admin:index")).content.decode()


def test_accepted_notifications_are_counted_by_minute(db: None) -> None:
    now = factories.now()
    application = factories.make_application()
    for minutes in (1, 1, 30, 90):
        factories.make_notification(application, at=now - timedelta(minutes=minutes))
    spark = dashboard.accepted_by_minute(now=now)
    assert spark.total == 3
    assert spark.peak == 2
    assert len(spark.values) == dashboard.MINUTES


def test_a_channels_lanes_and_states_are_added_up(db: None) -> None:
    now = factories.now()
    notification = factories.make_notification(factories.make_application(), at=now - timedelta(minutes=5))
    factories.make_delivery(notification, "queued", channel="sms")
    factories.make_delivery(notification, "delivered", channel="sms")
    factories.make_delivery(notification, "expired", channel="sms")
    row = next(row for row in dashboard.channel_rows(now=now) if row.name == "sms")
    assert row.depth == 1
    assert row.late
    assert dict(row.counts) == {"waiting": 1, "sent": 0, "delivered": 1, "failed": 1, "dead": 0, "held": 0, "other": 0}


def test_a_providers_share_and_success_are_told(db: None) -> None:
    now = factories.now()
    for name, weight, enabled in (("sms-a", 30, True), ("sms-b", 10, True), ("sms-c", 50, False)):
        Provider.objects.create(name=name, channel="sms", adapter="sandbox", weight=weight, enabled=enabled)
    delivery = factories.make_delivery(factories.make_notification(factories.make_application()), "sent", channel="sms")
    factories.make_attempt(delivery, "sent", provider="sms-a")
    factories.make_attempt(delivery, "unavailable", provider="sms-a")
    rows = {row.name: row for row in dashboard.provider_rows(now=now)}
    assert (rows["sms-a"].share, rows["sms-a"].success_rate, rows["sms-a"].tries) == (75, 50.0, 2)
    assert (rows["sms-b"].share, rows["sms-b"].success_rate) == (25, None)
    assert rows["sms-c"].share is None


def test_an_empty_platform_has_an_overview(admin: Client) -> None:
    assert "There is no provider yet" in html(admin)


def test_what_somebody_may_not_see_is_not_on_their_overview(sign_in: Callable[..., Client]) -> None:
    Provider.objects.create(name="sms-secret", channel="sms", adapter="sandbox")
    page = html(sign_in("notify.view_deadletter"))
    assert "Open dead letters" in page
    assert "sms-secret" not in page
    assert "Accepted in the last hour" not in page


def test_the_sidebar_offers_only_what_may_be_seen(sign_in: Callable[..., Client]) -> None:
    page = html(sign_in("notify.view_deadletter"))
    assert reverse("admin:notify_deadletter_changelist") in page
    assert reverse("admin:channels_provider_changelist") not in page
    assert reverse("admin:auth_user_changelist") not in page
