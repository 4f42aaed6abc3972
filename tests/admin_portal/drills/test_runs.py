"""A drill from its start to its report."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from admin_portal.drills import controls, load
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.models import DrillRun
from admin_portal.steering.errors import InvalidAction, MoveRefused, NotPermitted
from channels import stages
from channels.degradation import pins
from channels.names import ADDRESS_FIELDS
from notify import api_keys
from notify.models import Application, Delivery, Notification
from tests.admin_portal.drills import scene
from tests.admin_portal.drills.scene import ORIGIN
from tests.admin_portal.steering.scene import person
from tests.factories import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


def _run_to_its_report(**values: object) -> DrillRun:
    """Begun so long ago that its load is over now."""
    drill = scene.drill(**values)
    begin = now() - timedelta(seconds=44)
    run = scene.start(drill, at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=43))
    return scene.pass_time(run, since=now(), until=now())


def test_a_drill_goes_from_its_start_through_every_phase_to_its_report() -> None:
    scene.set_up()
    run = _run_to_its_report()
    assert run.phase == "reported"
    assert not run.is_live
    assert scene.audited() == ["started", "opened", "loaded", "faulty", "recovering", "measured", "reported"]
    moments = [run.asked_at, run.opened_at, run.loaded_at, run.faulty_at, run.recovering_at, run.measured_at]
    assert moments == sorted(moments), "each phase has its time"


def test_its_load_is_messages_of_a_test_key_to_nobody() -> None:
    scene.set_up()
    _run_to_its_report()
    sent = Notification.objects.filter(application__name=load.APPLICATION)
    assert sent.count() > 30
    assert not sent.filter(is_test=False).exists()
    assert {one.to["phone"][:-2] for one in sent} == {"+12025550" + "1"}


def test_a_live_key_that_happens_to_have_its_key_s_name_is_never_sent_with() -> None:
    application = Application.objects.create(name=load.APPLICATION)
    api_keys.create(application=application, name=load.KEY, is_test=False)
    assert load.key().is_test


def test_every_address_of_its_load_belongs_to_nobody() -> None:
    """Numbers 555-0100 to 555-0199 are kept for fiction, and example.com for examples (RFC 2606)."""
    addresses = [one.to for one in load.recipients(250)]
    assert set(addresses[0]) == {*ADDRESS_FIELDS.values()}, "one for each channel"
    for to in addresses:
        assert re.fullmatch(r"\+120255501\d\d", to["phone"])
        assert to["email"].endswith("@drill.example.com")
        assert to["url"].startswith("https://example.com/")
        assert all(to[name].startswith("goutong-drill-") for name in ("device_token", "im", "user_id"))


def test_nothing_lost_and_nothing_sent_twice_is_a_pass() -> None:
    scene.set_up()
    run = _run_to_its_report()
    assert run.figures["sent"] > 30
    assert (run.figures["lost"], run.figures["duplicated"]) == (0, 0)
    assert run.outcome == "passed"


def test_what_was_expected_and_did_not_happen_is_a_fail_with_its_reason() -> None:
    scene.set_up()
    run = _run_to_its_report(hypothesis=Hypothesis(recover_within_s=5))
    assert run.outcome == "failed"
    assert [one["what"] for one in run.findings if not one["good"]] == ["recover"]


def _told() -> list[str]:
    rows = Notification.objects.filter(application__name="goutong-pager")
    return [one.to["user_id"] for one in rows]


def test_the_owner_of_a_drill_that_failed_is_told() -> None:
    scene.set_up()
    _run_to_its_report(hypothesis=Hypothesis(recover_within_s=5))
    assert _told() == ["wang"]


def test_nobody_is_told_of_a_drill_that_passed() -> None:
    scene.set_up()
    _run_to_its_report()
    assert _told() == []


def test_one_drill_at_a_time_and_the_other_is_named() -> None:
    scene.set_up()
    scene.start(scene.drill())
    other = scene.drill("another")
    with pytest.raises(MoveRefused, match="sms-a fails"):
        scene.start(other)
    assert DrillRun.objects.count() == 1


def test_a_form_that_is_sent_twice_starts_one_run() -> None:
    scene.set_up()
    drill, token = scene.drill(), uuid4()
    first = scene.start(drill, form_token=token)
    assert scene.start(drill, form_token=token) == first


def test_a_drill_that_was_changed_meanwhile_is_looked_at_again_before_it_is_started() -> None:
    scene.set_up()
    drill = scene.drill()
    with pytest.raises(MoveRefused, match="changed meanwhile"):
        scene.start(drill, seen_at=drill.changed_at - timedelta(seconds=1))


def test_a_drill_is_not_started_while_somebody_holds_the_lane_that_it_would_send_by() -> None:
    scene.set_up()
    drill, at = scene.drill(), now()
    times = {"starts_at": at - timedelta(seconds=1), "ends_at": at + timedelta(hours=1), "now": at}
    pins.put(action="hold", channel="sms", reason="an incident", author="li", **times)  # type: ignore[arg-type]
    with pytest.raises(MoveRefused, match="sms is paused by somebody's order"):
        scene.start(drill)
    assert not DrillRun.objects.exists()


def test_who_lost_the_permission_meanwhile_starts_nothing() -> None:
    scene.set_up()
    drill = scene.drill()
    with pytest.raises(NotPermitted):
        scene.start(drill, by=person("li"))


def test_an_abort_restores_at_once_and_reports_what_was_seen() -> None:
    scene.set_up()
    begin = now() - timedelta(seconds=20)
    run = scene.start(scene.drill(), at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=20))
    controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason="the wrong one", now=now())
    assert stages.known(now=now()) is None, "the stage is gone"
    run = scene.pass_time(run, since=now(), until=now())
    assert (run.phase, run.outcome, run.end_reason, run.ended_by) == ("reported", "aborted", "the wrong one", "wang")
    assert run.figures["sent"] > 10


def test_what_is_on_its_way_when_a_drill_is_cut_short_is_not_lost() -> None:
    scene.set_up()
    begin = now() - timedelta(seconds=20)
    run = scene.start(scene.drill(), at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=20))
    controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason="the wrong one", now=now())
    one = Delivery.objects.filter(is_test=True).order_by("id")[0]
    Delivery.objects.filter(pk=one.pk).update(status="queued", due_at=now() + timedelta(hours=1))
    over = now() + timedelta(seconds=61)
    run = scene.pass_time(run, since=over, until=over)
    assert (run.phase, run.figures["lost"]) == ("reported", 0)
    assert run.figures["through"] == run.figures["sent"] - 1


def test_an_abort_takes_a_reason() -> None:
    scene.set_up()
    run = scene.start(scene.drill())
    with pytest.raises(InvalidAction):
        controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason=" ", now=now())


def test_an_abort_before_it_began_leaves_nothing_to_do() -> None:
    scene.set_up()
    run = scene.start(scene.drill())
    controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason="no", now=now())
    run = scene.fresh(run)
    assert (run.is_live, run.phase, run.outcome) == (False, "reported", "aborted")
    assert stages.known(now=now()) is None


def test_a_run_that_nobody_drove_for_long_is_restored_and_says_so() -> None:
    scene.set_up()
    begin = now() - timedelta(seconds=30)
    run = scene.start(scene.drill(), at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=10))
    run = scene.pass_time(run, since=begin + timedelta(seconds=30), until=begin + timedelta(seconds=30))
    assert run.outcome == "interrupted"
    assert "nobody drove it for 2" in str(run.end_reason)
    assert stages.known(now=now()) is None


def test_a_run_goes_on_after_a_short_absence_and_the_report_tells_of_it() -> None:
    scene.set_up()
    begin = now() - timedelta(seconds=30)
    run = scene.start(scene.drill(), at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=20))
    run = scene.pass_time(run, since=begin + timedelta(seconds=30), until=begin + timedelta(seconds=30))
    assert (run.outcome, run.phase) == ("", "faulty")
    assert run.longest_gap_s > 9


def test_follow_ups_are_written_and_of_two_who_write_at_once_the_second_is_told() -> None:
    scene.set_up()
    run = scene.start(scene.drill())
    given = {"run_id": run.pk, "by": scene.runner(), "origin": ORIGIN, "now": now()}
    controls.write_follow_ups(text="Raise the limit of sms-b.\r\n", seen="", **given)
    assert scene.fresh(run).follow_ups == "Raise the limit of sms-b."
    with pytest.raises(MoveRefused, match="Somebody wrote here"):
        controls.write_follow_ups(text="Something else", seen="", **given)
