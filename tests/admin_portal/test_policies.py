"""Policies and channels: what a configuration file refuses, the admin refuses too."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from channels.models import Channel, Policy


def test_a_policy_is_stored_with_its_defaults(admin: Client) -> None:
    form = {"target": "channel:sms", "rules": json.dumps({"window_s": 120})}
    admin.post(reverse("admin:channels_policy_add"), form)
    rules = Policy.objects.get(target="channel:sms").rules
    assert rules["window_s"] == 120
    assert rules["probe"]["interval_s"] == 10


@pytest.mark.parametrize("rules", ['{"window_s": 1}', '{"windows": 60}', "[]", "{", '{"ramp": {"steps": [50, 10]}}'])
def test_faulty_rules_are_refused(admin: Client, rules: str) -> None:
    answer = admin.post(reverse("admin:channels_policy_add"), {"target": "channel:sms", "rules": rules})
    assert answer.status_code == 200
    assert not Policy.objects.exists()


def test_a_policy_about_nothing_is_refused(admin: Client) -> None:
    admin.post(reverse("admin:channels_policy_add"), {"target": "provider:nobody", "rules": "{}"})
    assert not Policy.objects.exists()


def test_the_order_of_fallbacks_is_kept(admin: Client) -> None:
    form = {"name": "sms", "fallback": "voice, email", "outcome_unknown": "hold", "step_deadline_s": "60"}
    admin.post(reverse("admin:channels_channel_add"), form)
    assert Channel.objects.get(name="sms").fallback == ["voice", "email"]


def test_a_channel_can_be_made_to_wait_for_reports(admin: Client) -> None:
    form = {"name": "sms", "fallback": "", "outcome_unknown": "report", "step_deadline_s": "60"}
    admin.post(reverse("admin:channels_channel_add"), form)
    assert Channel.objects.get(name="sms").outcome_unknown == "report"
    page = admin.get(reverse("admin:channels_channel_change", args=["sms"])).content.decode()
    assert "With others such a message is held." in page


@pytest.mark.parametrize("fallback", ["sms", "pigeon", "email email"])
def test_a_faulty_fallback_is_refused(admin: Client, fallback: str) -> None:
    form = {"name": "sms", "fallback": fallback, "outcome_unknown": "hold", "step_deadline_s": "60"}
    assert admin.post(reverse("admin:channels_channel_add"), form).status_code == 200
    assert not Channel.objects.exists()
