"""Writing plans: what is refused of a draft, each fault beside its field."""

from __future__ import annotations

import pytest

from admin_portal.models import Plan
from admin_portal.plans import editing
from admin_portal.steering.errors import InvalidAction
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.factories import now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


@pytest.mark.parametrize("field", ["title", "owner", "runbook", "note", "source", "trigger"])
def test_a_character_that_can_not_be_stored_is_said_of_its_own_field(field: str) -> None:
    draft = stage.draft(**{field: "- ask: a\0b"})
    with pytest.raises(InvalidAction) as refused:
        editing.create(name="slow-sms", draft=draft, by=stage.author(), origin=ORIGIN, now=now())
    (fault,) = refused.value.faults
    assert (fault.field, fault.code) == ({"source": "steps"}.get(field, field), "unstorable")
    assert not Plan.objects.exists()


def test_a_runbook_that_is_too_long_is_said_to_be_that() -> None:
    with pytest.raises(InvalidAction) as refused:
        stage.plan(runbook="x" * 50_001)
    assert [(one.field, one.code) for one in refused.value.faults] == [("runbook", "too_long")]
