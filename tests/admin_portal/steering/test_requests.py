"""The verbs on a real database: what each does, what it writes down, and what is refused and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from admin_portal.models import Approval, ApprovalRule, AuditEntry, DegradationRequest
from admin_portal.steering import approval, requests
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import Severity, State
from admin_portal.steering.errors import (
    ConflictsWith,
    InvalidAction,
    LeavesNoWay,
    MoveRefused,
    NotPermitted,
    Outdated,
)
from channels.degradation import pins
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import ORIGIN, PAUSE_SMS, SHED_SMS, terms
from tests.factories import now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_a_request_comes_into_force_with_the_approval_of_another() -> None:
    row = scene.submitted(scene.operator())
    assert row.state == State.PENDING
    assert pins.active(now=now()) == ()
    row = scene.approve(row, scene.approver("li"))
    assert row.state == State.ACTIVE
    (pin,) = pins.active(now=now())
    assert (pin.id, pin.provider, pin.author, pin.ends_at) == (row.pin_id, "sms-a", "wang", row.ends_at)


def test_everything_that_happens_is_in_the_audit() -> None:
    row = scene.approve(scene.submitted(scene.operator()), scene.approver("li"))
    li = scene.person("boss", "approve_degradation")
    requests.revert(request_id=row.pk, version=row.version, by=li, origin=ORIGIN, reason="it is well", now=now())
    assert scene.audited() == ["drafted", "requested", "approved", "applied", "reverted"]
    entry = AuditEntry.objects.get(action="degradation.applied")
    assert (entry.target, entry.approved_by) == (f"degradation:{row.pk}", ["li"])
    entry = AuditEntry.objects.get(action="degradation.approved")
    assert (entry.actor, entry.origin, entry.before) == ("li", ORIGIN, {"state": "pending"})


def test_where_the_rules_ask_for_nobody_a_request_is_applied_at_once_and_written_down() -> None:
    row = scene.submitted(scene.operator(), terms(SHED_SMS, severity=Severity.LOW))
    assert row.state == State.ACTIVE
    assert scene.audited() == ["drafted", "requested", "applied"]


def test_two_approvers_are_needed_where_much_is_at_stake() -> None:
    switch = Action(kind=Kind.SWITCH_CHANNEL, target="channel:sms", parameters={"to": "inapp"})
    row = scene.submitted(scene.operator(), terms(switch))
    row = scene.approve(row, scene.approver("li"))
    assert row.state == State.PENDING
    assert scene.approve(row, scene.approver("chen")).state == State.ACTIVE


def test_a_rule_of_the_administrators_wins_over_the_default() -> None:
    ApprovalRule.objects.create(severity=Severity.MEDIUM, kind=Kind.DISABLE_PROVIDER, approvals=2)
    assert scene.submitted(scene.operator()).approvals_needed == 2


def test_what_is_to_start_later_waits_for_its_start() -> None:
    at = now()
    later = terms(starts_at=at + timedelta(hours=3), ends_at=at + timedelta(hours=5))
    row = scene.approve(scene.submitted(scene.operator(), later), scene.approver("li"))
    assert row.state == State.APPROVED
    assert pins.known(now=at) == ()


# --- who may not -----------------------------------------------------------------------------------------------------


def test_nobody_approves_what_they_asked_for() -> None:
    wang = scene.operator()
    scene.grant(wang, "approve_degradation")
    row = scene.submitted(wang)
    with pytest.raises(MoveRefused) as refused:
        scene.approve(row, wang)
    assert refused.value.code == "own_request"
    assert scene.fresh(row).state == State.PENDING


def test_somebody_without_the_permission_approves_nothing() -> None:
    row = scene.submitted(scene.operator())
    with pytest.raises(NotPermitted):
        scene.approve(row, scene.operator("zhou"))


def test_an_approver_whose_permission_was_taken_away_meanwhile_approves_nothing() -> None:
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    assert li.has_perm("admin_portal.approve_degradation")  # what the page knew when it was opened
    li.user_permissions.clear()
    with pytest.raises(NotPermitted):
        scene.approve(row, li)
    assert not Approval.objects.exists()


def test_somebody_who_has_left_approves_nothing() -> None:
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    li.is_active = False
    li.save()
    with pytest.raises(NotPermitted):
        scene.approve(row, li)


def test_an_approver_asks_for_nothing() -> None:
    with pytest.raises(NotPermitted):
        scene.drafted(scene.approver("li"))


# --- twice, late, changed --------------------------------------------------------------------------------------------


def test_approving_twice_counts_once() -> None:
    ApprovalRule.objects.create(severity=Severity.MEDIUM, kind=Kind.DISABLE_PROVIDER, approvals=2)
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    scene.approve(row, li)
    with pytest.raises(MoveRefused) as refused:
        scene.approve(row, li)
    assert refused.value.code == "approved_already"
    assert scene.fresh(row).state == State.PENDING
    assert Approval.objects.count() == 1


def test_what_was_withdrawn_is_not_approved() -> None:
    wang = scene.operator()
    row = scene.submitted(wang)
    requests.withdraw(request_id=row.pk, version=row.version, by=wang, origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused) as refused:
        scene.approve(row, scene.approver("li"))
    assert "withdrawn" in str(refused.value)
    assert pins.known(now=now()) == ()


def test_what_was_changed_has_to_be_approved_anew() -> None:
    ApprovalRule.objects.create(severity=Severity.MEDIUM, kind=Kind.DISABLE_PROVIDER, approvals=2)
    wang, li, chen = scene.operator(), scene.approver("li"), scene.approver("chen")
    row = scene.submitted(wang)
    scene.approve(row, li)
    requests.change(
        request_id=row.pk,
        version=row.version,
        terms=replace(terms(), reason="another reason"),
        by=wang,
        origin=ORIGIN,
        now=now(),
    )
    with pytest.raises(Outdated):
        scene.approve(row, chen)
    changed = scene.approve(scene.fresh(row), chen)
    assert changed.state == State.PENDING
    assert scene.approve(scene.fresh(row), li).state == State.ACTIVE


def test_an_approval_is_of_what_was_seen_even_if_the_row_is_changed_behind_our_back() -> None:
    ApprovalRule.objects.create(severity=Severity.MEDIUM, kind=Kind.DISABLE_PROVIDER, approvals=2)
    row = scene.submitted(scene.operator())
    scene.approve(row, scene.approver("li"))
    DegradationRequest.objects.filter(pk=row.pk).update(target="provider:sms-b")
    assert scene.approve(row, scene.approver("chen")).state == State.PENDING


def test_what_is_over_before_it_is_approved_is_not_approved() -> None:
    at = now()
    row = scene.submitted(scene.operator(), terms(at=at), at=at)
    with pytest.raises(MoveRefused):
        scene.approve(row, scene.approver("li"), at=at + timedelta(hours=1))


def test_a_form_that_is_sent_twice_makes_one_request() -> None:
    wang, token, asked = scene.operator(), uuid4(), terms()
    first = requests.draft(terms=asked, form_token=token, by=wang, origin=ORIGIN, now=now())
    assert requests.draft(terms=asked, form_token=token, by=wang, origin=ORIGIN, now=now()).pk == first.pk
    assert DegradationRequest.objects.count() == 1


def test_a_form_of_somebody_else_is_refused() -> None:
    token = uuid4()
    requests.draft(terms=terms(), form_token=token, by=scene.operator(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused) as refused:
        requests.draft(terms=terms(), form_token=token, by=scene.operator("zhou"), origin=ORIGIN, now=now())
    assert refused.value.code == "form_used"


def test_a_rejection_needs_a_reason_and_is_for_good() -> None:
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    with pytest.raises(InvalidAction):
        requests.reject(request_id=row.pk, version=row.version, by=li, origin=ORIGIN, reason=" ", now=now())
    rejected = requests.reject(
        request_id=row.pk, version=row.version, by=li, origin=ORIGIN, reason="not now", now=now()
    )
    assert rejected.state == State.REJECTED
    with pytest.raises(MoveRefused):
        scene.approve(rejected, scene.approver("chen"))


# --- bad input, and what stands in the way ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "  "},
        {"reason": "x" * 2001},
        {"ends_at": now() - timedelta(hours=1)},
        {"ends_at": now() + timedelta(minutes=5)},
        {"ends_at": now() + timedelta(days=8)},
        {"action": Action(kind=Kind.DISABLE_PROVIDER, target="provider:nobody")},
        {
            "action": Action(
                kind=Kind.SET_WEIGHTS, target="channel:sms", parameters={"weights": {"sms-a": 0, "sms-b": 0}}
            )
        },
    ],
)
def test_what_makes_no_sense_is_not_even_written_down(change: dict[str, object]) -> None:
    with pytest.raises(InvalidAction) as refused:
        scene.drafted(scene.operator(), terms(**change))
    assert str(refused.value)
    assert not DegradationRequest.objects.exists()


def test_a_conflicting_request_is_refused_with_the_name_of_the_other() -> None:
    wang = scene.operator()
    first = scene.submitted(wang)
    weights = Action(kind=Kind.SET_WEIGHTS, target="channel:sms", parameters={"weights": {"sms-a": 1, "sms-b": 1}})
    second = scene.drafted(wang, terms(weights))
    with pytest.raises(ConflictsWith) as refused:
        requests.submit(request_id=second.pk, version=1, by=wang, origin=ORIGIN, now=now())
    assert f"#{first.pk} (Disable the provider sms-a)" in str(refused.value)
    assert scene.fresh(second).state == State.DRAFT


def test_requests_whose_times_do_not_meet_do_not_conflict() -> None:
    wang, at = scene.operator(), now()
    scene.submitted(wang, terms(at=at))
    later = terms(starts_at=at + timedelta(hours=2), ends_at=at + timedelta(hours=3))
    assert scene.submitted(wang, later).state == State.PENDING


def test_a_request_that_replaces_another_ends_it_when_it_begins() -> None:
    wang, li = scene.operator(), scene.approver("li")
    first = scene.approve(scene.submitted(wang), li)
    second = scene.submitted(wang, terms(ends_at=now() + timedelta(hours=5), supersedes=first.pk))
    assert scene.fresh(first).state == State.ACTIVE
    second = scene.approve(second, li)
    first = scene.fresh(first)
    assert (first.state, first.end_cause) == (State.ENDED, "superseded")
    assert [pin.id for pin in pins.active(now=now())] == [second.pin_id]


def test_what_leaves_critical_messages_no_way_has_to_be_confirmed_in_the_verb_too() -> None:
    wang = scene.operator()
    row = scene.drafted(wang, terms(PAUSE_SMS, severity=Severity.HIGH))
    with pytest.raises(LeavesNoWay):
        requests.submit(request_id=row.pk, version=1, by=wang, origin=ORIGIN, now=now())
    confirmed = terms(PAUSE_SMS, severity=Severity.HIGH, stranding_confirmed=True)
    assert scene.submitted(wang, confirmed).state == State.PENDING


def test_what_leaves_critical_messages_no_way_is_no_small_matter() -> None:
    with pytest.raises(InvalidAction) as refused:
        scene.submitted(scene.operator(), terms(PAUSE_SMS, severity=Severity.LOW, stranding_confirmed=True))
    assert refused.value.faults[0].field == "severity"


def test_a_change_can_not_slip_in_what_submitting_would_have_refused() -> None:
    wang = scene.operator()
    row = scene.submitted(wang)
    with pytest.raises(LeavesNoWay):
        requests.change(
            request_id=row.pk,
            version=1,
            terms=terms(PAUSE_SMS, severity=Severity.HIGH),
            by=wang,
            origin=ORIGIN,
            now=now(),
        )
    assert scene.fresh(row).target == "provider:sms-a"


def test_a_request_does_not_replace_itself() -> None:
    wang = scene.operator()
    row = scene.submitted(wang)
    itself = terms(supersedes=row.pk)
    with pytest.raises(InvalidAction):
        requests.change(request_id=row.pk, version=1, terms=itself, by=wang, origin=ORIGIN, now=now())
    assert scene.fresh(row).supersedes is None


def test_a_time_means_the_same_in_every_time_zone() -> None:
    at = now() + timedelta(hours=2)
    shanghai = at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert terms(starts_at=at, at=at).as_json() == terms(starts_at=shanghai, at=at).as_json()


def test_the_states_of_the_database_are_those_of_the_table() -> None:
    assert {state for move in approval.TRANSITIONS.values() for state in (*move, *move.values())} == set(State)
