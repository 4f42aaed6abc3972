"""``channels``: how every channel is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from channels.models import Provider
from channels.names import CHANNELS
from notify import channel_status
from notify.api.channels import ChannelsShape
from notify.channel_status import Board
from tests import factories
from tests.factories import make_application, make_client, make_delivery, make_notification

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notify.api.channels.board", Board())


@pytest.fixture
def client() -> Client:
    return make_client(make_application())


def test_all_seven_channels_are_there_also_without_a_provider(client: Client) -> None:
    response = client.get("/api/v1/channels")

    assert response.status_code == 200
    ChannelsShape.model_validate_json(response.content)
    results = response.json()["results"]
    assert [channel["name"] for channel in results] == list(CHANNELS)
    assert all(channel["state"] == "normal" for channel in results)
    assert [lane["name"] for lane in results[1]["lanes"]] == ["sms.critical", "sms.normal", "sms.bulk"]


def test_providers_are_listed_and_their_configuration_is_not(client: Client) -> None:
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", weight=70, config={"x": "secret"})
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox", weight=30, enabled=False)

    response = client.get("/api/v1/channels")

    sms = next(channel for channel in response.json()["results"] if channel["name"] == "sms")
    assert [(one["name"], one["state"], one["weight"], one["effective_weight"]) for one in sms["providers"]] == [
        ("sms-a", "healthy", 70, 70),
        ("sms-b", "disabled", 30, 0),
    ]
    assert sms["providers"][0]["success_rate"] is None
    assert b"secret" not in response.content


def test_quality_counts_only_faults_of_the_provider() -> None:
    now = factories.now()
    delivery = make_delivery(make_notification(make_application(), at=now), channel="sms")
    for number, outcome in enumerate(["sent"] * 8 + ["unavailable"] * 2 + ["recipient_rejected"] * 5 + ["throttled"]):
        factories.make_attempt(delivery, outcome, at=now, number=number, latency_ms=10.0 * number)

    quality = channel_status.provider_quality(now=now)

    assert quality["sms-a"].success_rate == 0.8
    assert quality["sms-a"].p95_ms == 150.0


def test_old_attempts_say_nothing_of_now() -> None:
    now = factories.now()
    delivery = make_delivery(make_notification(make_application(), at=now), channel="sms")
    factories.make_attempt(delivery, at=now - timedelta(minutes=20))

    assert channel_status.provider_quality(now=now) == {}


def test_due_deliveries_are_the_depth_of_their_lane(client: Client) -> None:
    make_delivery(make_notification(make_application(), priority="bulk"), channel="push")

    results = client.get("/api/v1/channels").json()["results"]

    lanes = {lane["name"]: lane["depth"] for channel in results for lane in channel["lanes"]}
    assert lanes["push.bulk"] == 1
    assert sum(lanes.values()) == 1


def test_many_who_look_cost_one_look() -> None:
    board = Board()
    first = board.read(now=factories.now())

    assert board.read(now=factories.now()) is first


def test_looking_needs_the_scope_read() -> None:
    assert make_client(make_application(), "send").get("/api/v1/channels").status_code == 403
