"""The plans that the demo comes with."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from admin_portal.models import Plan
from admin_portal.plans import runbook, starters

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


def test_the_demo_comes_with_plans_that_its_own_providers_can_carry_out_and_leaves_them_to_people(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR, settings.SANDBOX_URL = tmp_path, "http://127.0.0.1:9"
    monkeypatch.setenv("SANDBOX_SMTP_PORT", "2525")
    call_command("load_demo")
    assert set(Plan.objects.values_list("name", flat=True)) == set(starters.STARTERS)
    Plan.objects.filter(name="slow-mail").update(title="ours")
    call_command("load_demo")
    assert Plan.objects.get(name="slow-mail").title == "ours"
    assert Plan.objects.count() == len(starters.STARTERS)


@pytest.mark.parametrize("name", starters.STARTERS)
def test_every_starter_has_a_runbook(name: str) -> None:
    assert "<h2>When</h2>" in runbook.render(starters.STARTERS[name][3])
