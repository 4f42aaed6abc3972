"""A pin: when it is in force, what it means, and what it may not say."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from channels.degradation import handing_back, pin
from channels.degradation.pin import PinSpec
from channels.degradation.pin_rules import InvalidPin, action_of, check, source_of
from channels.names import PinAction
from tests.channels.degradation.situations import at

CARRIERS = {"sms-a": "sms", "sms-b": "sms", "esp-a": "email"}


def order(action: str, **fields: Any) -> PinSpec:
    known: dict[str, Any] = {
        "id": uuid4(),
        "action": PinAction(action),
        "reason": "maintenance",
        "author": "ann",
        "starts_at": at(0),
        "ends_at": at(900),
    }
    return PinSpec(**{**known, **fields})


def test_the_clock_says_when_a_pin_is_in_force() -> None:
    one = order("disable", provider="sms-a")
    assert [one.is_in_force(at(second)) for second in (-1, 0, 899, 900)] == [False, True, True, False]


def test_a_pin_that_was_ended_is_over_from_then_on() -> None:
    one = order("disable", provider="sms-a", ended_at=at(60))
    assert [one.is_in_force(at(second)) for second in (59, 60)] == [True, False]


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"provider": "sms-a", "channel": "sms"}, "provider:sms-a"),
        ({"channel": "sms"}, "channel:sms"),
        ({"channel": "sms", "priority": "bulk"}, "channel:sms priority:bulk"),
        ({"category": "marketing"}, "category:marketing"),
        ({"application": "billing"}, "application:billing"),
    ],
)
def test_a_target_is_written_as_a_policy_writes_it(fields: dict[str, str], target: str) -> None:
    assert order("hold", **fields).target == target


def test_of_several_orders_for_a_channel_the_strictest_counts() -> None:
    orders = [order("hold", channel="sms"), order("shed_bulk", channel="sms"), order("switch", channel="sms")]
    found = pin.of_channel(orders)
    assert found is orders[0]
    assert pin.channel_standing(orders[0]).state == "paused"


def test_a_hold_on_a_part_of_the_messages_says_nothing_of_the_channel() -> None:
    assert pin.of_channel([order("hold", channel="sms", category="marketing"), order("hold", provider="sms-a")]) is None


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"category": "marketing"}, True),
        ({"category": "security"}, False),
        ({"application": "shop"}, True),
        ({"application": "billing"}, False),
        ({"channel": "sms"}, True),
        ({"channel": "email"}, False),
        ({"priority": "normal"}, True),
        ({"priority": "bulk"}, False),
        ({"channel": "sms", "application": "shop", "category": "security"}, False),
        ({"provider": "sms-a"}, False),
    ],
)
def test_a_hold_means_the_messages_that_all_of_its_parts_fit(fields: dict[str, str], held: bool) -> None:
    message = {"channel": "sms", "priority": "normal", "category": "marketing", "application": "shop"}
    assert (pin.holding([order("hold", **fields)], **message) is not None) is held


def test_of_several_holds_the_one_that_ends_last_says_until_when() -> None:
    last = order("hold", application="shop", ends_at=at(1800))
    message = {"channel": "sms", "priority": "normal", "category": "", "application": "shop"}
    assert pin.holding([last, order("hold", channel="sms")], **message) is last


def test_only_a_hold_on_whole_lanes_keeps_them_from_being_fetched() -> None:
    def holds(**fields: str) -> bool:
        return pin.holds_lane([order("hold", **fields)], channel="sms", priority="bulk")

    assert holds(channel="sms")
    assert holds(channel="sms", priority="bulk")
    assert not holds(channel="sms", priority="normal")
    assert not holds(channel="sms", application="shop")


def test_the_newest_weights_count_and_who_is_not_named_has_none() -> None:
    older = order("set_weights", channel="sms", parameters={"weights": {"sms-a": 1, "sms-b": 1}}, starts_at=at(-5))
    newer = order("set_weights", channel="sms", parameters={"weights": {"sms-b": 8}})
    found = pin.in_force([newer, older], now=at(1))
    assert pin.reweighted(found, {"sms-a": 70, "sms-b": 30}) == {"sms-a": 0, "sms-b": 8}


def test_weights_by_hand_are_handed_back_from_what_each_provider_carried() -> None:
    orders = [order("set_weights", channel="sms", parameters={"weights": {"sms-a": 35, "sms-b": 65}})]
    found = handing_back.pinned_providers(orders, configured={"sms-a": 70.0, "sms-b": 30.0})
    assert {name: round(one.share, 2) for name, one in found.items()} == {"sms-a": 0.5, "sms-b": 1.0}


@pytest.mark.parametrize(
    ("action", "fields", "wrong"),
    [
        ("disable", {}, "provider"),
        ("disable", {"provider": "nobody"}, "provider"),
        ("disable", {"provider": "esp-a", "channel": "sms"}, "provider"),
        ("disable", {"provider": "sms-a", "category": "x"}, "category"),
        ("set_weights", {"channel": "sms"}, "parameters.weights"),
        ("set_weights", {"channel": "sms", "parameters": {"weights": {"sms-a": 0}}}, "parameters.weights"),
        ("set_weights", {"channel": "sms", "parameters": {"weights": {"sms-a": -1}}}, "parameters.weights.sms-a"),
        ("set_weights", {"channel": "sms", "parameters": {"weights": {"sms-a": "7"}}}, "parameters.weights.sms-a"),
        ("set_weights", {"channel": "sms", "parameters": {"weights": {"esp-a": 1}}}, "parameters.weights.esp-a"),
        ("switch", {"channel": "fax"}, "channel"),
        ("switch", {"channel": "sms", "parameters": {"fallback": ["sms"]}}, "parameters.fallback"),
        ("switch", {"channel": "sms", "parameters": {"fallback": "email"}}, "parameters.fallback"),
        ("shed_bulk", {}, "channel"),
        ("throttle", {"channel": "sms"}, "parameters.rate"),
        ("throttle", {"channel": "sms", "parameters": {"rate": "0/s"}}, "parameters.rate"),
        ("hold", {}, "target"),
        ("hold", {"priority": "urgent"}, "priority"),
        ("hold", {"channel": "sms", "reason": " "}, "reason"),
        ("hold", {"channel": "sms", "author": ""}, "author"),
        ("hold", {"channel": "sms", "ends_at": at(0)}, "ends_at"),
        ("hold", {"channel": "sms", "starts_at": at(-900), "ends_at": at(-1)}, "ends_at"),
    ],
)
def test_what_is_wrong_with_an_order_is_named(action: str, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidPin) as caught:
        check(order(action, **fields), carriers=CARRIERS, now=at(0))
    assert wrong in {name for name, _detail in caught.value.errors}


@pytest.mark.parametrize("parse", [action_of, source_of])
def test_an_action_or_a_source_that_is_none_is_refused(parse: Any) -> None:
    with pytest.raises(InvalidPin):
        parse("explode")


def test_a_provider_s_channel_is_filled_in() -> None:
    assert check(order("disable", provider="sms-a"), carriers=CARRIERS, now=at(0)).channel == "sms"
