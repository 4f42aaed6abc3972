"""Finding a notification, and what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from notify import address_hash
from notify.models import Delivery
from tests import factories

LIST = "admin:notify_notification_changelist"
SECRETS = ("alice@example.com", "+8613800001234", "https://hooks.example.com/secret/path", "482913", "Your secret")


def detail(client: Client, notification: object) -> str:
    url = reverse("admin:notify_notification_change", args=(notification.pk,))  # type: ignore[attr-defined]
    return client.get(url).content.decode()


@pytest.fixture
def notification(db: None) -> object:
    application = factories.make_application(name="billing")
    made = factories.make_notification(
        application,
        channels=["email", "sms", "webhook"],
        params={"code": "482913"},
        content={"text": "Your secret"},
        callback_url="https://hooks.example.com/secret/path",
        ref="order-17",
    )
    delivery = factories.make_delivery(
        made, "failed", error_code="unavailable", error_detail="no alice@example.com here"
    )
    factories.make_attempt(delivery, "unavailable", error_detail="550 alice@example.com unknown", reason="only one")
    factories.make_delivery(made, "delivered", channel="sms")
    factories.make_delivery(made, "sent", channel="webhook")
    return made


def test_personal_data_is_masked_for_a_viewer(viewer: Client, notification: object) -> None:
    html = detail(viewer, notification)
    for secret in SECRETS:
        assert secret not in html
    assert "a***e@example.com" in html


@pytest.mark.parametrize("trick", ["?unmask=1", "?_popup=1", "?view_personal_data=1", "?curtain_open=1"])
def test_no_query_string_lifts_the_mask(viewer: Client, notification: object, trick: str) -> None:
    url = reverse("admin:notify_notification_change", args=(notification.pk,)) + trick  # type: ignore[attr-defined]
    html = viewer.get(url).content.decode()
    for secret in SECRETS:
        assert secret not in html


def test_the_history_page_tells_no_personal_data(viewer: Client, notification: object) -> None:
    url = reverse("admin:notify_notification_history", args=(notification.pk,))  # type: ignore[attr-defined]
    html = viewer.get(url).content.decode()
    for secret in SECRETS:
        assert secret not in html


def test_personal_data_is_shown_with_the_permission(sign_in: Callable[..., Client], notification: object) -> None:
    client = sign_in("notify.view_notification", "admin_portal.view_personal_data")
    html = detail(client, notification)
    for secret in SECRETS:
        assert secret in html


def test_the_list_shows_no_address(viewer: Client, notification: object) -> None:
    html = viewer.get(reverse(LIST)).content.decode()
    for secret in SECRETS:
        assert secret not in html


def test_the_timeline_is_drawn(viewer: Client, notification: object) -> None:
    html = detail(viewer, notification)
    for title in ("Accepted", "Queued", "Claimed by a worker", "Attempted"):
        assert title in html


def test_html_content_is_shown_in_a_sandboxed_frame(sign_in: Callable[..., Client]) -> None:
    made = factories.make_notification(
        factories.make_application(), content={"html": "<script>steal()</script>", "text": "t"}
    )
    html = detail(sign_in("notify.view_notification", "admin_portal.view_personal_data"), made)
    assert "<script>steal()" not in html
    assert 'sandbox=""' in html
    assert "&lt;script&gt;steal()" in html


@pytest.mark.parametrize("what", ["id", "delivery", "ref", "application"])
def test_a_notification_is_found_by(viewer: Client, what: str) -> None:
    wanted = factories.make_notification(factories.make_application(name="wanted-app"), ref="wanted-ref")
    delivery = factories.make_delivery(wanted)
    other = factories.make_notification(factories.make_application(name="other-app"), ref="other-ref")
    term = {"id": wanted.pk, "delivery": delivery.pk, "ref": "wanted-ref", "application": "wanted-app"}[what]
    html = viewer.get(reverse(LIST), {"q": str(term)}).content.decode()
    assert str(wanted.pk) in html
    assert str(other.pk) not in html


def test_the_notifications_of_a_batch_are_found_by_its_id(viewer: Client) -> None:
    application = factories.make_application()
    batch = factories.make_batch(application)
    inside = factories.make_notification(application, batch=batch)
    outside = factories.make_notification(application)
    html = viewer.get(reverse(LIST), {"q": str(batch.pk)}).content.decode()
    assert str(inside.pk) in html
    assert str(outside.pk) not in html


@pytest.mark.parametrize(
    ("name", "value"), [("status", "dead"), ("channel", "sms"), ("priority", "critical"), ("day", "before")]
)
def test_the_list_is_filtered_by(viewer: Client, name: str, value: str) -> None:
    application = factories.make_application()
    before = factories.now() - timedelta(days=1)
    wanted = factories.make_notification(application, priority="critical", at=before)
    factories.make_delivery(wanted, "dead", channel="sms")
    other = factories.make_notification(application, priority="bulk")
    factories.make_delivery(other, "sent", channel="email")
    value = f"{before:%Y-%m-%d}" if value == "before" else value
    html = viewer.get(reverse(LIST), {name: value}).content.decode()
    assert str(wanted.pk) in html
    assert str(other.pk) not in html


@pytest.mark.parametrize("query", ["?day=nonsense", "?status=nonsense", "?p=99999999", "?channel=' OR 1=1"])
def test_a_nonsensical_query_is_no_error(viewer: Client, query: str) -> None:
    assert viewer.get(reverse(LIST) + query, follow=True).status_code == 200


def test_an_unknown_id_is_not_found(viewer: Client) -> None:
    url = reverse("admin:notify_notification_change", args=(factories.make_id(factories.now()),))
    assert viewer.get(url).status_code == 404


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_not_even_an_administrator_changes_a_notification(admin: Client, notification: object, verb: str) -> None:
    args = () if verb == "add" else (notification.pk,)  # type: ignore[attr-defined]
    url = reverse(f"admin:notify_notification_{verb}", args=args)
    answer = admin.post(url, {"ref": "forged", "post": "yes"})
    assert answer.status_code in (200, 403, 405)
    notification.refresh_from_db()  # type: ignore[attr-defined]
    assert notification.ref == "order-17"  # type: ignore[attr-defined]


@pytest.mark.parametrize("typed", ["+8613800001234", "+86 138 0000 1234"])
def test_what_was_sent_to_somebody_is_found_by_the_whole_address(viewer: Client, typed: str) -> None:
    application = factories.make_application()
    wanted, other = (factories.make_notification(application, channels=["sms"]) for _ in range(2))
    for notification, number in ((wanted, "+8613800001234"), (other, "+8613800001235")):
        factories.make_delivery(
            notification, "sent", channel="sms", address=number, address_hash=address_hash.of(number)
        )
    html = viewer.get(reverse("admin:notify_notification_changelist"), {"q": typed}).content.decode()
    assert str(wanted.pk) in html
    assert str(other.pk) not in html


@pytest.mark.parametrize("typed", ["+861380000123", "%", "13800001234", "+86138*****1234"])
def test_a_part_of_an_address_finds_nothing(viewer: Client, typed: str) -> None:
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    number = "+8613800001234"
    factories.make_delivery(notification, "sent", channel="sms", address=number, address_hash=address_hash.of(number))
    html = viewer.get(reverse("admin:notify_notification_changelist"), {"q": typed}).content.decode()
    assert str(notification.pk) not in html


def test_an_address_is_looked_for_by_its_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        rows = Delivery.objects.filter(address_hash__in=address_hash.candidates(["+8613800001234"]))
        assert "address" in rows.explain()
        assert "Bitmap Index Scan" in rows.explain()


def test_the_page_of_a_notification_draws_its_stages(viewer: Client) -> None:
    notification = factories.make_notification(factories.make_application())
    delivery = factories.make_delivery(notification, "delivered", delivered_at=factories.now())
    factories.make_attempt(delivery, "sent", provider="mail-east")
    html = viewer.get(reverse("admin:notify_notification_change", args=(notification.pk,))).content.decode()
    assert "stage-rail" in html
    assert html.index("Stage by stage") < html.index("Timeline")
