"""Plans as people write them."""

from __future__ import annotations

import pytest

from admin_portal.plans import steps, writing
from admin_portal.plans.conditions import Comparison, Condition, Metric
from admin_portal.plans.steps import Otherwise, Step, StepKind
from admin_portal.steering.actions import Action, Carrier, Kind, Setup
from admin_portal.steering.errors import InvalidAction

SETUP = Setup(
    providers={
        "esp-a": Carrier(channel="email"),
        "esp-b": Carrier(channel="email"),
        "sms-a": Carrier(channel="sms"),
        "inbox": Carrier(channel="inapp"),
    },
    applications=frozenset({"billing"}),
)
WHOLE = """
- do: shed_bulk
  target: channel:email
- wait: {until: {metric: depth, target: channel:email, below: 5000}, at_most: 2m}
- do: set_weights
  target: channel:email
  with: {weights: {esp-a: 0, esp-b: 100}}
- check: {metric: success_rate, target: provider:esp-b, above: 0.95, otherwise: abort}
- ask: Is it well?
- wait: 90s
- undo: 1
"""


def test_every_kind_of_step_is_read() -> None:
    below = Condition(metric=Metric.DEPTH, target="channel:email", comparison=Comparison.BELOW, value=5000.0)
    above = Condition(metric=Metric.SUCCESS_RATE, target="provider:esp-b", comparison=Comparison.ABOVE, value=0.95)
    weights = {"weights": {"esp-a": 0, "esp-b": 100}}
    assert writing.read_steps(WHOLE) == (
        Step(kind=StepKind.DO, action=Action(kind=Kind.SHED_BULK, target="channel:email", parameters={})),
        Step(kind=StepKind.WAIT, condition=below, at_most_s=120),
        Step(kind=StepKind.DO, action=Action(kind=Kind.SET_WEIGHTS, target="channel:email", parameters=weights)),
        Step(kind=StepKind.CHECK, condition=above, otherwise=Otherwise.ABORT),
        Step(kind=StepKind.ASK, words="Is it well?"),
        Step(kind=StepKind.WAIT, at_most_s=90),
        Step(kind=StepKind.UNDO, undoes=1),
    )


def test_what_is_read_is_sound_and_comes_back_from_json() -> None:
    found = writing.read_steps(WHOLE)
    assert steps.validate(found, setup=SETUP) == ()
    assert steps.read([one.as_json() for one in found]) == found


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "no_steps"),
        ("do: shed_bulk", "no_steps"),
        ("- [", "not_yaml"),
        ("- !!python/object:os.system {}", "not_yaml"),
        ("- shed", "unreadable"),
        ("- {}", "unreadable"),
        ("- {do: shed_bulk, wait: 3s}", "unreadable"),
        ("- {do: explode, target: 'channel:sms'}", "unreadable"),
        ("- {do: [shed_bulk], target: 'channel:sms'}", "unreadable"),
        ("- {do: shed_bulk}", "unreadable"),
        ("- {do: shed_bulk, target: 'channel:sms', when: now}", "unreadable"),
        ("- {do: throttle, target: 'channel:sms', with: {rate_per_s: 1.5}}", "unreadable"),
        ("- {do: throttle, target: 'channel:sms', with: [1]}", "unreadable"),
        ("- wait: soon", "unreadable"),
        ("- wait: 0s", "unreadable"),
        ("- wait: 25h", "unreadable"),
        ("- wait: yes", "unreadable"),
        ("- wait: {until: {metric: depth, target: 'channel:sms', below: 3}}", "unreadable"),
        ("- wait: {until: {metric: mood, target: 'channel:sms', below: 3}, at_most: 3s}", "unreadable"),
        ("- check: {metric: depth, target: 'channel:sms', below: .nan}", "unreadable"),
        ("- check: {metric: depth, target: 'channel:sms', below: 3, above: 4}", "unreadable"),
        ("- check: {metric: depth, target: 'channel:sms', is: 3}", "unreadable"),
        ("- check: {metric: state, target: 'channel:sms', below: 3}", "unreadable"),
        ("- check: {metric: depth, target: 'channel:sms', below: 3, otherwise: panic}", "unreadable"),
        ("- ask: ''", "unreadable"),
        ("- undo: all", "unreadable"),
        ("\n".join(["- wait: 1s"] * 51), "too_many"),
        ("- ask: " + "x" * 30_000, "too_long"),
        ("- ask: a\0b", "unstorable"),
    ],
)
def test_what_means_nothing_is_refused_with_the_reason(source: str, code: str) -> None:
    with pytest.raises(InvalidAction) as refused:
        writing.read_steps(source)
    assert refused.value.code == code


def test_every_unreadable_step_is_named_at_once() -> None:
    with pytest.raises(InvalidAction) as refused:
        writing.read_steps("- wait: soon\n- wait: 3s\n- undo: all\n")
    assert [str(one.words).partition(":")[0] for one in refused.value.faults] == ["Step 1", "Step 3"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("- {do: shed_bulk, target: 'channel:fax'}", "unknown_target"),
        ("- {do: disable_provider, target: 'provider:gone'}", "unknown_target"),
        ("- {do: set_weights, target: 'channel:email', with: {weights: {esp-a: 0, esp-b: 0}}}", "zero_weights"),
        ("- {do: switch_channel, target: 'channel:sms', with: {to: sms}}", "cycle"),
        ("- {do: throttle, target: 'channel:sms', with: {rate: 3}}", "unknown_parameter"),
        ("- check: {metric: depth, target: 'provider:esp-a', below: 3}", "wrong_target"),
        ("- check: {metric: depth, target: 'lane:sms.slow', below: 3}", "unknown_target"),
        ("- check: {metric: state, target: 'channel:sms', is: fine}", "unknown_state"),
        ("- undo: 1", "nothing_to_undo"),
        ("- wait: 1s\n- undo: 1", "nothing_to_undo"),
        ("- {do: shed_bulk, target: 'channel:sms'}\n- undo: 1\n- undo: 1", "undone_already"),
        ("- {do: shed_bulk, target: 'channel:sms'}\n- {do: pause, target: 'channel:sms'}", "contradiction"),
    ],
)
def test_steps_that_make_no_sense_are_refused_with_the_reason(source: str, code: str) -> None:
    faults = steps.validate(writing.read_steps(source), setup=SETUP)
    assert code in {one.code for one in faults}


def test_what_was_taken_back_contradicts_nothing() -> None:
    source = "- {do: shed_bulk, target: 'channel:sms'}\n- undo: 1\n- {do: pause, target: 'channel:sms'}"
    assert steps.validate(writing.read_steps(source), setup=SETUP) == ()


def test_a_trigger_may_say_for_how_long() -> None:
    found = writing.read_trigger("{metric: state, target: 'provider:esp-a', is: open, for: 1m}")
    assert found == Condition(
        metric=Metric.STATE, target="provider:esp-a", comparison=Comparison.IS, value="open", for_s=60
    )
    assert writing.read_trigger("  \n") is None


def faults_of(source: str) -> set[str]:
    """The codes of everything that is wrong, wherever it is found."""
    try:
        return {one.code for one in steps.validate(writing.read_steps(source), setup=SETUP)}
    except InvalidAction as error:
        return {one.code for one in error.faults}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [("{weights: 5}", "required"), ("{weights: esp-a}", "required"), ("{weights: {}}", "required")],
)
def test_weights_that_are_none_are_a_fault_also_beside_another_step(parameters: str, code: str) -> None:
    source = f"""
- {{do: set_weights, target: "channel:email", with: {parameters}}}
- {{do: disable_provider, target: "provider:esp-a"}}
"""
    assert code in faults_of(source)


@pytest.mark.parametrize("weight", ['"5"', "0.5", "{}", "null"])
def test_a_weight_that_is_no_whole_number_is_said_and_not_left_out(weight: str) -> None:
    weights = f"{{esp-a: 1, esp-b: 1, gone: {weight}}}"
    source = f'- {{do: set_weights, target: "channel:email", with: {{weights: {weights}}}}}'
    assert "unreadable" in faults_of(source)


@pytest.mark.parametrize("parameters", ["{to: {sms: 1}}", "{to: 5}", "{to: sms, channel: {sms: 1}}"])
def test_parameters_of_a_wrong_kind_are_a_fault(parameters: str) -> None:
    source = f'- {{do: switch_channel, target: "channel:email", with: {parameters}}}\n- undo: 1'
    assert faults_of(source)


BOMB = "- &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"- &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize("place", ["wait: *h", "do: *h", "check: {metric: *h, target: x, below: 1}", "ask: *h"])
def test_aliases_are_not_read_so_that_nothing_can_be_blown_up(place: str) -> None:
    with pytest.raises(InvalidAction) as refused:
        writing.read_steps(f"{BOMB}- {place}\n")
    assert [one.code for one in refused.value.faults] == ["alias"]


@pytest.mark.parametrize(
    "source",
    [
        f"- wait: {'9' * 4000}",
        f"- wait: 0x{'f' * 15000}",
        f"- undo: 0x{'f' * 15000}",
        f"- do: {'x' * 15000}",
        f"- {'x' * 15000}: 1",
        f"- 0x{'f' * 15000}: 1\n  ask: x",
        f"- check: {{metric: {'x' * 15000}, target: x, below: 1}}",
        f'- check: {{metric: depth, target: "channel:sms", below: 0x{"f" * 15000}}}',
        f'- check: {{metric: state, target: "channel:sms", is: [{"x, " * 5000}x]}}',
        f'- {{do: pause, target: "channel:sms", with: {{{"x" * 15000}: [1]}}}}',
    ],
)
def test_what_is_wrong_is_said_in_few_words(source: str) -> None:
    with pytest.raises(InvalidAction) as refused:
        writing.read_steps(source)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("words", [r'"a\0b"', r'"a\ud800b"'])
def test_what_the_database_can_not_hold_is_refused(words: str) -> None:
    assert faults_of(f"- ask: {words}") == {"unstorable"}
    assert faults_of(f'- {{do: pause, target: "category:x", with: {{{words}: 1}}}}') == {"unstorable"}
