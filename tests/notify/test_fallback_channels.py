"""From the call to the fallback channel: what a message needs to go there, it brings along from the start; what has
nothing to say there stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from channels import directory
from channels.degradation import standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.models import Channel, Provider
from notify import dead_letters, dispatch, held, templating
from notify.models import Application, DeadLetter, Delivery, Notification
from tests.factories import make_application, make_key
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]

CONTENTS: dict[str, Any] = {"sms": {"en": {"text": "Your code is {{ code }}"}}}
PERSON = {"phone": "+8613800001234", "email": "Alice@Example.com"}


@pytest.fixture(autouse=True)
def _sms_is_dead() -> None:
    """sms has a fallback, and its only provider is open."""
    Channel.objects.create(name="sms", fallback=["email"])
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={})
    Provider.objects.create(name="email-a", channel="email", adapter="sandbox", config={})
    since = {"since": timezone.now(), "changed_at": timezone.now(), "reason": "dead"}
    channel = ChannelStanding(state=ChannelState.SWITCHED, share=0.0, **since)
    tried_at = timezone.now() + timedelta(hours=1)
    provider = ProviderStanding(state=ProviderState.OPEN, share=0.0, next_probe_at=tried_at, **since)
    standings.write(standings={"channel:sms": channel, "provider:sms-a": provider})
    directory.forget()


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def post(application: Application) -> Any:
    key, client = make_key(application), Client()

    def send(body: Any, *, url: str = "notifications") -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        return client.post(f"/api/v1/{url}", data=body, content_type="application/json", headers=headers)

    return send


def publish(contents: dict[str, Any]) -> None:
    templating.publish(
        application=None,
        key="otp",
        category="security",
        contents=contents,
        default_locale="en",
        author="test",
        now=timezone.now(),
    )


def drain() -> list[tuple[str, str]]:
    for lane in ("sms.normal", "email.normal"):
        dispatch.drain(lane=lane, worker="test", stopping=lambda: False)
    return list(Delivery.objects.order_by("created_at", "id").values_list("channel", "status"))


class TestAddresses:
    def test_a_message_goes_by_the_fallback_to_an_address_that_its_own_channel_does_not_need(self, post: Any) -> None:
        assert post({"to": PERSON, "channels": ["sms"], "content": {"text": "Hello"}}).status_code == 202
        assert drain() == [("sms", "failed"), ("email", "sent")]
        assert Delivery.objects.get(channel="email").address == "Alice@example.com"

    def test_so_does_each_of_a_batch(self, post: Any) -> None:
        body = {"channels": ["sms"], "content": {"text": "Hello"}, "recipients": [{"to": PERSON}] * 2}
        assert post(body, url="notifications/batch").status_code == 202
        assert sorted(drain()) == [("email", "sent")] * 2 + [("sms", "failed")] * 2

    def test_who_has_no_such_address_waits(self, post: Any) -> None:
        post({"to": {"phone": PERSON["phone"]}, "channels": ["sms"], "content": {"text": "Hello"}})
        assert drain() == [("sms", "queued")]

    @pytest.mark.parametrize("address", ["nobody", "a@b\0.example.com", "x" * 4000])
    def test_an_address_that_is_not_needed_and_is_none_refuses_nothing(self, post: Any, address: str) -> None:
        to = {**PERSON, "email": address}
        assert post({"to": to, "channels": ["sms"], "content": {"text": "Hello"}}).status_code == 202
        assert Notification.objects.get().to == {"phone": PERSON["phone"]}
        assert drain() == [("sms", "queued")]


class TestWords:
    def test_a_template_that_says_nothing_there_keeps_its_message_where_it_is(self, post: Any) -> None:
        publish(CONTENTS)
        assert post({"to": PERSON, "channels": ["sms"], "template": "otp", "params": {"code": "1"}}).status_code == 202
        assert drain() == [("sms", "queued")]

    def test_so_does_one_that_needs_more_there_than_was_given(self, post: Any) -> None:
        publish({**CONTENTS, "email": {"en": {"subject": "Hi", "text": "{{ name }}: {{ code }}"}}})
        assert post({"to": PERSON, "channels": ["sms"], "template": "otp", "params": {"code": "1"}}).status_code == 202
        assert drain() == [("sms", "queued")]

    def test_one_that_says_it_there_too_sends_it_there(self, post: Any) -> None:
        publish({**CONTENTS, "email": {"en": {"subject": "Hi", "text": "{{ code }}"}}})
        assert post({"to": PERSON, "channels": ["sms"], "template": "otp", "params": {"code": "1"}}).status_code == 202
        assert drain() == [("sms", "failed"), ("email", "sent")]

    @pytest.mark.parametrize(("part", "channels"), [("html", {"email"}), ("text", {"email", "inapp"})])
    def test_html_alone_is_nothing_to_say_by_another_channel_than_email(self, part: str, channels: set[str]) -> None:
        Channel.objects.filter(name="sms").update(fallback=[])
        Channel.objects.create(name="email", fallback=["inapp"])
        Provider.objects.create(name="inapp-a", channel="inapp", adapter="sandbox", config={})
        content = f'{{"subject": "Hi", "{part}": "Hello"}}'
        rows = enter(make_application(), now=timezone.now(), channel="email", priority="normal", content=content)
        now = timezone.now()
        switched = ChannelStanding(
            state=ChannelState.SWITCHED, share=0.0, since=now, changed_at=now, reason="a person's order"
        )
        standings.write(standings={"channel:email": switched})
        directory.forget()
        drain()
        assert {row.channel for row in Delivery.objects.filter(notification_id=rows[0].notification_id)} == channels


class TestSentOnce:
    """What a person has sent again has new time, by whichever channel it goes."""

    def again(self, **values: Any) -> Delivery:
        now = timezone.now()
        over = now - timedelta(hours=2)
        (row,) = enter(
            make_application(), now=over, priority="normal", route="first", channels=["sms", "email"], **values
        )
        return Delivery.objects.get(pk=row.id)

    def test_a_dead_letter_that_is_replayed_after_its_time_reaches_the_person_by_another_channel(self) -> None:
        delivery = self.again(attempts=1)
        drain()
        letter = DeadLetter.objects.get(delivery_id=delivery.pk)
        dead_letters.replay(ids=[letter.pk], actor="li", now=timezone.now())
        assert drain() == [("sms", "failed"), ("email", "sent")]

    def test_so_does_a_held_message_that_is_sent_again(self) -> None:
        delivery = self.again()
        Delivery.objects.filter(pk=delivery.pk).update(status="held", error_code="outcome_unknown")
        held.resend(ids=[delivery.pk], actor="li", now=timezone.now())
        assert drain() == [("sms", "failed"), ("email", "sent")]

    def test_and_one_whose_channel_refuses_it_for_good(self) -> None:
        standings.write(standings={}, gone=["channel:sms", "provider:sms-a"])
        config = {"error_rate": 1.0, "error": "recipient_rejected"}
        Provider.objects.filter(name="sms-a").update(config=config)
        directory.forget()
        delivery = self.again()
        Delivery.objects.filter(pk=delivery.pk).update(status="held", error_code="outcome_unknown")
        held.resend(ids=[delivery.pk], actor="li", now=timezone.now())
        assert drain() == [("sms", "failed"), ("email", "sent")]
