"""The engine on real PostgreSQL and Valkey: what it reads, what it writes, and what routing makes of it."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from channels import breaker, directory, engine, gateway, quality, routing
from channels.degradation import standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.errors import RecipientRejected, Throttled, Unavailable
from channels.models import Channel, DegradationEvent, Provider, Standing
from channels.types import ProviderTry, SendReceipt, SendResult
from tests.channels.wire import message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_directory", "clean_redis")]


def provider(name: str, *, weight: int = 50, **config: Any) -> str:
    made = f"{name}-{uuid4().hex[:8]}"
    Provider.objects.create(name=made, channel="sms", adapter="sandbox", weight=weight, config=config)
    return made


def tell(name: str, *errors: type[Exception] | None, before_s: float = 0.0) -> None:
    """As if ``name`` had been asked once for each of ``errors``, None being a success, so many seconds ago."""
    now = datetime.now(UTC) - timedelta(seconds=before_s)
    results = [
        SendResult(
            message=message(),
            tries=(
                ProviderTry(
                    provider=name,
                    started_at=now,
                    latency_ms=5.0,
                    receipt=SendReceipt() if error is None else None,
                    error=None if error is None else error(),  # type: ignore[arg-type]
                ),
            ),
        )
        for error in errors
    ]
    quality.note(results, now=now)
    quality.publish(now=now)


def state(name: str) -> str | None:
    row = Standing.objects.filter(target=f"provider:{name}").first()
    return None if row is None else row.data["state"]


def put(**found: ProviderStanding | ChannelStanding) -> None:
    standings.write(standings=dict(found))


def opened(now: datetime, *, next_probe_at: datetime) -> ProviderStanding:
    return ProviderStanding(
        state=ProviderState.OPEN, share=0.0, since=now, changed_at=now, reason="dead", next_probe_at=next_probe_at
    )


def test_a_provider_that_fails_most_of_the_time_is_opened_and_the_reason_has_the_figures() -> None:
    bad, good = provider("bad"), provider("good")
    tell(bad, *[Unavailable] * 40, *[None] * 10)
    tell(good, *[None] * 50)
    (change,) = [one for one in engine.evaluate(now=timezone.now()) if one.target.startswith("provider:")]
    assert (change.target, change.after) == (f"provider:{bad}", "open")
    assert "80%" in change.reason
    event = DegradationEvent.objects.get(target=f"provider:{bad}")
    assert event.figures["provider_faults"] == 40
    assert state(good) is None


def test_recipients_faults_and_throttling_move_nothing() -> None:
    name = provider("a")
    provider("b")
    tell(name, *[RecipientRejected] * 60, *[Throttled] * 60)
    assert engine.evaluate(now=timezone.now()) == []
    assert not Standing.objects.exists()


def test_one_that_is_open_is_not_asked_and_the_other_says_why() -> None:
    bad, good = provider("bad", weight=1000), provider("good", weight=1)
    tell(bad, *[Unavailable] * 50)
    tell(good, *[None] * 50)
    engine.evaluate(now=timezone.now())
    results = list(
        gateway.send_batch([message(priority="critical") for _ in range(20)], channel="sms", priority="critical")
    )
    assert {result.provider for result in results} == {good}
    assert f"{bad} skipped: open" in results[0].tries[0].reason


def test_a_dead_provider_costs_one_batch_and_not_a_second() -> None:
    dead = provider("dead", error_rate=1.0, error="unavailable")
    provider("good")
    for _ in range(2):
        list(gateway.send_batch([message() for _ in range(60)], channel="sms", priority="normal"))
    assert state(dead) == "open"
    tries = [
        one.provider
        for result in gateway.send_batch(
            [message(priority="critical") for _ in range(50)], channel="sms", priority="critical"
        )
        for one in result.tries
    ]
    assert dead not in tries


def test_a_provider_that_did_well_until_now_is_opened_as_soon_when_it_dies() -> None:
    name = provider("a")
    provider("b")
    tell(name, *[None] * 200)
    tell(name, *[Unavailable] * 5)
    change = breaker.look_at(channel="sms", provider=name, batch=5, now=datetime.now(UTC))
    assert change is not None
    assert change.after == "open"


def test_a_provider_that_failed_now_and_then_just_before_is_not_opened_by_five_faults() -> None:
    name = provider("a")
    provider("b")
    tell(name, *[None] * 200, *[Unavailable, None, None] * 5)
    tell(name, *[Unavailable] * 5)
    assert breaker.look_at(channel="sms", provider=name, batch=5, now=datetime.now(UTC)) is None


def test_a_channel_whose_providers_have_been_ill_and_are_well_again_is_at_rest() -> None:
    name = provider("a")
    put(**{f"provider:{name}": ProviderStanding.healthy(now=timezone.now())})
    directory.forget()
    assert directory.channel("sms").at_rest


def due_s() -> float:
    """How long ago a message was handed over whose receipt is looked at now: in the middle of that minute."""
    now = time.time()
    return now - ((now - 360) // 60 * 60 + 30)


def take(name: str, *, count: int, ago_s: float, receipts: bool = True) -> None:
    """As if ``name`` had taken so many messages a while ago, on which it is to report."""
    past = datetime.now(UTC) - timedelta(seconds=ago_s)
    sent = SendReceipt(receipts=receipts)
    one = ProviderTry(provider=name, started_at=past, latency_ms=5.0, receipt=sent)
    quality.note([SendResult(message=message(), tries=(one,), receipt=sent) for _ in range(count)], now=past)


def test_a_provider_whose_receipts_do_not_come_loses_a_part_of_its_share() -> None:
    name, other = provider("a", receipts="later"), provider("b")
    take(name, count=60, ago_s=due_s())
    tell(name, *[None] * 40)
    tell(other, *[None] * 40)
    (change,) = engine.evaluate(now=timezone.now())
    assert (change.target, change.after) == (f"provider:{name}", "degraded")
    assert "100% of 60 receipts missing or later than 300 s" in change.reason


def test_receipts_that_come_in_time_cost_nothing() -> None:
    name, other = provider("a", receipts="later"), provider("b")
    take(name, count=60, ago_s=due_s())
    for _ in range(60):
        came = datetime.now(UTC) - timedelta(seconds=due_s() - 10)
        quality.note_receipt(provider=name, delay_s=10, delivered=True, now=came)
    tell(name, *[None] * 40)
    tell(other, *[None] * 40)
    assert engine.evaluate(now=timezone.now()) == []


def test_who_does_not_report_is_not_judged_by_reports() -> None:
    name, other = provider("a"), provider("b")
    take(name, count=60, ago_s=due_s(), receipts=False)
    tell(name, *[None] * 40)
    tell(other, *[None] * 40)
    assert engine.evaluate(now=timezone.now()) == []


def test_the_state_survives_a_redis_that_is_wiped() -> None:
    bad, good = provider("bad"), provider("good")
    tell(bad, *[Unavailable] * 50)
    tell(good, *[None] * 50)
    engine.evaluate(now=timezone.now())
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    engine.evaluate(now=timezone.now())
    assert state(bad) == "open"
    plan = routing.plan(directory.channel("sms").providers, standings=directory.channel("sms").standings)
    assert [one.name for one, _weight in plan.weighted] == [good]


def test_an_open_provider_is_tried_by_one_ordinary_message_when_it_is_time() -> None:
    bad, good = provider("bad"), provider("good")
    now = timezone.now()
    put(**{f"provider:{bad}": opened(now - timedelta(minutes=1), next_probe_at=now - timedelta(seconds=1))})
    directory.forget()
    results = list(gateway.send_batch([message() for _ in range(30)], channel="sms", priority="normal"))
    asked = [result.provider for result in results]
    assert asked.count(bad) == 1
    assert asked.count(good) == 29
    assert Standing.objects.get(target=f"provider:{bad}").data["probe_successes"] == 1


@pytest.mark.parametrize(("priority", "category"), [("critical", ""), ("normal", "security"), ("bulk", "otp")])
def test_what_is_precious_is_never_a_probe(priority: str, category: str) -> None:
    bad = provider("bad")
    provider("good")
    now = timezone.now()
    put(**{f"provider:{bad}": opened(now - timedelta(minutes=1), next_probe_at=now - timedelta(seconds=1))})
    directory.forget()
    sent = [message(priority=priority, category=category) for _ in range(10)]
    assert bad not in {result.provider for result in gateway.send_batch(sent, channel="sms", priority=priority)}


def test_enough_probes_that_succeed_bring_a_provider_back() -> None:
    name = provider("a")
    provider("b")
    now = timezone.now()
    put(**{f"provider:{name}": opened(now - timedelta(minutes=1), next_probe_at=now - timedelta(seconds=1))})
    for number in range(20):
        directory.forget()
        at = now + timedelta(seconds=400 * number)
        assert breaker.begin_probe(channel="sms", provider=name, now=at)
        directory.forget()
        change = breaker.note_probe(channel="sms", provider=name, succeeded=True, now=at)
        if change is not None:
            break
    assert state(name) == "recovering"
    assert 2 <= number < 10


def test_only_one_of_two_gets_the_probe() -> None:
    name = provider("a")
    now = timezone.now()
    put(**{f"provider:{name}": opened(now - timedelta(minutes=1), next_probe_at=now - timedelta(seconds=1))})
    directory.forget()
    assert [breaker.begin_probe(channel="sms", provider=name, now=now) for _ in range(2)] == [True, False]


def test_a_provider_that_is_removed_leaves_no_standing() -> None:
    name = provider("a")
    put(**{f"provider:{name}": ProviderStanding.healthy(now=timezone.now())})
    Provider.objects.all().delete()
    engine.evaluate(now=timezone.now())
    assert not Standing.objects.exists()


def test_when_all_fail_at_once_the_channel_escalates_and_nobody_is_shuffled() -> None:
    Channel.objects.create(name="sms", fallback=["email"])
    names = [provider("a"), provider("b")]
    for name in names:
        tell(name, *[Unavailable] * 30, *[None] * 20)
    now = timezone.now()
    changes = [one for step in range(12) for one in engine.evaluate(now=now + timedelta(seconds=step * 3))]
    assert any(one.target == "channel:sms" and one.after == ChannelState.SHEDDING for one in changes)


def test_the_pace_of_a_return_counts_what_a_provider_got_through_before_it_was_cut() -> None:
    names, now = [provider("a"), provider("b")], timezone.now()
    cut = ProviderStanding(
        state=ProviderState.DEGRADED, share=0.6, since=now, changed_at=now - timedelta(seconds=3), reason="cut"
    )
    for name in names:
        tell(name, *[None] * 600, before_s=30)
        put(**{f"provider:{name}": cut})  # its own window begins anew with that
        tell(name, *[Unavailable] * 30)
    engine.evaluate(now=now)
    channel = standings.read_all().channels["sms"]
    assert (channel.state, channel.pace) == ("paused", pytest.approx(20.0))


def test_events_past_keeping_are_removed_and_the_others_stay(settings: Any) -> None:
    now, kept = timezone.now(), settings.CHANNELS["DEGRADATIONS_KEPT_DAYS"]
    for age in (kept - 1, kept + 1, kept + 100):
        DegradationEvent.objects.create(
            target="channel:sms",
            before="normal",
            after="paused",
            share_before=1.0,
            share_after=0.0,
            reason="nobody carries",
            at=now - timedelta(days=age),
        )
    assert standings.forget_past(now=now) == 2
    assert DegradationEvent.objects.get().at == now - timedelta(days=kept - 1)


def test_two_evaluators_at_once_decide_once() -> None:
    bad = provider("bad")
    tell(bad, *[Unavailable] * 50)
    with closing(connection.copy()) as another, another.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [standings._ENGINE_LOCK])
        assert engine.evaluate(now=timezone.now()) == []
    assert [one.after for one in engine.evaluate(now=timezone.now())][:1] == ["open"]
