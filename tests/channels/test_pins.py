"""Pins on real PostgreSQL and Valkey: who stores them, and what becomes of traffic while they are in force."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from channels import breaker, directory, engine, gateway
from channels.degradation import pins, standings
from channels.degradation.pin import PinSpec
from channels.degradation.pin_rules import InvalidPin
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.errors import Unavailable
from channels.models import DegradationEvent, Pin, Provider
from tests.channels.test_engine import tell
from tests.channels.wire import message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_directory", "clean_redis")]


def provider(name: str, *, weight: int = 50, **config: Any) -> str:
    Provider.objects.create(name=name, channel="sms", adapter="sandbox", weight=weight, config=config)
    return name


def order(action: str, *, since_s: float = -1, for_s: float = 900, **fields: Any) -> PinSpec:
    now = timezone.now()
    made = pins.put(
        action=action,
        reason="maintenance",
        author="ann",
        starts_at=now + timedelta(seconds=since_s),
        ends_at=now + timedelta(seconds=for_s),
        now=now,
        **fields,
    )
    directory.forget()
    return made


def send(count: int = 60, *, priority: str = "normal") -> Counter[str]:
    """Who carried so many messages."""
    batch = [message(priority=priority) for _ in range(count)]
    return Counter(one.provider for one in gateway.send_batch(batch, channel="sms", priority=priority))


def test_the_same_order_twice_is_one() -> None:
    provider("a")
    identifier = uuid4()
    first = order("disable", provider="a", pin_id=identifier)
    again = order("disable", provider="a", pin_id=identifier, for_s=3600)
    assert again == first
    assert Pin.objects.count() == 1


def test_an_order_that_can_t_be_changes_nothing() -> None:
    with pytest.raises(InvalidPin):
        order("disable", provider="nobody")
    assert not Pin.objects.exists()


def test_ending_an_order_twice_ends_it_once() -> None:
    provider("a")
    identifier = order("disable", provider="a").id
    now = timezone.now()
    assert pins.end(pin_id=identifier, now=now)
    assert not pins.end(pin_id=identifier, now=now + timedelta(seconds=5))
    assert not pins.end(pin_id=uuid4(), now=now)
    assert Pin.objects.get(pk=identifier).ended_at == now


def test_orders_are_active_between_their_start_and_their_end() -> None:
    provider("a")
    active = order("disable", provider="a")
    coming = order("disable", provider="a", since_s=60)
    over = order("disable", provider="a", since_s=-60)
    pins.end(pin_id=over.id, now=timezone.now())
    assert pins.active(now=timezone.now()) == (active,)
    assert {one.id for one in pins.known(now=timezone.now())} == {active.id, coming.id}
    assert pins.active(now=timezone.now() + timedelta(hours=1)) == ()


def test_a_disabled_provider_gets_nothing_and_the_other_says_why() -> None:
    provider("a", weight=70), provider("b", weight=30)
    order("disable", provider="a")
    results = list(gateway.send_batch([message() for _ in range(40)], channel="sms", priority="normal"))
    assert {one.provider for one in results} == {"b"}
    assert "a skipped: disable by ann (manual)" in results[0].tries[0].reason
    assert "maintenance" in results[0].tries[0].reason


def test_when_an_order_is_ended_the_provider_is_asked_again() -> None:
    provider("a", weight=1000), provider("b", weight=1)
    one = order("disable", provider="a")
    assert "a" not in send()
    pins.end(pin_id=one.id, now=timezone.now())
    directory.forget()
    assert "a" in send()


def test_no_process_has_to_ask_again_to_know_that_an_order_is_over(wait_for: Any) -> None:
    provider("a", weight=1000), provider("b", weight=1)
    order("disable", provider="a", for_s=0.4)
    directory.channel("sms")
    known = Pin.objects.all().delete  # what is in the table does not matter any more
    assert "a" not in {one.name for one in directory.channel("sms").providers}
    known()
    wait_for(lambda: "a" in {one.name for one in directory.channel("sms").providers}, timeout=5)


def test_weights_by_hand_are_what_routing_draws_by() -> None:
    provider("a", weight=100), provider("b", weight=0)
    order("set_weights", channel="sms", parameters={"weights": {"a": 0, "b": 100}})
    assert send() == {"b": 60}


def test_weights_by_hand_outrank_what_the_engine_thinks() -> None:
    provider("a"), provider("b")
    dead = ProviderStanding.healthy(now=timezone.now())
    standings.write(standings={"provider:a": ProviderStanding(**{**_fields(dead), "state": ProviderState.OPEN})})
    order("set_weights", channel="sms", parameters={"weights": {"a": 100, "b": 0}})
    assert send() == {"a": 60}


def _fields(standing: ProviderStanding) -> dict[str, Any]:
    return {name: getattr(standing, name) for name in ("share", "since", "changed_at", "reason")}


@pytest.mark.parametrize("target", [{"provider": "a"}, {"channel": "sms"}])
def test_a_slowed_down_target_gets_no_more_than_its_rate(target: dict[str, str]) -> None:
    provider("a", latency_ms=0)
    order("throttle", parameters={"rate": "5/m"}, **target)
    results = list(
        gateway.send_batch([message(priority="critical") for _ in range(20)], channel="sms", priority="critical")
    )
    assert sum(one.receipt is not None for one in results) == 5
    refused = [one for one in results if one.error is not None]
    assert {one.error.code for one in refused if one.error} == {"throttled"}
    assert {bool(one.error and one.error.uses_attempt) for one in refused} == {False}


def test_what_a_slowed_down_provider_can_t_take_goes_to_the_other() -> None:
    provider("a", weight=1000), provider("b", weight=1)
    order("throttle", parameters={"rate": "5/m"}, provider="a")
    found = send(priority="critical")
    assert found["a"] == 5
    assert found["b"] == 55


def test_manual_pins_win_over_the_engine_and_over_the_breaker() -> None:
    provider("a"), provider("b")
    order("set_weights", channel="sms", parameters={"weights": {"a": 50, "b": 50}})
    tell("a", *[Unavailable] * 60)
    tell("b", *[None] * 60)
    engine.evaluate(now=timezone.now())
    assert breaker.look_at(channel="sms", provider="a", batch=60, now=timezone.now()) is None
    assert directory.channel("sms").providers[0].weight == 50
    assert send()["a"] > 0


def test_what_a_provider_does_after_its_pin_is_over_counts_again() -> None:
    ill = provider(f"ill-{uuid4().hex[:8]}")  # whose figures no other test has
    provider("b")
    one = order("set_weights", channel="sms", parameters={"weights": {ill: 50, "b": 50}})
    engine.evaluate(now=timezone.now())
    pins.end(pin_id=one.id, now=timezone.now())
    engine.evaluate(now=timezone.now())
    tell(ill, *[Unavailable] * 60)
    tell("b", *[None] * 60)
    engine.evaluate(now=timezone.now() + timedelta(seconds=2))
    assert standings.read().providers[ill].state == "open"


def test_begin_and_end_of_an_order_are_in_the_log_with_their_source() -> None:
    provider("a"), provider("b")
    one = order("disable", provider="a", source="plan")
    for _ in range(3):
        engine.evaluate(now=timezone.now())
    pins.end(pin_id=one.id, now=timezone.now())
    for _ in range(3):
        engine.evaluate(now=timezone.now())
    events = DegradationEvent.objects.filter(target="provider:a").order_by("id")
    assert [(event.before, event.after, event.source) for event in events] == [
        ("healthy", "pinned", "plan"),
        ("pinned", "recovering", "plan"),
    ]


def test_while_anything_is_ordered_the_engine_is_not_at_rest() -> None:
    provider("a")
    one = order("hold", application="shop")
    engine.evaluate(now=timezone.now())
    assert not engine.is_at_rest()
    pins.end(pin_id=one.id, now=timezone.now())
    engine.evaluate(now=timezone.now())
    assert engine.is_at_rest()


def test_a_pinned_channel_s_providers_are_still_the_engine_s() -> None:
    ill = provider(f"ill-{uuid4().hex[:8]}")
    provider("b")
    order("shed_bulk", channel="sms")
    tell(ill, *[Unavailable] * 60)
    tell("b", *[None] * 60)
    engine.evaluate(now=timezone.now())
    assert standings.read().providers[ill].state == "open"
    assert directory.channel("sms").standing is not None


def test_a_target_that_is_removed_while_it_is_pinned_does_no_harm() -> None:
    provider("a"), provider("b")
    order("disable", provider="a")
    order("set_weights", channel="sms", parameters={"weights": {"a": 100}})
    engine.evaluate(now=timezone.now())
    Provider.objects.filter(name="a").delete()
    directory.forget()
    engine.evaluate(now=timezone.now())
    assert send() == {"b": 60}


def test_a_channel_that_sends_its_own_elsewhere_by_order_takes_none_of_others() -> None:
    provider("a")
    assert gateway.is_usable("sms")
    for action in ("switch", "hold"):
        one = order(action, channel="sms")
        assert not gateway.is_usable("sms")
        pins.end(pin_id=one.id, now=timezone.now())
        directory.forget()
