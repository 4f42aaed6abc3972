"""What is foretold of each action."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from admin_portal.steering import prediction, traffic
from admin_portal.steering.actions import Action, Carrier, Kind, Setup
from admin_portal.steering.prediction import Prediction
from admin_portal.steering.traffic import Flow, Group, Traffic
from admin_portal.templatetags.steering import rate

SETUP = Setup(
    providers={
        "sms-a": Carrier("sms", weight=70),
        "sms-b": Carrier("sms", weight=30),
        "inapp": Carrier("inapp"),
        "esp-a": Carrier("email"),
    },
    fallback={"sms": ("inapp",)},
)
FLOWS = {
    "sms-a": Flow(per_s=70.0, peak_per_s=80.0, capacity_per_s=200.0),
    "sms-b": Flow(per_s=30.0, peak_per_s=30.0, capacity_per_s=90.0),
    "inapp": Flow(per_s=5.0, peak_per_s=5.0),
    "esp-a": Flow(per_s=1.0, capacity_per_s=10.0),
}
OTP = Group(channel="sms", priority="critical", category="security", application="login", per_s=10.0)
ORDERS = Group(channel="sms", priority="normal", application="shop", reachable=frozenset({"inapp"}), per_s=40.0)
ROUTED = Group(channel="sms", priority="normal", application="shop", later=("email",), per_s=20.0)
CAMPAIGN = Group(channel="sms", priority="bulk", category="marketing", application="crm", per_s=30.0)
TRAFFIC = Traffic(flows=FLOWS, groups=(OTP, ORDERS, ROUTED, CAMPAIGN), sampled=2000)


def foretell(kind: Kind, target: str, *, setup: Setup = SETUP, of: Traffic = TRAFFIC, **parameters: Any) -> Prediction:
    return prediction.predict(Action(kind=kind, target=target, parameters=parameters), traffic=of, setup=setup)


def after(found: Prediction) -> dict[str, float]:
    return {one.provider: round(one.after_per_s, 3) for one in found.shifts}


def test_a_disabled_provider_s_load_goes_to_the_others() -> None:
    found = foretell(Kind.DISABLE_PROVIDER, "provider:sms-a")
    assert after(found) == {"sms-a": 0.0, "sms-b": 100.0}
    assert not found.strands_critical


def test_a_backup_that_can_not_take_it_is_named() -> None:
    (overload,) = foretell(Kind.DISABLE_PROVIDER, "provider:sms-a").overloads
    assert (overload.provider, overload.capacity_per_s) == ("sms-b", 90.0)


def test_a_backup_of_which_nothing_is_known_is_not_called_too_weak() -> None:
    found = foretell(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp")
    (inapp,) = [one for one in found.shifts if one.provider == "inapp"]
    assert inapp.fits is None
    assert inapp not in found.overloads


def test_without_the_last_provider_messages_go_to_the_fallback_or_have_no_way() -> None:
    alone = Setup(
        providers={name: one for name, one in SETUP.providers.items() if name != "sms-b"}, fallback=SETUP.fallback
    )
    all_of_it = Traffic(flows={**FLOWS, "sms-a": Flow(per_s=100.0)}, groups=TRAFFIC.groups)
    found = foretell(Kind.DISABLE_PROVIDER, "provider:sms-a", setup=alone, of=all_of_it)
    assert found.switched_per_s == 60.0
    assert [(one.priority, one.per_hour) for one in found.stranded] == [("critical", 36_000.0), ("bulk", 108_000.0)]
    assert found.strands_critical


def test_an_open_provider_is_nobody_to_count_on() -> None:
    setup = Setup(providers=SETUP.providers, fallback=SETUP.fallback, out=frozenset({"sms-b"}))
    assert foretell(Kind.DISABLE_PROVIDER, "provider:sms-a", setup=setup).strands_critical


def test_weights_share_the_channel_s_load() -> None:
    found = foretell(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 10, "sms-b": 90})
    assert after(found) == {"sms-a": 10.0, "sms-b": 90.0}


def test_a_switch_moves_what_has_an_address_there_holds_bulk_and_leaves_the_rest() -> None:
    found = foretell(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp")
    assert (found.switched_per_s, found.held_per_s) == (60.0, 30.0)
    assert after(found) == {"esp-a": 21.0, "inapp": 45.0, "sms-a": 7.0, "sms-b": 3.0}
    assert not found.strands_critical


def test_what_moves_is_as_much_as_was_carried_however_small_the_sample() -> None:
    few = Traffic(flows=FLOWS, groups=[replace(one, per_s=one.per_s / 50) for one in TRAFFIC.groups], sampled=40)
    assert foretell(Kind.SWITCH_CHANNEL, "channel:sms", of=few, to="inapp").switched_per_s == pytest.approx(60.0)


def test_a_switch_that_overloads_the_other_channel_says_so() -> None:
    found = foretell(Kind.SWITCH_CHANNEL, "channel:sms", to="email")
    assert [one.provider for one in found.overloads] == ["esp-a"]


def test_shedding_holds_bulk_and_strands_nobody() -> None:
    found = foretell(Kind.SHED_BULK, "channel:sms")
    assert (found.held_per_s, found.stranded) == (30.0, ())
    assert after(found) == {"sms-a": 49.0, "sms-b": 21.0}


def test_a_throttle_says_how_much_would_wait() -> None:
    assert foretell(Kind.THROTTLE, "application:shop", rate_per_s=50).delayed_per_s == 10.0
    assert foretell(Kind.THROTTLE, "application:shop", rate_per_s=500).delayed_per_s == 0.0


def test_a_pause_holds_everything_and_strands_what_its_route_leads_nowhere() -> None:
    found = foretell(Kind.PAUSE, "channel:sms")
    assert found.held_per_s == 100.0
    assert [one.application for one in found.stranded] == ["login", "shop", "crm"]
    assert found.strands_critical


def test_pausing_a_campaign_touches_nothing_critical() -> None:
    found = foretell(Kind.PAUSE, "category:marketing")
    assert found.held_per_s == 30.0
    assert not found.strands_critical


def test_pausing_a_channel_that_was_silent_may_still_strand_critical_messages() -> None:
    assert foretell(Kind.PAUSE, "channel:sms", of=Traffic()).strands_critical


def test_pausing_what_nobody_knows_anything_about_may_strand_critical_messages() -> None:
    assert foretell(Kind.PAUSE, "application:bank").strands_critical


def test_a_pause_on_one_channel_leaves_the_others_alone() -> None:
    found = foretell(Kind.PAUSE, "application:shop", channel="email")
    assert found.held_per_s == 0.0


def test_a_prediction_survives_json() -> None:
    found = foretell(Kind.PAUSE, "channel:sms")
    assert Prediction.from_json(found.as_json()) == found


@pytest.mark.parametrize(
    ("rate", "concurrency", "latency_ms", "expected"),
    [
        ("", 16, None, None),
        ("120/m", 16, None, 2.0),
        ("", 16, 100.0, 160.0),
        ("200/s", 16, 100.0, 160.0),
        ("50/s", 16, 100.0, 50.0),
    ],
)
def test_capacity_is_the_tighter_of_rate_limit_and_concurrency(
    rate: str, concurrency: int, latency_ms: float | None, expected: float | None
) -> None:
    assert traffic.capacity(rate, concurrency, latency_ms) == expected


@pytest.mark.parametrize(
    ("per_s", "said"), [(0.0, "0"), (3.26, "3.3/s"), (0.02, "1.2/min"), (0.001, "3.6/h"), (0.0000001, "0.1/h")]
)
def test_a_rate_is_told_in_the_unit_in_which_it_is_not_nothing(per_s: float, said: str) -> None:
    assert rate(per_s) == said
