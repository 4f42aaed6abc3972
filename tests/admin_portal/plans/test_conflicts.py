"""Runs and degradation requests on one target: the one that is there stands in the way of the other, and is named."""

from __future__ import annotations

from datetime import timedelta

import pytest

from admin_portal.models import DegradationRequest
from admin_portal.plans import controls
from admin_portal.steering.errors import ConflictsWith
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import SHED_SMS, filled, signed_in, terms
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
ADD = "/admin/admin_portal/degradationrequest/add/"


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_a_request_that_contradicts_a_run_in_force_is_refused_with_its_name() -> None:
    run, zhou = stage.started(), scene.operator("zhou")
    with pytest.raises(ConflictsWith) as refused:
        scene.submitted(zhou, terms(SHED_SMS))
    assert refused.value.other == f"run #{run.pk} of “SMS is slow”"


def test_breaking_the_glass_does_not_contradict_a_run_in_force_in_silence() -> None:
    run, zhao = stage.started(), scene.breaker()
    row = scene.drafted(zhao, terms(SHED_SMS))
    with pytest.raises(ConflictsWith) as refused:
        scene.break_glass(row, zhao)
    assert refused.value.other == f"run #{run.pk} of “SMS is slow”"
    assert scene.fresh(row).state == "draft"
    controls.abort(run_id=run.pk, by=stage.runner(), origin=ORIGIN, reason="in the way", now=now())
    assert scene.break_glass(row, zhao).state == "active"


def test_a_request_for_after_the_end_of_a_run_is_not_in_its_way() -> None:
    run, zhou = stage.started(), scene.operator("zhou")
    assert run.ends_at is not None
    later = run.ends_at + timedelta(minutes=1)
    asked = terms(SHED_SMS, starts_at=later, ends_at=later + timedelta(hours=1))
    assert scene.submitted(zhou, asked).state == "pending"


def test_the_page_names_the_run_before_anything_is_sent() -> None:
    run, client = stage.started(), signed_in(scene.operator("zhou"))
    text = client.post(ADD, filled(kind="shed_bulk", target="channel:sms")).content.decode()
    assert f"It conflicts with run #{run.pk} of “SMS is slow”." in text
    assert not DegradationRequest.objects.exists()
