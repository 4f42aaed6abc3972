"""Stages of drills: one at a time, over by the clock, for a share of test keys' messages or an application's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from channels import directory, stages
from channels.names import FaultKind, is_staged, off_stage, staged
from channels.stages import StageSpec
from tests.drill_stage import open_stage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh_directory() -> Iterator[None]:
    directory.forget()
    yield
    directory.forget()


def spec(**fields: Any) -> StageSpec:
    ordinary: dict[str, Any] = {
        "id": uuid4(),
        "channels": ("sms", "inapp"),
        "fault": FaultKind.ERRORS,
        "opens_at": NOW,
        "faulty_from": NOW + timedelta(minutes=1),
        "faulty_until": NOW + timedelta(minutes=5),
        "closes_at": NOW + timedelta(minutes=10),
    }
    return StageSpec(**{**ordinary, **fields})


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_a_name_on_the_stage_leads_back_to_the_real_one() -> None:
    assert (is_staged("sms-a"), is_staged(staged("sms-a")), off_stage(staged("sms-a"))) == (False, True, "sms-a")
    assert off_stage("sms-a") == "sms-a"


@pytest.mark.parametrize(
    ("minutes", "is_open", "is_faulty"),
    [(-1, False, False), (0, True, False), (1, True, True), (5, True, False), (10, False, False)],
)
def test_the_clock_says_whether_it_is_open_and_whether_it_is_faulty(
    minutes: float, is_open: bool, is_faulty: bool
) -> None:
    stage = spec()
    assert (stage.is_open(at(minutes)), stage.is_faulty(at(minutes))) == (is_open, is_faulty)


def test_all_of_its_application_s_messages_play_on_it_and_of_the_others_a_share() -> None:
    stage = spec(application="goutong-drill", share=0.25)
    ids = [uuid4() for _ in range(2000)]
    assert all(stage.takes(channel="sms", application="goutong-drill", message_id=one) for one in ids)
    taken = [one for one in ids if stage.takes(channel="sms", application="billing", message_id=one)]
    assert 400 < len(taken) < 600
    assert all(stage.takes(channel="sms", application="billing", message_id=one) for one in taken)


def test_a_stage_of_an_application_without_a_share_takes_nobody_else_s() -> None:
    stage = spec(application="goutong-drill")
    assert not any(stage.takes(channel="sms", application="billing", message_id=uuid4()) for _ in range(200))


def test_channels_that_are_not_played_are_not_on_it() -> None:
    assert not spec(share=1.0).takes(channel="email", application="billing", message_id=uuid4())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("none", {}),
        ("errors", {"error_rate": 1.0, "error": "unavailable"}),
        ("latency", {"latency_ms": 3000.0}),
        ("hang", {"timeout_rate": 1.0}),
        ("receipts_stop", {"receipt_delay_ms": 3_600_000}),
        ("outage", {"error_rate": 1.0}),
    ],
)
def test_each_fault_is_how_the_sandbox_plays_the_provider_while_it_is_in_force(
    fault: str, said: dict[str, Any]
) -> None:
    stage = spec(fault=FaultKind(fault), provider="sms-a")
    before = stage.behaviour("sms-a", channel="sms", now=at(0.5))
    during = stage.behaviour("sms-a", channel="sms", now=at(2))
    assert during == {**before, **during, **said}
    assert stage.behaviour("sms-a", channel="sms", now=at(6)) == before
    assert (during != before) is (fault != "none")


def test_only_the_named_provider_of_the_first_channel_fails() -> None:
    stage = spec(provider="sms-a")
    well = stage.behaviour("sms-a", channel="sms", now=at(0))
    assert stage.behaviour("sms-b", channel="sms", now=at(2)) == well
    assert spec().behaviour("inapp", channel="inapp", now=at(2)) == well
    assert spec().behaviour("sms-b", channel="sms", now=at(2)) != well


def test_an_outage_is_of_the_whole_channel() -> None:
    stage = spec(fault=FaultKind.OUTAGE, provider="sms-a")
    assert stage.behaviour("sms-b", channel="sms", now=at(2))["error_rate"] == 1.0


def test_a_fault_is_as_bad_as_its_parameters_say_and_no_other_ones_count() -> None:
    stage = spec(parameters={"rate": 0.3, "latency_ms": 9, "base_url": "http://a.real.provider"})
    found = stage.behaviour("sms-a", channel="sms", now=at(2))
    assert (found["error_rate"], found["latency_ms"]) == (0.3, 20)
    assert "base_url" not in found


@pytest.mark.django_db
def test_two_stages_at_once_are_refused() -> None:
    open_stage()
    with pytest.raises(IntegrityError), transaction.atomic():
        open_stage()


@pytest.mark.django_db
def test_a_stage_that_was_closed_makes_room_for_the_next() -> None:
    now = timezone.now()
    first = open_stage()
    assert stages.close(stage_id=first, now=now)
    second = open_stage(now=now + timedelta(seconds=3))
    known = stages.known(now=now + timedelta(seconds=3))
    assert known is not None
    assert known.id == second


@pytest.mark.django_db
def test_closing_a_stage_that_was_still_to_open_makes_room_too() -> None:
    now = timezone.now()
    coming = open_stage(now=now + timedelta(minutes=5))
    assert stages.close(stage_id=coming, now=now)
    open_stage(now=now + timedelta(minutes=5))


@pytest.mark.django_db
def test_closing_once_is_enough() -> None:
    now = timezone.now()
    stage = open_stage()
    assert [stages.close(stage_id=stage, now=now) for _ in range(2)] == [True, False]
    assert not stages.close(stage_id=uuid4(), now=now)


@pytest.mark.django_db
def test_a_stage_that_nobody_closes_is_over_by_the_clock() -> None:
    now = timezone.now()
    open_stage(now=now)
    assert stages.known(now=now + timedelta(minutes=19)) is not None
    assert stages.known(now=now + timedelta(minutes=20)) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"share": 1.5},
        {"closes_at": timezone.now() + timedelta(hours=3)},
        {"faulty_from": timezone.now() - timedelta(hours=1)},
        {"faulty_until": timezone.now() + timedelta(minutes=30)},
    ],
    ids=["more than all", "longer than two hours", "faulty before it opens", "faulty after it closes"],
)
def test_a_stage_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        open_stage(**fields)
