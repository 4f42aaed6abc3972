"""Replaying and discarding, by those who may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from admin_portal.desk import groups, jobs
from admin_portal.models import AuditEntry, DeskJob
from notify.models import DeadLetter, Delivery
from tests import factories

LIST = "admin:notify_deadletter_changelist"
ENDS = {"replay": ("replayed", "queued"), "discard": ("discarded", "dead")}


def bury(count: int = 1, *, channel: str = "email", **values: object) -> list[DeadLetter]:
    """``count`` open dead letters of one application."""
    application = factories.make_application()
    letters = []
    for _ in range(count):
        notification = factories.make_notification(application, channels=[channel])
        delivery = factories.make_delivery(notification, "dead", channel=channel)
        letters.append(factories.make_dead_letter(delivery, **values))
    return letters


def act(client: Client, verb: str, letters: list[DeadLetter], query: str = "", **fields: str) -> object:
    form = {"action": verb, ACTION_CHECKBOX_NAME: [str(letter.pk) for letter in letters], **fields}
    return client.post(reverse(LIST) + query, form)


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_nothing_happens_before_the_question_is_answered(operator: Client, verb: str) -> None:
    letters = bury(2)
    html = act(operator, verb, letters).content.decode()  # type: ignore[attr-defined]
    assert "2 messages" in html
    assert DeadLetter.objects.filter(state="open").count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_an_operator_resolves_the_selected_ones(operator: Client, verb: str) -> None:
    chosen, other = bury(2)
    act(operator, verb, [chosen], confirmed="yes")
    chosen.refresh_from_db()
    other.refresh_from_db()
    assert (chosen.state, chosen.resolved_by) == (ENDS[verb][0], "operator")
    assert Delivery.objects.get(pk=chosen.delivery_id).status == ENDS[verb][1]
    assert other.state == "open"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_all_that_match_the_filters_are_resolved_in_the_background(operator: Client, verb: str) -> None:
    wanted = bury(3, channel="sms")
    bury(2, channel="email")
    answer = act(operator, verb, wanted[:1], "?channel=sms", confirmed="yes", select_across="1")
    job = DeskJob.objects.get()
    assert answer.headers["Location"] == reverse("admin:admin_portal_deskjob_change", args=(job.pk,))  # type: ignore[attr-defined]
    assert (job.kind, job.criteria, job.total, job.author) == (verb, {"channel": "sms"}, 3, "operator")
    jobs.run_due(factories.now())
    assert DeadLetter.objects.filter(channel="sms", state=ENDS[verb][0], resolved_by="operator").count() == 3
    assert DeadLetter.objects.filter(channel="email", state="open").count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_buried_after_the_question_is_not_resolved(operator: Client) -> None:
    asked = factories.now()
    later = bury(1, at=factories.now())
    act(operator, "replay", later, confirmed="yes", select_across="1", before=asked.isoformat())
    jobs.run_due(factories.now())
    assert DeadLetter.objects.get().state == "open"


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize("query", ["", "?state=all"])
def test_a_viewer_resolves_nothing_not_even_with_a_forged_request(viewer: Client, verb: str, query: str) -> None:
    letters = bury(2)
    for fields in (
        {},
        {"confirmed": "yes"},
        {"confirmed": "yes", "select_across": "1"},
        {"index": "0", "confirmed": "yes"},
    ):
        act(viewer, verb, letters, query, **fields)
    assert not DeskJob.objects.exists()
    assert DeadLetter.objects.filter(state="open").count() == 2


def test_a_viewer_is_offered_no_button(viewer: Client, operator: Client) -> None:
    (letter,) = bury()
    detail = reverse("admin:notify_deadletter_change", args=(letter.pk,))
    for page in (reverse(LIST), detail):
        assert 'value="replay"' in operator.get(page).content.decode()
        assert 'value="replay"' not in viewer.get(page).content.decode()


def test_only_open_letters_are_listed_unless_asked(viewer: Client) -> None:
    (letter,) = bury(state="discarded")
    assert str(letter.pk) not in viewer.get(reverse(LIST)).content.decode()
    assert str(letter.pk) in viewer.get(reverse(LIST) + "?state=all").content.decode()


@pytest.mark.parametrize(("name", "value"), [("channel", "sms"), ("reason", "deadline"), ("provider", "sms-a")])
def test_the_desk_is_filtered_by(viewer: Client, name: str, value: str) -> None:
    (wanted,) = bury(channel="sms", reason="deadline", provider="sms-a")
    (other,) = bury(channel="email")
    html = viewer.get(reverse(LIST), {name: value}).content.decode()
    assert str(wanted.pk) in html
    assert str(other.pk) not in html


def test_the_detail_page_shows_the_history_and_masks_it(viewer: Client) -> None:
    (letter,) = bury(detail="last: no such user alice@example.com")
    delivery = Delivery.objects.get(pk=letter.delivery_id)
    factories.make_attempt(delivery, "unavailable", error_detail="550 alice@example.com", provider="mail-east")
    html = viewer.get(reverse("admin:notify_deadletter_change", args=(letter.pk,))).content.decode()
    assert "mail-east" in html
    assert "alice@example.com" not in html


def test_dead_letters_are_neither_added_nor_deleted(admin: Client) -> None:
    (letter,) = bury()
    admin.post(reverse("admin:notify_deadletter_delete", args=(letter.pk,)), {"post": "yes"})
    admin.post(reverse(LIST), {"action": "delete_selected", ACTION_CHECKBOX_NAME: [str(letter.pk)], "post": "yes"})
    assert DeadLetter.objects.count() == 1
    assert admin.get(reverse("admin:notify_deadletter_add")).status_code == 403


def test_groups_are_counted_by_reason_provider_channel_and_application(viewer: Client) -> None:
    bury(3, channel="sms", provider="sms-a")
    bury(2, channel="sms", provider="sms-b")
    bury(1, channel="sms", provider="sms-a", state="discarded")
    found = groups.open_groups()
    assert [(group.provider, group.count, group.share) for group in found.groups] == [
        ("sms-a", 3, 100),
        ("sms-b", 2, 67),
    ]
    html = viewer.get(reverse("admin:notify_deadletter_groups")).content.decode()
    assert "sms-a" in html
    assert "5 open dead letters" in html


def test_a_group_leads_to_just_its_letters(viewer: Client) -> None:
    (wanted,) = bury(channel="sms", provider="")
    (other,) = bury(channel="sms", provider="sms-a")
    group = next(group for group in groups.open_groups().groups if not group.provider)
    html = viewer.get(f"{reverse(LIST)}?{group.query}").content.decode()
    assert str(wanted.pk) in html
    assert str(other.pk) not in html


@pytest.mark.django_db(transaction=True)
def test_a_group_is_resolved_from_its_page(operator: Client) -> None:
    bury(2, channel="sms", provider="")
    bury(1, channel="sms", provider="sms-a")
    group = next(group for group in groups.open_groups().groups if not group.provider)
    form = {"action": "discard", ACTION_CHECKBOX_NAME: "all", "select_across": "1"}
    question = operator.post(f"{reverse(LIST)}?{group.query}", form).content.decode()
    assert "2 messages" in question
    operator.post(f"{reverse(LIST)}?{group.query}", {**form, "confirmed": "yes"})
    jobs.run_due(factories.now())
    assert DeadLetter.objects.filter(state="discarded", provider="").count() == 2
    assert DeadLetter.objects.get(provider="sms-a").state == "open"


def test_groups_are_for_those_who_may_see_dead_letters(sign_in: Callable[..., Client]) -> None:
    assert sign_in("notify.view_batch").get(reverse("admin:notify_deadletter_groups")).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_what_is_resolved_at_once_is_in_the_audit(operator: Client) -> None:
    (letter,) = bury()
    act(operator, "discard", [letter], confirmed="yes")
    entry = AuditEntry.objects.get(action="desk.discard")
    assert (entry.actor, entry.target, entry.origin) == ("operator", "dead_letters", "127.0.0.1")
    assert entry.after == {"ids": [str(letter.pk)], "done": 1}
