"""Every page answers, to those who may see it, in both languages, and asks the database a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from channels.models import Channel, Policy, Provider
from tests import factories

LISTS = (
    "admin:notify_notification_changelist",
    "admin:notify_batch_changelist",
    "admin:notify_deadletter_changelist",
    "admin:notify_deadletter_groups",
    "admin:admin_portal_helddelivery_changelist",
    "admin:admin_portal_deskjob_changelist",
    "admin:notify_template_changelist",
    "admin:notify_application_changelist",
    "admin:notify_apikey_changelist",
    "admin:channels_channel_changelist",
    "admin:channels_provider_changelist",
    "admin:channels_policy_changelist",
)
PEOPLE_LISTS = ("admin:auth_user_changelist", "admin:auth_group_changelist")
#: Enough for a list with its filters, or the overview, and the sign-in; far from a query for each row.
MAX_QUERIES = 30


def furnish(rows: int) -> dict[str, Any]:
    """``rows`` of everything; the last of each, by the name of its change page."""
    application = factories.make_application()
    last: dict[str, Any] = {}
    for number in range(rows):
        factories.make_key(application)
        batch = factories.make_batch(application)
        version = factories.make_template(f"greeting-{number}")
        notification = factories.make_notification(application, batch=batch, template_version=version)
        delivery = factories.make_delivery(notification, "dead", error_code="unavailable", error_detail="503")
        factories.make_attempt(delivery, "unavailable", error_detail="503")
        factories.make_delivery(notification, "delivered", channel="sms")
        letter = factories.make_dead_letter(delivery)
        provider = Provider.objects.create(name=f"mail-{number}", channel="email", adapter="sandbox", config={})
        last = {
            "notify_notification": notification,
            "notify_batch": batch,
            "notify_deadletter": letter,
            "notify_template": version.template,
            "notify_application": application,
            "notify_apikey": application.keys.get(pk=application.keys.latest("id").pk),
            "channels_provider": provider,
        }
    last["channels_channel"] = Channel.objects.create(name="email", fallback=["sms"])
    last["channels_policy"] = Policy.objects.create(target="channel:email", rules={})
    return last


@pytest.mark.parametrize("url_name", [*LISTS, *PEOPLE_LISTS])
def test_every_list_is_shown_to_an_administrator(admin: Client, url_name: str) -> None:
    furnish(2)
    assert admin.get(reverse(url_name)).status_code == 200


@pytest.mark.parametrize("url_name", LISTS)
def test_every_list_is_shown_to_a_viewer(viewer: Client, url_name: str) -> None:
    furnish(2)
    assert viewer.get(reverse(url_name)).status_code == 200


def test_every_detail_page_is_shown_to_administrator_and_viewer(admin: Client, viewer: Client) -> None:
    for name, obj in furnish(2).items():
        url = reverse(f"admin:{name}_change", args=(obj.pk,))
        assert admin.get(url).status_code == 200, name
        assert viewer.get(url).status_code == 200, name


def test_every_page_is_shown_in_chinese(admin: Client) -> None:
    admin.post(reverse("set_language"), {"language": "zh-hans"})
    pages = [reverse(name) for name in (*LISTS, *PEOPLE_LISTS, "admin:index")]
    pages += [reverse(f"admin:{name}_change", args=(obj.pk,)) for name, obj in furnish(1).items()]
    for page in pages:
        assert 'lang="zh-hans"' in admin.get(page).content.decode(), page


def test_the_sign_in_page_offers_both_languages() -> None:
    html = Client().get(reverse("admin:login")).content.decode()
    assert 'value="zh-hans"' in html
    assert "简体中文" in html


def test_nobody_sees_a_page_without_signing_in() -> None:
    for name in (*LISTS, *PEOPLE_LISTS, "admin:index"):
        assert Client().get(reverse(name)).status_code == 302


@pytest.mark.parametrize("url_name", LISTS)
def test_staff_without_permissions_is_refused(sign_in: Callable[..., Client], url_name: str) -> None:
    assert sign_in().get(reverse(url_name)).status_code == 403


@pytest.mark.parametrize("url_name", LISTS)
def test_a_long_list_takes_no_more_queries_than_a_short_one(
    admin: Client, django_assert_max_num_queries: Any, url_name: str
) -> None:
    furnish(30)
    with django_assert_max_num_queries(MAX_QUERIES):
        admin.get(reverse(url_name))


def test_a_detail_page_takes_a_bounded_number_of_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    for name, obj in furnish(30).items():
        with django_assert_max_num_queries(MAX_QUERIES):
            admin.get(reverse(f"admin:{name}_change", args=(obj.pk,)))


def test_nothing_of_the_pages_comes_from_elsewhere(admin: Client) -> None:
    html = admin.get(reverse("admin:index")).content.decode()
    assert 'src="http' not in html
    assert 'href="https://cdn' not in html


@pytest.mark.parametrize("query", ["", "?status=dead", "?_facets=True", "?q=order-1", "?p=2"])
def test_the_list_of_notifications_counts_nothing(
    admin: Client, django_assert_max_num_queries: Any, query: str
) -> None:
    furnish(3)
    with django_assert_max_num_queries(MAX_QUERIES) as queries:
        admin.get(reverse("admin:notify_notification_changelist") + query)
    assert not [each["sql"] for each in queries.captured_queries if "COUNT(" in each["sql"].upper()]


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "status=%00", "channel=%00", "p=%00", "o=%00", "x=%00", "%00=1"])
@pytest.mark.parametrize("url_name", [*LISTS, *PEOPLE_LISTS])
def test_a_nul_in_a_search_or_filter_is_a_bad_request(admin: Client, url_name: str, query: str) -> None:
    assert admin.get(f"{reverse(url_name)}?{query}").status_code == 400


def test_a_nul_in_an_address_is_a_bad_request(admin: Client) -> None:
    for address in ("/admin/notify/notification/a%00/change/", "/admin/%00", "/admin/login/?next=%00"):
        assert admin.get(address).status_code == 400
