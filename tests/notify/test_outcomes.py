"""From what a provider said to what is written."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from channels.errors import (
    NoProvider,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    ReportAwaited,
    Throttled,
    Unavailable,
)
from channels.types import OutboundMessage, ProviderTry, SendReceipt, SendResult
from notify import outcomes, switching
from notify.facts import Facts
from notify.ids import new_id
from notify.models import DeliveryKind
from notify.outcomes import Rules
from notify.retry import RetryPolicy
from notify.rows import Claimed, Outcome

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
RULES = Rules(
    policy=RetryPolicy(max_attempts=3, base_s=1.0, cap_s=60.0),
    step_deadline_s=lambda _channel: 60,
    worker="test",
    rng=random.Random(3),
)


def facts(**values: Any) -> Facts:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "application_id": 1,
        "application": "billing",
        "priority": "critical",
        "category": "",
        "route": "all",
        "channels": ["sms", "email"],
        "to": {"phone": "+8613800001234", "email": "a@example.com"},
        "params": {},
        "content": {"text": "x"},
        "template_version_id": None,
        "locale": "",
        "metadata": {"order": 1},
        "ref": "r1",
        "callback_url": "",
        "batch_id": None,
    }
    return Facts(**{**defaults, **values})


def claimed(of: Facts, **values: Any) -> Claimed:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "notification_id": of.id,
        "application_id": 1,
        "batch_id": None,
        "kind": DeliveryKind.MESSAGE,
        "channel": "sms",
        "lane": "sms.critical",
        "step": 0,
        "address": "+8613800001234",
        "payload": None,
        "is_test": False,
        "due_at": NOW,
        "deadline": NOW + timedelta(hours=1),
        "step_deadline": None,
        "attempts": 0,
        "waits": 0,
        "replays": 0,
        "created_at": NOW,
    }
    return Claimed(**{**defaults, **values})


def result(one: Claimed, *, receipt: SendReceipt | None = None, error: ProviderError | None = None) -> SendResult:
    message = OutboundMessage(
        id=one.id, channel=one.channel, priority="critical", to=one.address, text="x", deadline=one.deadline
    )
    attempt = ProviderTry(provider="sms-a", started_at=NOW, latency_ms=5.0, receipt=receipt, error=error, reason="only")
    return SendResult(message=message, tries=(attempt,), receipt=receipt, error=error)


def settle(of: Facts, one: Claimed, **how: Any) -> Outcome:
    return outcomes.settle(claimed=one, facts=of, result=result(one, **how), claimed_at=NOW, now=NOW, rules=RULES)


@pytest.mark.parametrize(("delivered", "status"), [(False, "sent"), (True, "delivered")])
def test_a_receipt_ends_the_delivery(delivered: bool, status: str) -> None:
    of = facts()
    outcome = settle(of, claimed(of), receipt=SendReceipt(provider_message_id="m1", delivered=delivered))
    assert outcome.status == status
    assert outcome.used == 1
    assert outcome.finished_at == NOW
    assert [row.outcome for row in outcome.attempts] == ["sent"]
    assert outcome.provider_message_id == "m1"


def test_a_retry_is_written_into_the_table_with_its_attempt() -> None:
    of = facts()
    outcome = settle(of, claimed(of), error=Unavailable("HTTP 503"))
    assert outcome.status == "queued"
    assert outcome.due_at is not None
    assert outcome.due_at > NOW
    assert outcome.attempts[0].retry_at == outcome.due_at
    assert outcome.dead_letter is None


def test_throttling_counts_as_a_wait_and_not_as_an_attempt() -> None:
    of = facts()
    outcome = settle(of, claimed(of), error=Throttled(retry_after=3))
    assert (outcome.used, outcome.waited, outcome.status) == (0, 1, "queued")


def test_the_last_attempt_buries_with_the_reason_and_the_provider() -> None:
    of = facts()
    outcome = settle(of, claimed(of, attempts=2), error=Unavailable("HTTP 503"))
    assert outcome.status == "dead"
    assert outcome.dead_letter is not None
    assert outcome.dead_letter.reason == "attempts_used_up"
    assert outcome.dead_letter.provider == "sms-a"
    assert outcome.dead_letter.attempts == 3
    assert [event.type for event in outcome.events] == ["buried"]


def test_a_replayed_delivery_has_its_attempts_anew() -> None:
    of = facts()
    assert settle(of, claimed(of, attempts=3, replays=1), error=Unavailable()).status == "queued"
    assert settle(of, claimed(of, attempts=5, replays=1), error=Unavailable()).status == "dead"


def test_a_permanent_failure_ends_without_a_dead_letter() -> None:
    of = facts()
    outcome = settle(of, claimed(of), error=RecipientRejected("no such number"))
    assert outcome.status == "failed"
    assert outcome.dead_letter is None
    assert outcome.error_code == "recipient_rejected"


@pytest.mark.parametrize(("error", "waits_s"), [(OutcomeUnknown(), 0), (ReportAwaited(retry_after=10), 10)])
def test_a_report_is_waited_for_though_the_channel_sends_elsewhere(error: ProviderError, waits_s: float) -> None:
    of, elsewhere = facts(), replace(RULES, goes_elsewhere=lambda _claimed, _facts: True)
    outcome = outcomes.fail(claimed=claimed(of), facts=of, error=error, now=NOW, rules=elsewhere)
    assert outcome.due_at is not None
    assert waits_s <= (outcome.due_at - NOW).total_seconds() < waits_s + 2


def test_route_first_goes_on_to_the_next_channel_at_a_permanent_failure() -> None:
    of = facts(route="first")
    outcome = settle(of, claimed(of, step_deadline=NOW + timedelta(seconds=60)), error=RecipientRejected("no"))
    assert outcome.status == "failed"
    assert outcome.next_step is not None
    assert outcome.next_step.channel == "email"
    assert outcome.next_step.lane == "email.critical"
    assert outcome.next_step.address == "a@example.com"
    assert outcome.next_step.step == 1
    assert outcome.next_step.step_deadline is None
    assert [event.type for event in outcome.events] == ["switched"]


def test_however_long_the_reason_a_switch_says_where_to() -> None:
    of = facts(route="first")
    gave_up = settle(of, claimed(of), error=RecipientRejected("no " * 1000))
    left = switching.switch(
        claimed=claimed(of), facts=of, target=(1, "email"), reason="paused " * 1000, now=NOW, rules=RULES
    )
    for outcome in (gave_up, left):
        assert outcome.events[0].reason.endswith("; on to email")
        assert len(outcome.events[0].reason) <= 1000


def test_route_first_does_not_bury_a_step_whose_attempts_are_used_up_but_goes_on() -> None:
    of = facts(route="first")
    one = claimed(of, attempts=2, step_deadline=NOW + timedelta(seconds=60))
    outcome = settle(of, one, error=Unavailable())
    assert outcome.next_step is not None
    assert outcome.dead_letter is None


def test_route_first_skips_channels_without_an_address() -> None:
    of = facts(route="first", channels=["sms", "push", "email"])
    outcome = settle(of, claimed(of), error=RecipientRejected("no"))
    assert outcome.next_step is not None
    assert outcome.next_step.channel == "email"
    assert outcome.next_step.step == 2


def test_the_last_step_of_route_first_is_buried_like_any_other() -> None:
    of = facts(route="first")
    one = claimed(of, channel="email", lane="email.critical", step=1, attempts=2)
    outcome = settle(of, one, error=Unavailable())
    assert outcome.status == "dead"


def test_a_retry_never_waits_past_the_deadline_of_a_step_that_has_a_next_one() -> None:
    of = facts(route="first")
    one = claimed(of, step_deadline=NOW + timedelta(seconds=10))
    outcome = settle(of, one, error=Throttled(retry_after=600))
    assert outcome.next_step is not None


def test_route_all_never_switches() -> None:
    of = facts(route="all")
    assert settle(of, claimed(of), error=RecipientRejected("no")).next_step is None


def test_an_unknown_outcome_is_held_for_a_person_where_the_channel_says_so() -> None:
    of = facts(route="first")
    rules = replace(RULES, policy=replace(RULES.policy, hold_unknown=True))
    one = claimed(of)
    outcome = outcomes.fail(claimed=one, facts=of, error=OutcomeUnknown("no answer"), now=NOW, rules=rules)
    assert outcome.status == "held"
    assert outcome.next_step is None
    assert [event.type for event in outcome.events] == ["held"]


WAITING = replace(RULES, policy=replace(RULES.policy, hold_unknown=True, await_report=True))


@pytest.mark.parametrize(
    ("error", "values", "status"),
    [
        (ReportAwaited(retry_after=10), {}, "queued"),
        (ReportAwaited(retry_after=10), {"step_deadline": NOW + timedelta(seconds=30)}, "queued"),
        (ReportAwaited(retry_after=10), {"step_deadline": NOW + timedelta(seconds=9)}, "held"),
        (ReportAwaited(retry_after=10), {"attempts": 2}, "held"),
        (OutcomeUnknown(), {}, "held"),
        # The awaited time is over: as where a duplicate is better than a loss.
        (Unavailable(), {"error_code": "report_awaited", "attempts": 2}, "failed"),
        (RecipientRejected(), {"error_code": "report_awaited"}, "failed"),
    ],
)
def test_where_reports_are_waited_for_the_next_channel_takes_over_only_what_is_not_in_doubt(
    error: ProviderError, values: dict[str, Any], status: str
) -> None:
    of = facts(route="first")
    outcome = outcomes.fail(claimed=claimed(of, **values), facts=of, error=error, now=NOW, rules=WAITING)
    assert outcome.status == status
    assert (outcome.next_step is not None) == (status == "failed")
    assert outcome.error_code != "report_awaited" or status == "queued"


@pytest.mark.parametrize(
    ("rules", "route", "status", "goes_on"),
    [
        (WAITING, "all", "held", False),
        (WAITING, "first", "failed", True),  # the report should have come: its silence says that it was not sent
        (RULES, "all", "dead", False),
        (RULES, "first", "failed", True),
    ],
)
def test_when_the_time_of_one_that_nobody_was_asked_for_after_its_report_is_over(
    rules: Rules, route: str, status: str, goes_on: bool
) -> None:
    of = facts(route=route)
    over = {"step_deadline": NOW} if route == "first" else {"deadline": NOW}
    one = claimed(of, error_code="report_awaited", attempts=1, **over)
    outcome = outcomes.overdue(claimed=one, facts=of, now=NOW, rules=rules)
    assert outcome is not None
    assert (outcome.status, outcome.next_step is not None) == (status, goes_on)
    assert [event.type for event in outcome.events] == [{"failed": "switched", "dead": "buried"}.get(status, "held")]


def test_no_provider_waits_and_is_never_a_failure_of_the_message() -> None:
    of = facts()
    one = claimed(of, attempts=2, waits=500)
    outcome = outcomes.fail(claimed=one, facts=of, error=NoProvider(), now=NOW, rules=RULES)
    assert (outcome.status, outcome.used) == ("queued", 0)


def test_a_wait_in_which_nobody_was_asked_is_told_once_and_not_every_time() -> None:
    of = facts()

    def history(waits: int) -> list[str]:
        one = claimed(of, waits=waits)
        asked_nobody = replace(result(one, error=NoProvider()), tries=())
        outcome = outcomes.settle(claimed=one, facts=of, result=asked_nobody, claimed_at=NOW, now=NOW, rules=RULES)
        return [row.outcome for row in outcome.attempts]

    assert history(0) == ["no_provider"]
    assert history(1) == []


def test_a_delivery_with_time_left_is_not_overdue() -> None:
    of = facts()
    assert outcomes.overdue(claimed=claimed(of), facts=of, now=NOW, rules=RULES) is None


def test_one_that_was_never_tried_expires() -> None:
    of = facts()
    outcome = outcomes.overdue(claimed=claimed(of, deadline=NOW), facts=of, now=NOW, rules=RULES)
    assert outcome is not None
    assert outcome.status == "expired"
    assert outcome.dead_letter is None


def test_one_that_was_tried_is_buried_when_its_time_is_over() -> None:
    of = facts()
    outcome = outcomes.overdue(claimed=claimed(of, deadline=NOW, attempts=1), facts=of, now=NOW, rules=RULES)
    assert outcome is not None
    assert outcome.status == "dead"
    assert outcome.dead_letter is not None
    assert outcome.dead_letter.reason == "deadline"


def test_a_step_whose_time_is_over_hands_over_to_the_next() -> None:
    of = facts(route="first")
    outcome = outcomes.overdue(claimed=claimed(of, step_deadline=NOW), facts=of, now=NOW, rules=RULES)
    assert outcome is not None
    assert outcome.next_step is not None
    assert outcome.error_code == "step_deadline"


def test_an_application_that_asked_is_told_about_every_end() -> None:
    of = facts(callback_url="https://app.example.com/hook")
    outcome = settle(of, claimed(of), receipt=SendReceipt())
    assert outcome.callback is not None
    assert outcome.callback.lane == "webhook.bulk"
    assert outcome.callback.kind == DeliveryKind.CALLBACK
    payload = orjson.loads(outcome.callback.payload or "")
    assert payload["type"] == "delivery.sent"
    assert payload["data"]["notification_id"] == str(of.id)
    assert payload["data"]["ref"] == "r1"
    assert "+8613800001234" not in (outcome.callback.payload or "")


def test_nobody_is_told_of_a_retry() -> None:
    of = facts(callback_url="https://app.example.com/hook")
    assert settle(of, claimed(of), error=Unavailable()).callback is None


def test_a_callback_about_a_callback_is_never_made() -> None:
    of = facts(callback_url="https://app.example.com/hook")
    outcome = settle(of, claimed(of, kind=DeliveryKind.CALLBACK), receipt=SendReceipt(delivered=True))
    assert outcome.callback is None
    assert [event.type for event in outcome.events] == ["callback"]


def test_numbers_beyond_64_bits_in_metadata_break_no_callback() -> None:
    of = facts(callback_url="https://app.example.com/hook", metadata={"order": 123456789012345678901})
    outcome = settle(of, claimed(of), receipt=SendReceipt())
    assert outcome.callback is not None
    assert "123456789012345678901" in (outcome.callback.payload or "")
