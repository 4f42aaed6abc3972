"""Judging: each second while something happens, now and then at rest, and by somebody else when nobody does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from channels import engine
from notify import judging
from notify.models import LanePulse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging._Paced, "judged_at", float("-inf"))
    monkeypatch.setattr(judging._Paced, "looked_at", float("-inf"))
    monkeypatch.setattr(engine._Last, "at_rest", False)


def test_it_leaves_a_pulse() -> None:
    assert judging.judge(now=timezone.now())
    assert LanePulse.objects.filter(lane=judging.PULSE).exists()


def test_at_rest_it_is_not_done_again_at_once() -> None:
    judging.judge(now=timezone.now())
    assert engine.is_at_rest()
    assert not judging.judge(now=timezone.now())


def test_whoever_stands_by_judges_only_when_nobody_does() -> None:
    judging.judge(now=timezone.now())
    assert not judging.judge_if_nobody_does(now=timezone.now())
    LanePulse.objects.filter(lane=judging.PULSE).update(seen_at=timezone.now() - timedelta(minutes=1))
    judging._Paced.looked_at = judging._Paced.judged_at = float("-inf")
    assert judging.judge_if_nobody_does(now=timezone.now())


def test_whoever_stands_by_goes_on_judging_when_he_has_begun() -> None:
    for _turn in range(2):
        judging._Paced.judged_at = float("-inf")
        assert judging.judge_if_nobody_does(now=timezone.now())


def test_whoever_stands_by_leaves_it_to_the_one_who_is_back() -> None:
    assert judging.judge_if_nobody_does(now=timezone.now())
    LanePulse.objects.filter(lane=judging.PULSE).update(worker="control@elsewhere/1")
    judging._Paced.judged_at = float("-inf")
    assert not judging.judge_if_nobody_does(now=timezone.now())
