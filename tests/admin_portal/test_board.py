"""The live board: honest numbers, one click from what is behind them, and only for those who may see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from admin_portal.board import page, queries, traffic, waiting
from admin_portal.models import DegradationRequest
from admin_portal.templatetags.board import rounded
from channels.degradation import pins, standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.histogram import Histogram
from channels.models import Provider, ProviderMinute
from tests import factories
from tests.admin_portal.conftest import SignIn

pytestmark = pytest.mark.django_db


def html(client: Client) -> str:
    return client.get(reverse("admin:index")).content.decode()


def make_provider(name: str, *, channel: str = "sms", **values: Any) -> Provider:
    return Provider.objects.create(name=name, channel=channel, adapter="sandbox", **values)


def make_minute(provider: str, *, minutes_ago: int, successes: int, faults: int = 0, latency: float = 40.0) -> None:
    histogram = Histogram()
    for _ in range(successes):
        histogram.add(latency)
    ProviderMinute.objects.create(
        provider=provider,
        channel=provider.partition("-")[0],
        minute=timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago),
        tries=successes + faults,
        successes=successes,
        provider_faults=faults,
        latency_ms=histogram.pack(),
    )


def open_provider(name: str, reason: str) -> None:
    standing = ProviderStanding(
        state=ProviderState.OPEN, share=0.0, since=timezone.now(), changed_at=timezone.now(), reason=reason
    )
    standings.write(standings={f"provider:{name}": standing})


def shown() -> dict[str, Any]:
    """The board as somebody sees it who may see everything."""
    request = RequestFactory().get("/admin/")
    request.user, _made = User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)
    return page.board(request, now=timezone.now())


def channel(name: str) -> Any:
    board = shown()
    return next(row for row in board["used"] if row.name == name)


# --- who sees it ------------------------------------------------------------------------------------------------------


def test_without_the_permission_there_is_no_board(sign_in: SignIn) -> None:
    make_provider("sms-secret")
    client = sign_in("notify.view_notification")
    assert "sms-secret" not in html(client)
    assert client.get(reverse("board")).status_code == 403


def test_who_was_signed_out_is_told_so_and_not_sent_elsewhere() -> None:
    assert Client().get(reverse("board")).status_code == 401


def test_the_part_that_refreshes_is_the_board_and_no_whole_page(sign_in: SignIn) -> None:
    make_provider("sms-a")
    answer = sign_in("admin_portal.view_board").get(reverse("board"))
    assert "sms-a" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_dead_letters_and_held_are_only_for_those_who_may_see_them(sign_in: SignIn) -> None:
    notification = factories.make_notification(factories.make_application())
    factories.make_dead_letter(factories.make_delivery(notification, "dead"))
    factories.make_delivery(notification, "held")
    some, all_ = html(sign_in("admin_portal.view_board")), html(sign_in(superuser=True))
    for number in ("1 dead letter is open", "1 message is held"):
        assert number not in some
        assert number in all_


def test_there_is_no_link_to_a_page_that_one_may_not_open(sign_in: SignIn) -> None:
    make_provider("sms-a")
    link = f'href="{reverse("admin:channels_provider_changelist")}'
    assert link not in sign_in("admin_portal.view_board").get(reverse("board")).content.decode()
    assert link in sign_in("admin_portal.view_board", "channels.view_provider").get(reverse("board")).content.decode()


def test_every_number_of_a_provider_leads_to_it_and_those_of_a_channel_to_its_providers(admin: Client) -> None:
    provider = make_provider("sms-a")
    make_minute("sms-a", minutes_ago=1, successes=9, faults=1)
    text = html(admin)
    assert text.count(f'href="/admin/channels/provider/{provider.pk}/change/"') == 4  # name, weight, share, latency
    assert text.count('href="/admin/channels/provider/?channel=sms"') == 2


def test_an_empty_platform_has_a_board(admin: Client) -> None:
    assert "There is no provider yet" in html(admin)


# --- channels and providers -------------------------------------------------------------------------------------------


def test_a_channel_s_lanes_are_shown_with_what_is_behind_them(admin: Client) -> None:
    at = factories.now() - timedelta(minutes=5)
    notification = factories.make_notification(factories.make_application(), at=at)
    factories.make_delivery(notification, "queued", channel="sms")
    row = channel("sms")
    assert (row.depth.number, row.state) == (1, "normal")
    assert row.oldest_age_s >= 300
    behind = f"{reverse('admin:notify_notification_changelist')}?channel=sms&amp;priority=normal&amp;status=queued"
    assert behind in html(admin)


def test_a_provider_that_is_cut_off_gives_its_weight_to_the_others() -> None:
    make_provider("sms-a", weight=70)
    make_provider("sms-b", weight=30)
    open_provider("sms-a", "5 of 5 tries failed")
    rows = {row.name: row for row in channel("sms").providers}
    assert (rows["sms-a"].weight, rows["sms-a"].effective, rows["sms-a"].reason) == (70, 0, "5 of 5 tries failed")
    assert (rows["sms-b"].weight, rows["sms-b"].effective) == (30, 100)


def test_a_pin_shows_on_its_channel_with_author_reason_and_time_left(admin: Client) -> None:
    make_provider("sms-a")
    now = timezone.now()
    pins.put(
        action="hold",
        channel="sms",
        reason="carrier maintenance",
        author="li",
        starts_at=now,
        ends_at=now + timedelta(minutes=30),
        now=now,
    )
    assert channel("sms").state == "paused"
    text = html(admin)
    assert "carrier maintenance" in text
    assert ">li<" in text
    assert "left" in text
    assert "sms is paused" in text


def test_who_was_given_less_by_a_person_is_not_said_to_be_coming_back(admin: Client) -> None:
    make_provider("sms-a", weight=70)
    make_provider("sms-b", weight=30)
    now = timezone.now()
    pins.put(
        action="set_weights",
        channel="sms",
        parameters={"weights": {"sms-a": 20, "sms-b": 80}},
        reason="sms-a is slow",
        author="li",
        starts_at=now,
        ends_at=now + timedelta(minutes=30),
        now=now,
    )
    # As the engine stores it under a pin: how the provider will come back when the pin is over.
    later = ProviderStanding(
        state=ProviderState.RECOVERING, share=0.1, since=now, changed_at=now, reason="sms-a is slow", pinned_by="manual"
    )
    standings.write(standings={"provider:sms-a": later})
    text = html(admin)
    assert "sms-a gets less: 20 instead of 70" in text
    assert "coming back" not in text


def test_what_the_engine_decided_is_among_the_degradations() -> None:
    make_provider("sms-a")
    standing = ChannelStanding(
        state=ChannelState.SHEDDING, share=0.5, since=timezone.now(), changed_at=timezone.now(), reason="too slow"
    )
    standings.write(standings={"channel:sms": standing})
    (row,) = shown()["degradations"]
    assert (row.target, row.source, row.reason, row.ends_at) == ("channel:sms", "auto", "too slow", None)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"channel": "sms"}, "sms"),
        ({"channel": "sms", "priority": "bulk"}, "messages of priority bulk on sms"),
        ({"application": "billing"}, "messages of application billing"),
    ],
)
def test_what_is_ordered_is_about_something_that_people_have_a_name_for(about: dict[str, Any], said: str) -> None:
    now = timezone.now()
    order: dict[str, Any] = {
        "reason": "r",
        "author": "li",
        "starts_at": now,
        "ends_at": now + timedelta(hours=1),
        "now": now,
    }
    pins.put(action="hold", **about, **order)
    assert [row.what for row in shown()["degradations"]] == [said]


def test_channels_in_trouble_come_first_and_those_not_in_use_are_only_named(admin: Client) -> None:
    make_provider("email-a", channel="email")
    make_provider("webhook-a", channel="webhook")
    standing = ChannelStanding(state=ChannelState.PAUSED, share=0.0, since=timezone.now(), changed_at=timezone.now())
    standings.write(standings={"channel:webhook": standing})
    board = shown()
    assert [row.name for row in board["used"]] == ["webhook", "email"]
    assert "voice" in board["unused"]


def test_of_many_providers_those_that_are_well_are_folded_away() -> None:
    for number in range(20):
        make_provider(f"sms-{number:02d}")
    open_provider("sms-03", "silent")
    row = channel("sms")
    folded = {one.name for one in row.folded}
    assert "sms-03" not in folded
    assert {one.name for one in row.shown} | folded == {f"sms-{number:02d}" for number in range(20)}


# --- the last hour ----------------------------------------------------------------------------------------------------


def test_the_last_minutes_say_how_many_and_how_well() -> None:
    for minutes_ago in range(1, 6):
        make_minute("sms-a", minutes_ago=minutes_ago, successes=9, faults=1, latency=200.0)
    found = traffic.read(now=timezone.now())
    for one in (found.provider("sms-a"), found.channel("sms")):
        assert one.per_minute == 9
        assert one.lately.success_rate == 0.9
        assert one.lately.latency.quantile(0.95) == pytest.approx(200, rel=0.05)


def test_an_hour_has_a_point_for_each_span_and_a_gap_where_nothing_was_sent() -> None:
    make_minute("sms-a", minutes_ago=59, successes=10)
    make_minute("sms-a", minutes_ago=0, successes=0, faults=10)
    make_minute("sms-a", minutes_ago=75, successes=99)
    rates = traffic.read(now=timezone.now()).provider("sms-a").success_rates
    assert len(rates) == traffic.POINTS
    assert (rates[0], rates[-1]) == (1.0, 0.0)
    assert set(rates[1:-1]) == {None}


def test_providers_of_a_channel_are_added_up() -> None:
    make_minute("sms-a", minutes_ago=2, successes=10)
    make_minute("sms-b", minutes_ago=2, successes=0, faults=10)
    assert traffic.read(now=timezone.now()).channel("sms").lately.success_rate == 0.5


# --- what waits for me ------------------------------------------------------------------------------------------------


def make_request(by: User, **values: Any) -> DegradationRequest:
    now = timezone.now()
    defaults = {
        "form_token": factories.make_id(now),
        "kind": "shed_bulk",
        "target": "channel:sms",
        "reason": "too much",
        "severity": "medium",
        "ends_at": now + timedelta(hours=1),
        "state": "pending",
        "requested_by": by,
        "created_at": now,
        "approve_by": now + timedelta(minutes=30),
    }
    return DegradationRequest.objects.create(**{**defaults, **values})


@pytest.fixture
def approver(sign_in: SignIn) -> User:
    sign_in("admin_portal.approve_degradation", "admin_portal.view_board")
    return User.objects.latest("pk")


def test_requests_of_others_wait_for_me_and_my_own_do_not(approver: User) -> None:
    other = User.objects.create(username="other")
    make_request(other)
    make_request(approver)
    make_request(other, approve_by=timezone.now() - timedelta(minutes=1))
    make_request(other, state="withdrawn")
    assert waiting.find(approver, now=timezone.now()).approvals == 1


def test_nothing_waits_for_who_may_not_approve() -> None:
    other = User.objects.create(username="other")
    make_request(other)
    assert waiting.find(User.objects.create(username="viewer"), now=timezone.now()).approvals is None


def test_a_break_glass_waits_for_its_review_by_somebody_else(approver: User) -> None:
    other = User.objects.create(username="other")
    due = timezone.now() - timedelta(minutes=1)
    make_request(other, broken_by=other, review="due", review_due_at=due, state="withdrawn")
    make_request(approver, broken_by=approver, review="due", review_due_at=due, state="withdrawn")
    found = waiting.find(approver, now=timezone.now())
    assert (found.reviews, found.reviews_late) == (1, True)


# --- counting ---------------------------------------------------------------------------------------------------------


def test_dead_letters_are_counted_up_to_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "CAP", 3)
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    for _ in range(5):
        factories.make_dead_letter(factories.make_delivery(notification, "dead", channel="sms"))
    assert queries.open_dead_letters() == {"sms": queries.Count(3, capped=True)}


def test_held_messages_are_counted_by_channel() -> None:
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    for name in ("sms", "sms", "email"):
        factories.make_delivery(notification, "held", channel=name)
    assert queries.held() == {"email": queries.Count(1), "sms": queries.Count(2)}


def test_the_sidebar_offers_only_what_may_be_seen(sign_in: SignIn) -> None:
    text = html(sign_in("notify.view_deadletter"))
    assert reverse("admin:notify_deadletter_groups") in text
    assert reverse("admin:channels_provider_changelist") not in text
    assert reverse("admin:auth_user_changelist") not in text


@pytest.mark.parametrize(("number", "said"), [(0.0, "0"), (0.47, "0.5"), (9.96, "10.0"), (1234.5, "1,234")])
def test_a_number_is_rounded_and_not_cut_off(number: float, said: str) -> None:
    assert rounded(number) == said
