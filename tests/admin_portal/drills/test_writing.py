"""Writing drills, and their schedules."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from admin_portal.drills import editing, running, scheduling
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.models import AuditEntry, Drill, DrillRun
from admin_portal.steering.errors import InvalidAction, MoveRefused, NotPermitted
from channels.models import Provider
from tests.admin_portal.drills import scene
from tests.admin_portal.drills.scene import ORIGIN
from tests.admin_portal.steering.scene import person
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"channel": "pigeon"}, "channel"),
        ({"channel": "voice", "provider": ""}, "channel"),
        ({"provider": "esp-a"}, "provider"),
        ({"fault": "outage"}, "provider"),
        ({"fault": "none", "provider": ""}, "fault"),
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_per_s": 51}, "rate_per_s"),
        ({"rate_per_s": 50, "fault_s": 400}, "rate_per_s"),
        ({"share": 1.1}, "share"),
        ({"fault_s": 4}, "fault_s"),
        ({"recover_s": 3600}, "fault_s"),
        ({"hypothesis": Hypothesis(switch_within_s=21)}, "switch_within_s"),
        ({"hypothesis": Hypothesis(lost_at_most=-1)}, "lost_at_most"),
        ({"parameters": {"rate": 1.5}}, "fault_share"),
        ({"parameters": {"latency_ms": 60_001}}, "latency_ms"),
        ({"plan": "no-such-plan"}, "plan"),
        ({"every_days": 7}, "at"),
        ({"every_days": 0, "at": time(3)}, "every_days"),
        ({"owner": "nobody"}, "owner"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(values: dict[str, Any], field: str) -> None:
    scene.set_up()
    with pytest.raises(InvalidAction) as caught:
        scene.drill(**values)
    assert field in {fault.field for fault in caught.value.faults}
    assert not Drill.objects.exists()


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "sms-a-fails"])
def test_a_name_is_one_word_and_nobody_elses(name: str) -> None:
    scene.set_up()
    scene.drill()
    with pytest.raises(InvalidAction):
        scene.drill(name)


def test_of_two_who_change_a_drill_at_once_the_second_is_told() -> None:
    scene.set_up()
    drill = scene.drill()
    given = {"drill_id": drill.pk, "seen_at": drill.changed_at, "by": scene.runner(), "origin": ORIGIN}
    editing.edit(draft=scene.draft(rate_per_s=3), now=now() + timedelta(seconds=1), **given)
    with pytest.raises(MoveRefused, match="changed meanwhile"):
        editing.edit(draft=scene.draft(rate_per_s=4), now=now() + timedelta(seconds=2), **given)
    assert Drill.objects.get().terms["rate_per_s"] == 3


def test_a_run_keeps_the_terms_it_began_with() -> None:
    scene.set_up()
    drill = scene.drill()
    run = scene.start(drill)
    editing.edit(
        drill_id=drill.pk,
        seen_at=drill.changed_at,
        draft=scene.draft(rate_per_s=9),
        by=scene.runner(),
        origin=ORIGIN,
        now=now(),
    )
    assert scene.fresh(run).terms["rate_per_s"] == 1


def test_writing_takes_the_permission_and_is_in_the_audit() -> None:
    scene.set_up()
    scene.drill()
    with pytest.raises(NotPermitted):
        editing.create(name="other", draft=scene.draft(), by=person("li"), origin=ORIGIN, now=now())
    assert AuditEntry.objects.filter(action="drill.created", target="drill:sms-a-fails", actor="wang").exists()


def test_a_retired_drill_starts_no_more() -> None:
    scene.set_up()
    drill = scene.drill(every_days=1, at=time(3))
    editing.retire(drill_id=drill.pk, by=scene.runner(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused, match="retired"):
        scene.start(drill)
    assert scheduling.start_due(now=now() + timedelta(days=2)) == 0


def test_the_next_moment_is_the_next_time_the_clock_says_so() -> None:
    noon = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert scheduling.next_after(noon, at=time(13, 30)) == noon.replace(hour=13, minute=30)
    assert scheduling.next_after(noon, at=time(12, 0)) == noon + timedelta(days=1)
    assert scheduling.next_after(noon, at=time(12, 0), days=7) == noon + timedelta(days=7)


def _due(**values: Any) -> Drill:
    drill = scene.drill(every_days=7, at=time(3), **values)
    Drill.objects.filter(pk=drill.pk).update(next_at=now())
    return drill


def test_a_drill_starts_by_its_schedule_and_has_its_next_moment() -> None:
    scene.set_up()
    _due()
    assert scheduling.start_due(now=now()) == 1
    assert scheduling.start_due(now=now()) == 0
    assert DrillRun.objects.get().is_scheduled
    found = Drill.objects.get()
    assert found.next_at is not None
    assert found.next_at > now() + timedelta(days=6)


def test_a_scheduled_drill_waits_for_another_one_to_be_over() -> None:
    scene.set_up()
    _due()
    scene.start(scene.drill("another"))
    assert scheduling.start_due(now=now()) == 0
    assert scheduling.start_due(now=now()) == 0
    DrillRun.objects.update(is_live=False, phase="reported", outcome="aborted")
    assert scheduling.start_due(now=now()) == 1


def test_what_could_not_start_within_an_hour_of_its_time_waits_for_its_next() -> None:
    scene.set_up()
    _due()
    assert scheduling.start_due(now=now() + timedelta(hours=2)) == 0
    assert not DrillRun.objects.exists()
    assert AuditEntry.objects.filter(action="drill.missed").exists()


def test_a_scheduled_drill_whose_provider_is_gone_does_not_begin_and_says_why() -> None:
    scene.set_up()
    _due()
    Provider.objects.filter(name="sms-a").delete()
    running.run_due(now=now())
    run = DrillRun.objects.get()
    assert (run.outcome, run.opened_at) == ("interrupted", None)
    assert "no such provider" in str(run.end_reason)


def test_a_provider_that_would_not_be_played_because_of_its_name_is_not_rehearsed() -> None:
    scene.set_up()
    name = "a" * 60
    Provider.objects.create(name=name, channel="sms", adapter="sandbox")
    with pytest.raises(InvalidAction) as caught:
        scene.drill(provider=name)
    assert [(one.field, one.code) for one in caught.value.faults] == [("provider", "too_long")]
