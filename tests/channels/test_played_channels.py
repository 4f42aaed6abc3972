"""What happens on the stage of a drill: messages of test keys and the sandbox meet there, and nobody else."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels import breaker, directory, engine, gateway, quality, specs
from channels.degradation import pins, standings
from channels.degradation.pin import PinSpec
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.errors import Misdirected
from channels.handover import Handover, Journey, Lease
from channels.lines import LINES
from channels.models import Channel, DegradationEvent, Policy, Provider, Standing
from channels.names import staged
from channels.quality.reading import Span
from channels.routing import Candidate
from channels.specs import ProviderSpec
from channels.types import OutboundMessage, ProviderTry, SendResult
from tests.channels.wire import message
from tests.conftest import WaitFor
from tests.drill_stage import close, open_stage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_directory", "clean_redis")]


def provider(name: str, *, channel: str = "sms", **fields: Any) -> str:
    """A real one, which must never be asked: its adapter can't even be built."""
    made = f"{name}-{uuid4().hex[:8]}"
    Provider.objects.create(name=made, channel=channel, adapter="http_sms", **fields)
    return made


def send(*messages: OutboundMessage) -> list[SendResult]:
    return list(gateway.send_batch(messages, channel="sms", priority="normal"))


def order(action: str, *, source: str = "drill", **fields: Any) -> PinSpec:
    now = timezone.now()
    times = {"starts_at": now - timedelta(seconds=1), "ends_at": now + timedelta(minutes=20), "now": now}
    made = pins.put(action=action, source=source, reason="a drill", author="ann", **times, **fields)
    directory.forget()
    return made


def figures_of(name: str, *, now: datetime) -> int:
    quality.publish(now=now)
    span = Span()
    return quality.read(spans=[span], now=now).figures(name, span=span).tries


def hand_over(spec: ProviderSpec, one: OutboundMessage) -> ProviderTry:
    """Hands a message to a provider, whatever chose it."""
    answers: list[ProviderTry] = []
    Handover(
        owner=None,
        line=LINES.line(spec),
        pairs=[(Journey(one, Candidate(spec, "chosen")), Candidate(spec, "chosen"))],  # type: ignore[arg-type]
        answer=lambda _journey, _candidate, attempt: answers.append(attempt),
        lease=Lease(),
    )()
    return answers[0]


def threads_of(name: str) -> list[str]:
    """The threads that play a provider."""
    return [one.name for one in threading.enumerate() if one.name.startswith(f"provider-{staged(name)}")]


# --- who meets whom ---------------------------------------------------------------------------------------------------


def test_test_keys_messages_play_on_the_stage_and_reach_no_real_provider() -> None:
    names = {staged(provider("a")), staged(provider("b"))}
    open_stage(fault="none")
    results = send(*(message(test=True) for _ in range(40)))
    assert {attempt.provider for result in results for attempt in result.tries} == names
    assert all(result.receipt is not None for result in results)


def test_test_keys_messages_go_to_the_sandbox_when_no_stage_is_open() -> None:
    provider("a")
    (result,) = send(message(test=True))
    assert [attempt.provider for attempt in result.tries] == [specs.TEST_PROVIDER]


def test_test_keys_messages_go_to_the_sandbox_when_they_are_not_of_the_share_that_plays() -> None:
    provider("a")
    open_stage(share=0.0, application="goutong-drill")
    (result,) = send(message(test=True, application="billing"))
    assert [attempt.provider for attempt in result.tries] == [specs.TEST_PROVIDER]


def test_real_messages_never_come_to_the_stage() -> None:
    name = Provider.objects.create(name="real", channel="sms", adapter="sandbox").name
    open_stage()
    results = send(*(message() for _ in range(20)))
    assert Counter(one.provider for result in results for one in result.tries) == {name: 20}


def test_a_real_message_is_not_handed_to_a_provider_that_is_played_whoever_chose_it() -> None:
    name = provider("a")
    open_stage(fault="none")
    (spec,) = directory.channel(staged("sms")).providers
    assert spec.name == staged(name)
    attempt = hand_over(spec, message())
    assert isinstance(attempt.error, Misdirected)
    assert hand_over(spec, message(test=True)).error is None


def test_a_test_key_s_message_is_not_handed_to_a_real_provider_whoever_chose_it() -> None:
    Provider.objects.create(name="real", channel="sms", adapter="sandbox")
    (spec,) = directory.channel("sms").providers
    attempt = hand_over(spec, message(test=True))
    assert isinstance(attempt.error, Misdirected)
    assert not attempt.error.asked
    assert hand_over(spec, message()).error is None


@pytest.mark.parametrize(
    "other",
    [{"adapter": "inapp", "config": {}}, {"config": {"base_url": "http://127.0.0.1:9"}}],
    ids=["another adapter", "a server"],
)
def test_who_is_called_as_on_the_stage_and_is_not_the_sandbox_in_this_process_is_handed_nothing(
    other: dict[str, Any],
) -> None:
    provider("a")
    open_stage(fault="none")
    (spec,) = directory.channel(staged("sms")).providers
    real = replace(spec, name=staged(uuid4().hex[:8]), **other)
    for one in (message(test=True), message()):
        attempt = hand_over(real, one)
        assert isinstance(attempt.error, Misdirected)
        assert not attempt.error.asked


def test_who_is_played_is_played_by_the_sandbox_in_this_process_whatever_it_is_in_earnest() -> None:
    Provider.objects.create(
        name="far", channel="sms", adapter="sandbox", rate_limit="1/h", config={"base_url": "http://127.0.0.1:9"}
    )
    provider("near")
    open_stage()
    played = directory.channel(staged("sms")).providers
    assert [(one.adapter, one.rate_limit, one.config.get("base_url")) for one in played] == [("sandbox", "", None)] * 2


def test_who_is_switched_off_in_earnest_does_not_play() -> None:
    provider("a", enabled=False)
    open_stage()
    assert directory.channel(staged("sms")).providers == ()


def test_a_provider_whose_name_would_be_too_long_does_not_play() -> None:
    Provider.objects.create(name="a" * 60, channel="sms", adapter="sandbox")
    open_stage()
    assert directory.channel(staged("sms")).providers == ()


def test_real_messages_cost_no_look_at_the_stage() -> None:
    Provider.objects.create(name="real", channel="sms", adapter="sandbox")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        send(message())
    assert not [query for query in asked.captured_queries if "channels_stage" in query["sql"]]


# --- how it is judged -------------------------------------------------------------------------------------------------


def test_a_played_provider_that_is_dead_is_opened_and_the_real_one_is_not() -> None:
    ill, well = provider("a"), provider("b")
    open_stage(provider=ill)
    for _ in range(30):
        send(*(message(test=True) for _ in range(4)))
    assert set(Standing.objects.values_list("target", flat=True)) == {f"provider:{staged(ill)}"}
    assert directory.channel("sms").at_rest
    results = send(*(message(test=True, priority="critical") for _ in range(10)))
    assert {one.provider for result in results for one in result.tries} == {staged(well)}


def test_figures_of_the_stage_are_counted_apart_from_the_real_ones() -> None:
    name = provider("a")
    open_stage(fault="none")
    send(*(message(test=True) for _ in range(5)))
    now = timezone.now()
    assert (figures_of(staged(name), now=now), figures_of(name, now=now)) == (5, 0)


def test_the_engine_judges_the_stage_by_the_rules_of_the_real_channel_and_says_so_under_its_name() -> None:
    name = provider("a")
    provider("b")
    Policy.objects.create(target="channel:sms", rules={"window_s": 30, "min_samples": 5})
    open_stage(provider=name, parameters={"rate": 0.3})
    found = directory.channel(staged("sms"))
    assert found.rules[staged(name)] == directory.channel("sms").rules[name]
    standings.write(standings={f"provider:{staged(name)}": _opened(timezone.now())})
    assert [one.target for one in engine.evaluate(now=timezone.now() + timedelta(minutes=3))] == []
    assert Standing.objects.filter(target=f"provider:{staged(name)}").exists()


def _opened(now: datetime) -> ProviderStanding:
    return ProviderStanding(
        state=ProviderState.OPEN,
        share=0.0,
        since=now,
        changed_at=now,
        reason="dead",
        next_probe_at=now + timedelta(minutes=10),
    )


def test_what_stands_on_the_stage_goes_when_it_is_closed() -> None:
    name = provider("a")
    stage = open_stage(provider=name)
    standings.write(standings={f"provider:{staged(name)}": _opened(timezone.now())})
    close(stage)
    engine.evaluate(now=timezone.now())
    assert not Standing.objects.exists()
    assert directory.channel(staged("sms")).providers == ()


def test_what_stands_on_the_stage_goes_when_its_time_is_over_and_nobody_closed_it() -> None:
    name = provider("a")
    open_stage(provider=name)
    standings.write(standings={f"provider:{staged(name)}": _opened(timezone.now())})
    engine.evaluate(now=timezone.now() + timedelta(minutes=21))
    assert not Standing.objects.exists()


def test_whoever_reads_the_real_standings_does_not_see_those_of_the_stage() -> None:
    name = provider("a")
    open_stage(provider=name)
    standings.write(standings={f"provider:{staged(name)}": _opened(timezone.now())})
    assert not standings.read().providers
    assert set(standings.read_all().providers) == {staged(name)}


def test_an_open_provider_on_the_stage_is_probed_by_messages_of_test_keys() -> None:
    ill = provider("a")
    provider("b")
    open_stage(fault="none")
    now = timezone.now()
    due = ProviderStanding(
        state=ProviderState.OPEN, share=0.0, since=now, changed_at=now, reason="dead", next_probe_at=now
    )
    standings.write(standings={f"provider:{staged(ill)}": due})
    directory.forget()
    (result,) = send(message(test=True))
    assert [one.provider for one in result.tries] == [staged(ill)]
    assert standings.read_all().providers[staged(ill)].probe_successes == 1


# --- orders of drills -------------------------------------------------------------------------------------------------


def test_an_order_of_a_drill_holds_on_the_stage_alone() -> None:
    a, b = provider("a"), provider("b")
    open_stage(fault="none")
    order("disable", provider=a)
    assert [one.name for one in directory.channel("sms").providers] == [a, b]
    assert directory.channel("sms").pins == ()
    assert [one.name for one in directory.channel(staged("sms")).providers] == [staged(b)]


def test_an_order_of_a_person_does_not_hold_on_the_stage() -> None:
    a, b = provider("a"), provider("b")
    open_stage(fault="none")
    order("disable", source="manual", provider=a)
    assert [one.name for one in directory.channel("sms").providers] == [b]
    assert [one.name for one in directory.channel(staged("sms")).providers] == [staged(a), staged(b)]


def test_weights_that_a_drill_orders_are_those_of_the_stage() -> None:
    a, b = provider("a"), provider("b")
    open_stage(fault="none")
    order("set_weights", channel="sms", parameters={"weights": {a: 1, b: 0}})
    assert {one.name: one.weight for one in directory.channel(staged("sms")).providers} == {staged(a): 1, staged(b): 0}
    assert {one.name: one.weight for one in directory.channel("sms").providers} == {a: 100, b: 100}


def test_an_order_of_a_drill_is_not_among_those_in_force_on_what_is_real() -> None:
    name = provider("a")
    one = order("disable", provider=name)
    assert pins.active(now=timezone.now()) == ()
    assert [found.id for found in pins.known(now=timezone.now())] == [one.id]


def test_the_engine_pins_on_the_stage_what_a_drill_orders_and_nothing_real() -> None:
    name = provider("a")
    provider("b")
    open_stage(fault="none")
    order("disable", provider=name)
    engine.evaluate(now=timezone.now())
    events = DegradationEvent.objects.values_list("target", "source")
    assert set(events) == {(f"provider:{staged(name)}", "drill")}


def test_a_channel_that_fails_on_the_stage_goes_by_its_fallback_there() -> None:
    Channel.objects.create(name="sms", fallback=["inapp"])
    provider("a")
    Provider.objects.create(name="inbox", channel="inapp", adapter="inapp")
    open_stage(channels=["sms", "inapp"], fault="outage")
    order("switch", channel="sms")
    assert gateway.channel_orders(staged("sms")).fallback == ("inapp",)
    assert gateway.is_usable(gateway.stand_in("inapp"))
    assert gateway.is_usable("sms")
    assert not gateway.is_usable(staged("sms"))


# --- in the drains of the real lanes ----------------------------------------------------------------------------------


def test_messages_that_wait_for_a_place_on_the_stage_do_not_keep_a_drain_from_fetching_others() -> None:
    Provider.objects.create(name="real", channel="sms", adapter="sandbox", max_concurrency=2, timeout_s=1)
    open_stage(fault="hang")
    one = gateway.open_session(channel="sms", priority="normal", rng=random.Random(1))
    before = one.appetite(at_most=200, ahead_s=0.25)
    one.submit([message(test=True) for _ in range(300)])
    assert one.appetite(at_most=200, ahead_s=0.25) == before > 0
    one.withdraw()
    while one.pending:
        one.collect(timeout=1.0, at_most=10)


def test_when_the_fault_ends_the_played_provider_is_well_at_once() -> None:
    provider("a")
    now = timezone.now()
    stage = open_stage(faulty_until=now + timedelta(milliseconds=1), closes_at=now + timedelta(minutes=5))
    (result,) = send(message(test=True))
    assert result.receipt is not None
    close(stage)


def test_the_threads_of_who_was_played_end_with_the_stage(wait_for: WaitFor) -> None:
    name, now = provider("a"), timezone.now()
    open_stage(
        fault="none",
        faulty_until=now + timedelta(seconds=1),
        closes_at=now + timedelta(seconds=1.5),
    )

    send(*(message(test=True) for _ in range(4)))
    assert threads_of(name)
    wait_for(lambda: threads_of(name) == [], timeout=10)


def test_the_threads_of_who_was_played_end_soon_when_a_stage_is_closed_before_its_time(
    wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.lines._IDLE_S", 0.3)
    name, stage = provider("a"), open_stage(fault="none")
    send(*(message(test=True) for _ in range(4)))
    close(stage)
    assert threads_of(name)
    wait_for(lambda: threads_of(name) == [], timeout=10)


def test_who_had_nothing_to_do_for_a_while_plays_again_when_there_is_something(
    wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.lines._IDLE_S", 0.3)
    name = provider("a")
    open_stage(fault="none")
    for _ in range(2):
        (result,) = send(message(test=True))
        assert [attempt.provider for attempt in result.tries] == [staged(name)]
        wait_for(lambda: threads_of(name) == [], timeout=10)


def test_a_judgement_of_the_stage_asks_for_nothing_while_a_played_provider_answers() -> None:
    name = provider("a")
    open_stage(fault="none")
    send(message(test=True))
    with CaptureQueriesContext(connection) as asked:
        breaker.look_at(channel=staged("sms"), provider=staged(name), batch=1, now=timezone.now())
    assert not asked.captured_queries
