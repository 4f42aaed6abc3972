"""The gateway: each message has exactly one result, and its path between providers follows whose fault it was."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from channels import directory, gateway, specs
from channels.lines import LINES
from channels.models import Channel, Provider
from channels.session import Session
from channels.types import OutboundMessage, SendResult
from tests.channels.wire import message
from tests.conftest import WaitFor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_directory")]


def provider(name: str, *, weight: int = 100, **config: Any) -> Provider:
    fields = {
        key: config.pop(key) for key in ("rate_limit", "max_concurrency", "timeout_s", "enabled") if key in config
    }
    return Provider.objects.create(
        name=f"{name}-{uuid4().hex[:8]}", channel="sms", adapter="sandbox", weight=weight, config=config, **fields
    )


def send(*messages: OutboundMessage) -> list[SendResult]:
    return list(gateway.send_batch(messages, channel="sms", priority="normal"))


def session() -> Session:
    return gateway.open_session(channel="sms", priority="normal", rng=random.Random(1))


def test_each_message_has_exactly_one_result() -> None:
    provider("a")
    messages = [message() for _ in range(700)]
    results = send(*messages)
    assert Counter(result.message.id for result in results) == Counter(one.id for one in messages)
    assert all(result.receipt is not None for result in results)


def test_no_provider_is_a_result_that_uses_up_no_attempt() -> None:
    (result,) = send(message())
    assert result.error is not None
    assert result.error.code == "no_provider"
    assert not result.error.uses_attempt
    assert result.tries == ()


def test_a_disabled_provider_is_not_asked() -> None:
    provider("a", enabled=False)
    (result,) = send(message())
    assert result.error is not None
    assert result.error.code == "no_provider"


def test_a_provider_s_fault_falls_over_to_the_next_within_the_same_attempt() -> None:
    bad = provider("bad", weight=1000, error_rate=1.0, error="unavailable")
    good = provider("good", weight=0)
    (result,) = send(message())
    assert [attempt.provider for attempt in result.tries] == [bad.name, good.name]
    assert result.receipt is not None
    assert result.provider == good.name


def test_the_recipient_s_fault_is_no_reason_to_ask_another_provider() -> None:
    bad = provider("bad", weight=1000, error_rate=1.0, error="recipient_rejected")
    provider("good", weight=0)
    (result,) = send(message())
    assert [attempt.provider for attempt in result.tries] == [bad.name]
    assert result.error is not None
    assert result.error.code == "recipient_rejected"


def test_an_unknown_outcome_falls_over_where_a_duplicate_is_better_than_a_loss() -> None:
    provider("bad", weight=1000, error_rate=1.0, error="outcome_unknown")
    provider("good", weight=0)
    (result,) = send(message())
    assert [attempt.error.code if attempt.error else "sent" for attempt in result.tries] == ["outcome_unknown", "sent"]


def test_an_unknown_outcome_goes_to_nobody_else_where_the_channel_holds() -> None:
    Channel.objects.create(name="sms", outcome_unknown="hold")
    provider("bad", weight=1000, error_rate=1.0, error="outcome_unknown")
    provider("good", weight=0)
    (result,) = send(message())
    assert len(result.tries) == 1
    assert result.error is not None
    assert result.error.code == "outcome_unknown"


class TestWaitingForReports:
    """``outcome_unknown: report``."""

    @pytest.fixture(autouse=True)
    def _channel(self) -> None:
        Channel.objects.create(name="sms", outcome_unknown="report")
        provider("good", weight=0)

    @staticmethod
    def outcome(*, left_s: float = 300, timeout_s: float = 10, **config: Any) -> tuple[str, float | None]:
        """What came of a message of which one provider alone was asked, and after how many seconds to try again."""
        silent = {"error_rate": 1.0, "error": "outcome_unknown", "receipts": "later", "receipt_delay_ms": 3_600_000}
        provider("bad", weight=1000, timeout_s=timeout_s, **{**silent, **config})
        (result,) = send(message(deadline=datetime.now(UTC) + timedelta(seconds=left_s)))
        assert [attempt.error.code if attempt.error else "sent" for attempt in result.tries] == ["outcome_unknown"]
        assert result.error is not None
        return result.error.code, result.error.retry_after

    @pytest.mark.parametrize("left_s", [300, 20, 10.5])
    def test_nobody_else_is_asked_before_the_report_is_due_however_little_time_is_left(self, left_s: float) -> None:
        code, wait_s = self.outcome(report_within_s=10, left_s=left_s)
        assert (code, wait_s) == ("report_awaited", pytest.approx(10, abs=1))

    def test_a_report_that_should_have_come_by_now_is_waited_for_no_longer(self) -> None:
        silent = {"timeout_rate": 1.0, "error_rate": 0.0}
        assert self.outcome(**silent, timeout_s=0.2, report_within_s=0.1) == ("report_awaited", 0.0)

    def test_where_the_report_is_due_too_late_nobody_is_asked_again(self) -> None:
        assert self.outcome(report_within_s=10, left_s=9) == ("outcome_unknown", None)

    def test_where_no_report_is_promised_nobody_is_asked_again(self) -> None:
        assert self.outcome() == ("outcome_unknown", None)

    def test_a_refusal_falls_over_as_ever(self) -> None:
        provider("bad", weight=1000, error_rate=1.0, error="unavailable", receipts="later", report_within_s=10)
        (result,) = send(message())
        assert [attempt.error.code if attempt.error else "sent" for attempt in result.tries] == ["unavailable", "sent"]


def test_when_all_providers_fail_the_last_error_is_the_result() -> None:
    provider("a", error_rate=1.0, error="unavailable")
    provider("b", error_rate=1.0, error="unavailable")
    (result,) = send(message())
    assert len(result.tries) == 2
    assert result.error is not None
    assert result.error.code == "unavailable"


def test_a_provider_whose_configuration_does_not_fit_is_skipped() -> None:
    provider("broken", weight=1000, no_such_key=1)
    good = provider("good", weight=0)
    (result,) = send(message())
    assert result.provider == good.name
    assert result.tries[0].error is not None
    assert result.tries[0].error.code == "misconfigured"


def test_test_messages_only_ever_reach_the_sandbox() -> None:
    provider("real")
    (result,) = send(message(test=True))
    assert [attempt.provider for attempt in result.tries] == [specs.TEST_PROVIDER]


def test_a_change_of_configuration_is_taken_up_without_a_restart() -> None:
    row = provider("a", error_rate=1.0, error="unavailable")
    assert send(message())[0].error is not None
    row.config = {}
    row.save()
    directory.forget()
    assert send(message())[0].receipt is not None


def test_a_line_that_was_closed_under_a_session_is_opened_again() -> None:
    provider("a")
    assert send(message())[0].receipt is not None
    for line in LINES.all():
        line.close()
    assert send(message())[0].receipt is not None


def test_a_hung_provider_takes_no_place_of_another() -> None:
    hung = provider("hung", weight=1000, timeout_rate=1.0, max_concurrency=2, timeout_s=5)
    talk = session()
    talk.submit(message() for _ in range(10))
    Provider.objects.filter(pk=hung.pk).update(enabled=False)
    fine = provider("fine")
    directory.forget()
    other = session()
    other.submit([message()])
    began = time.monotonic()
    (result,) = other.collect(timeout=4.0, at_most=10)
    assert result.provider == fine.name
    assert time.monotonic() - began < 4.0
    talk.withdraw()


def test_what_a_hung_provider_has_no_room_for_goes_to_the_other_at_once(wait_for: WaitFor) -> None:
    hung = provider("hung", weight=1000, timeout_rate=1.0, max_concurrency=2, timeout_s=8)
    fine = provider("fine", weight=1)
    talk = session()
    talk.submit(message() for _ in range(40))
    results: list[SendResult] = []
    wait_for(lambda: results.extend(talk.collect(timeout=0.1, at_most=50)) or len(results) >= 38, timeout=6)
    assert {result.provider for result in results} == {fine.name}
    assert f"{hung.name} is busy" in results[-1].tries[0].reason
    talk.withdraw()


def test_a_last_resort_takes_nothing_that_the_others_are_only_too_busy_for() -> None:
    busy = provider("busy", weight=100, latency_ms=20, max_concurrency=2)
    provider("last", weight=0)
    assert {result.provider for result in send(*[message() for _ in range(30)])} == {busy.name}


def test_a_hung_provider_leaves_appetite_for_the_other() -> None:
    provider("hung", timeout_rate=1.0, max_concurrency=64, timeout_s=8)
    talk = session()
    talk.submit(message() for _ in range(64))
    assert talk.appetite(at_most=500, ahead_s=0.25) == 0
    provider("fine", max_concurrency=4, latency_ms=50)
    directory.forget()
    assert 0 < talk.appetite(at_most=500, ahead_s=0.25) <= 4
    talk.withdraw()


@pytest.mark.usefixtures("clean_redis")
def test_while_the_only_provider_is_at_its_rate_limit_nothing_is_fetched_for_it() -> None:
    provider("slow", rate_limit="5/h")
    send(*[message() for _ in range(8)])
    assert session().appetite(at_most=500, ahead_s=0.25) == 0


def test_what_was_asked_already_is_not_forgotten_when_the_rest_is_withdrawn(wait_for: WaitFor) -> None:
    provider("bad", weight=1000, error_rate=1.0, error="unavailable")
    slow = provider("slow", weight=0, latency_ms=400, max_concurrency=1)
    talk = session()
    talk.submit(message() for _ in range(6))
    results: list[SendResult] = []

    def queued_at_the_second() -> bool:
        results.extend(talk.collect(timeout=0.01, at_most=50))
        return any(line.spec.name == slow.name and line.bulkhead.room("normal")[1] >= 4 for line in LINES.all())

    wait_for(queued_at_the_second)
    assert talk.withdraw() == []
    while talk.pending:
        results += talk.collect(timeout=1.0, at_most=50)
    assert len(results) == 6
    assert sum(result.error is not None and result.error.code == "unavailable" for result in results) >= 4


def test_a_message_that_passed_to_somebody_else_is_not_handed_over() -> None:
    provider("a")
    talk = session()
    lost, kept = message(), message()
    talk.lease.lost.add(lost.id)
    talk.submit([lost, kept])
    results: dict[Any, SendResult] = {}
    while talk.pending:
        results |= {result.message.id: result for result in talk.collect(timeout=1.0, at_most=9)}
    assert results[kept.id].receipt is not None
    assert results[lost.id].error is not None
    assert results[lost.id].error.code == "lease_lost"
    assert results[lost.id].tries == ()


def test_a_message_whose_deadline_passed_while_it_waited_for_a_place_is_not_sent() -> None:
    provider("slow", latency_ms=200, max_concurrency=1)
    late = message(deadline=datetime.now(UTC) + timedelta(milliseconds=100))
    patient = message()
    talk = session()
    talk.submit([patient])
    talk.submit([late])
    results: dict[Any, SendResult] = {}
    while talk.pending:
        results |= {result.message.id: result for result in talk.collect(timeout=1.0, at_most=9)}
    assert results[patient.id].receipt is not None
    error = results[late.id].error
    assert error is not None
    assert (error.code, error.uses_attempt, results[late.id].tries) == ("too_late", False, ())


def test_an_older_view_of_the_configuration_does_not_replace_a_newer_line() -> None:
    row = provider("a")
    (old,) = directory.channel("sms").providers
    row.weight = 50
    row.save()
    directory.forget()
    (new,) = directory.channel("sms").providers
    line = LINES.line(new)
    assert LINES.line(old) is line
    assert not line.closed


def test_what_waits_on_a_line_that_was_replaced_can_be_withdrawn() -> None:
    row = provider("slow", latency_ms=300, max_concurrency=1)
    talk = session()
    talk.submit(message() for _ in range(10))
    row.weight = 50
    row.save()
    directory.forget()
    LINES.line(directory.channel("sms").providers[0])
    assert len(talk.withdraw()) >= 8


def test_what_was_not_handed_over_can_be_withdrawn() -> None:
    provider("slow", latency_ms=300, max_concurrency=2)
    talk = session()
    messages = [message() for _ in range(20)]
    talk.submit(messages)
    withdrawn = talk.withdraw()
    results: list[SendResult] = []
    while talk.pending:
        results += talk.collect(timeout=2.0, at_most=50)
    assert len(withdrawn) + len(results) == 20
    assert not set(withdrawn) & {result.message.id for result in results}
    assert len(withdrawn) >= 16


def test_nothing_is_handed_over_once_the_lease_is_no_longer_ours() -> None:
    provider("a")
    talk = session()
    talk.lease.until = time.monotonic() - 1
    talk.submit([message()])
    (result,) = talk.collect(timeout=2.0, at_most=1)
    assert result.error is not None
    assert result.error.code == "lease_lost"


@pytest.mark.usefixtures("clean_redis")
def test_a_rate_limit_is_kept_and_the_rest_goes_to_the_next_provider() -> None:
    slow = provider("slow", weight=1000, rate_limit="5/m")
    spare = provider("spare", weight=0)
    results = send(*[message() for _ in range(20)])
    assert Counter(result.provider for result in results) == {slow.name: 5, spare.name: 15}


@pytest.mark.usefixtures("clean_redis")
def test_with_nobody_else_what_is_over_the_rate_waits_and_uses_up_no_attempt() -> None:
    provider("slow", rate_limit="5/m")
    results = send(*[message() for _ in range(8)])
    errors = [result.error for result in results if result.error is not None]
    assert len(errors) == 3
    assert all(error.code == "throttled" and not error.uses_attempt for error in errors)
    assert all(error.retry_after and error.retry_after <= 60 for error in errors)


@pytest.mark.usefixtures("clean_redis")
def test_a_short_wait_for_the_rate_is_waited_here() -> None:
    provider("slow", rate_limit="5/s")
    results = send(*[message() for _ in range(8)])
    assert all(result.receipt is not None for result in results)


def test_a_message_with_little_time_left_does_not_shorten_the_patience_for_others() -> None:
    provider("slow", latency_ms=300, max_concurrency=1, timeout_s=5)
    urgent = message(deadline=datetime.now(UTC) + timedelta(milliseconds=100))
    patient = [message() for _ in range(3)]
    results = {result.message.id: result for result in send(urgent, *patient)}
    assert all(results[one.id].receipt is not None for one in patient)
