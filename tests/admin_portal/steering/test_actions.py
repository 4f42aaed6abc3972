"""What actions are refused, which of them contradict each other, and which pin each becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_portal.steering import action_words, actions
from admin_portal.steering.actions import Action, Carrier, Kind, Setup
from channels.degradation import pin_rules
from channels.degradation.pin import PinSpec
from channels.names import PinAction

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SETUP = Setup(
    providers={
        "sms-a": Carrier("sms", weight=70),
        "sms-b": Carrier("sms", weight=30),
        "sms-old": Carrier("sms", enabled=False),
        "esp-a": Carrier("email"),
        "inapp": Carrier("inapp"),
        "voice-a": Carrier("voice"),
    },
    applications=frozenset({"billing"}),
    switched={"voice": ("sms",)},
    impaired={"voice": "switched"},
)


def action(kind: Kind, target: str, **parameters: Any) -> Action:
    return Action(kind=kind, target=target, parameters=parameters)


FINE = [
    action(Kind.DISABLE_PROVIDER, "provider:sms-a"),
    action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 0, "sms-b": 100}),
    action(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp"),
    action(Kind.SHED_BULK, "channel:sms"),
    action(Kind.THROTTLE, "channel:sms", rate_per_s=5),
    action(Kind.THROTTLE, "provider:sms-a", rate_per_s=5),
    action(Kind.THROTTLE, "priority:bulk", rate_per_s=5, channel="sms"),
    action(Kind.THROTTLE, "application:billing", rate_per_s=5),
    action(Kind.PAUSE, "category:marketing"),
    action(Kind.PAUSE, "priority:bulk", channel="sms"),
]


@pytest.mark.parametrize("fine", FINE, ids=action_words.describe)
def test_what_makes_sense_is_accepted(fine: Action) -> None:
    assert actions.validate(fine, setup=SETUP) == ()


@pytest.mark.parametrize("fine", FINE, ids=action_words.describe)
def test_what_is_accepted_is_a_valid_pin(fine: Action) -> None:
    pin = dict(actions.to_pin(fine))
    carriers = {name: one.channel for name, one in SETUP.providers.items()}
    spec = PinSpec(
        **{**pin, "action": PinAction(pin["action"])},
        id=None,  # type: ignore[arg-type]  # it is only looked at
        reason="why",
        author="wang",
        starts_at=NOW,
        ends_at=NOW + timedelta(hours=1),
    )
    assert pin_rules.check(spec, carriers=carriers, now=NOW).action == pin["action"]


@pytest.mark.parametrize("fine", FINE, ids=action_words.describe)
def test_an_action_survives_json(fine: Action) -> None:
    assert Action.from_json(fine.as_json()) == fine


@pytest.mark.parametrize(
    ("wrong", "codes"),
    [
        (action(Kind.DISABLE_PROVIDER, "provider:nobody"), ["unknown_target"]),
        (action(Kind.DISABLE_PROVIDER, "sms-a"), ["unknown_target"]),
        (action(Kind.DISABLE_PROVIDER, "provider:sms-old"), ["already_disabled"]),
        (action(Kind.DISABLE_PROVIDER, "channel:sms"), ["wrong_target"]),
        (action(Kind.PAUSE, "channel:fax"), ["unknown_target"]),
        (action(Kind.PAUSE, "priority:urgent"), ["unknown_target"]),
        (action(Kind.PAUSE, "application:nobody"), ["unknown_target"]),
        (action(Kind.PAUSE, "category:"), ["unknown_target"]),
        (action(Kind.PAUSE, "provider:sms-a"), ["wrong_target"]),
        (action(Kind.PAUSE, "priority:bulk", channel="fax"), ["unknown_channel"]),
        (action(Kind.SHED_BULK, "application:billing"), ["wrong_target"]),
        (action(Kind.SHED_BULK, "channel:sms", to="inapp"), ["unknown_parameter"]),
        (action(Kind.SET_WEIGHTS, "channel:sms"), ["required"]),
        (action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 0, "sms-b": 0}), ["zero_weights"]),
        (action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 10}), ["missing_weight"]),
        (action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": -1, "sms-b": 5}), ["wrong_weight"]),
        (action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": True, "sms-b": 5}), ["wrong_weight"]),
        (
            action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 1, "sms-b": 1, "esp-a": 1}),
            ["unknown_provider"],
        ),
        (action(Kind.SWITCH_CHANNEL, "channel:sms"), ["unknown_channel"]),
        (action(Kind.SWITCH_CHANNEL, "channel:sms", to="sms"), ["cycle"]),
        (action(Kind.SWITCH_CHANNEL, "channel:sms", to="voice"), ["cycle"]),
        (action(Kind.SWITCH_CHANNEL, "channel:email", to="voice"), ["degraded_fallback"]),
        (action(Kind.SWITCH_CHANNEL, "channel:sms", to="push"), ["nobody_carries"]),
        (action(Kind.THROTTLE, "channel:sms"), ["wrong_rate"]),
        (action(Kind.THROTTLE, "channel:sms", rate_per_s=0), ["wrong_rate"]),
        (action(Kind.THROTTLE, "channel:sms", rate_per_s="5"), ["wrong_rate"]),
        (action(Kind.THROTTLE, "priority:bulk", rate_per_s=5), ["required"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(wrong: Action, codes: list[str]) -> None:
    faults = actions.validate(wrong, setup=SETUP)
    assert [fault.code for fault in faults] == codes
    assert all(str(fault) for fault in faults)


def test_a_circle_over_several_channels_is_found() -> None:
    setup = Setup(
        providers={"e": Carrier("email"), "i": Carrier("inapp"), "s": Carrier("sms")},
        switched={"email": ("inapp",), "inapp": ("sms",)},
    )
    faults = actions.validate(action(Kind.SWITCH_CHANNEL, "channel:sms", to="email"), setup=setup)
    assert [fault.code for fault in faults] == ["cycle"]


@pytest.mark.parametrize(
    ("one", "other", "contradict"),
    [
        (action(Kind.PAUSE, "channel:sms"), action(Kind.PAUSE, "channel:sms"), True),
        (action(Kind.PAUSE, "channel:sms"), action(Kind.PAUSE, "channel:email"), False),
        (action(Kind.PAUSE, "channel:sms"), action(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp"), True),
        (action(Kind.PAUSE, "channel:sms"), action(Kind.THROTTLE, "channel:sms", rate_per_s=1), True),
        (action(Kind.SHED_BULK, "channel:sms"), action(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp"), False),
        (action(Kind.SHED_BULK, "channel:sms"), action(Kind.THROTTLE, "channel:sms", rate_per_s=1), False),
        (action(Kind.THROTTLE, "channel:sms", rate_per_s=1), action(Kind.THROTTLE, "channel:sms", rate_per_s=2), True),
        (
            action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 5, "sms-b": 1}),
            action(Kind.DISABLE_PROVIDER, "provider:sms-a"),
            True,
        ),
        (
            action(Kind.SET_WEIGHTS, "channel:sms", weights={"sms-a": 0, "sms-b": 1}),
            action(Kind.DISABLE_PROVIDER, "provider:sms-a"),
            False,
        ),
        (
            action(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp"),
            action(Kind.SWITCH_CHANNEL, "channel:inapp", to="sms"),
            True,
        ),
        (action(Kind.SWITCH_CHANNEL, "channel:sms", to="inapp"), action(Kind.PAUSE, "channel:inapp"), True),
        (
            action(Kind.DISABLE_PROVIDER, "provider:sms-a"),
            action(Kind.THROTTLE, "provider:sms-a", rate_per_s=1),
            True,
        ),
        (
            action(Kind.PAUSE, "priority:bulk", channel="sms"),
            action(Kind.PAUSE, "priority:bulk", channel="email"),
            False,
        ),
        (action(Kind.PAUSE, "priority:bulk", channel="sms"), action(Kind.PAUSE, "priority:bulk"), True),
    ],
)
def test_contradictions_are_found_whichever_comes_first(one: Action, other: Action, contradict: bool) -> None:
    assert actions.conflicts(one, other) is contradict
    assert actions.conflicts(other, one) is contradict


def test_an_action_says_in_a_line_what_it_does() -> None:
    assert action_words.describe(FINE[1]) == "Set the weights of sms to sms-a 0, sms-b 100"
    assert action_words.describe(FINE[6]) == "Throttle messages of priority bulk on sms to 5/s"
