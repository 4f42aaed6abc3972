"""Quality: what is counted of whom, and what everybody can read of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.test import override_settings

from channels import quality
from channels.errors import (
    EndpointSilent,
    EndpointUnavailable,
    InternalFault,
    LeaseLost,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.quality.reading import Span
from config import embedded, ports
from tests.channels.quality_results import MINUTE, Process, result
from tests.conftest import WaitFor

pytestmark = pytest.mark.usefixtures("redis_apart")


class TestWhoseFaultItWas:
    @pytest.mark.parametrize("error", [Unavailable(), OutcomeUnknown(), Misconfigured()])
    def test_the_providers_faults_count_against_it(self, error: ProviderError) -> None:
        process = Process()
        process.tell(result(error), result(None))
        figures = process.figures()
        assert (figures.provider_faults, figures.samples, figures.error_rate) == (1, 2, 0.5)
        assert figures.errors == {error.code: 1}

    @pytest.mark.parametrize("error", [RecipientRejected(), MessageRejected(), EndpointUnavailable(), EndpointSilent()])
    def test_recipients_faults_are_counted_apart(self, error: ProviderError) -> None:
        process = Process()
        process.tell(result(error), result(None))
        figures = process.figures()
        assert (figures.recipient_faults, figures.provider_faults, figures.timeouts, figures.samples) == (1, 0, 0, 1)

    def test_throttling_is_counted_apart(self) -> None:
        process = Process()
        process.tell(result(Throttled()))
        assert (process.figures().throttled, process.figures().samples) == (1, 0)

    def test_a_defect_of_ours_is_nobodys_fault(self) -> None:
        process = Process()
        process.tell(result(InternalFault()))
        figures = process.figures()
        assert (figures.tries, figures.samples, figures.recipient_faults) == (1, 0, 0)
        assert figures.errors == {"internal_error": 1}

    def test_who_was_not_asked_has_no_try(self) -> None:
        process = Process()
        process.note(result(LeaseLost()), result())
        assert process.figures().tries == 0

    def test_each_try_counts_for_the_provider_that_was_asked(self) -> None:
        process = Process()
        process.tell(result(Unavailable(), provider="a"), result(None, provider="b"))
        assert process.figures("a").provider_faults == 1
        assert process.figures("b").successes == 1

    def test_test_keys_say_nothing_of_providers(self) -> None:
        process = Process()
        process.note(result(None, test=True))
        assert process.figures().tries == 0

    def test_a_timeout_is_slow_and_a_refusal_at_once_is_no_credit(self) -> None:
        process = Process()
        process.tell(result(Unavailable(), ms=0.1), result(OutcomeUnknown(), ms=5000.0))
        figures = process.figures()
        assert figures.timeouts == 1
        assert figures.p50_ms == pytest.approx(5000, rel=0.05)


class TestFaultsInARow:
    def test_they_are_counted_from_the_last_success_on(self) -> None:
        process = Process()
        process.tell(result(Unavailable()), result(None), result(Unavailable()), result(OutcomeUnknown()))
        process.tell(result(Unavailable()))
        assert process.figures().consecutive_faults == process.ledger.own_run("a") == 3

    def test_a_success_ends_them(self) -> None:
        process = Process()
        process.tell(result(Unavailable()), result(None))
        assert process.figures().consecutive_faults == 0

    def test_those_that_are_told_of_late_since_they_fell_over_are_not_in_a_row(self) -> None:
        process = Process()
        fell_over = [result(Unavailable(), ms=10.0 + number) for number in range(12)]
        process.tell(*[result(None, ms=10.0 + number) for number in range(12)])
        process.tell(*fell_over)  # all of them, after the successes of the same moments
        assert process.ledger.own_run("a") <= 1

    def test_the_successes_just_before_them_are_counted_up_to_fifty(self) -> None:
        process = Process()
        answers = [None, Unavailable(), None, None, Unavailable()]
        process.tell(*[result(error, ms=100.0 * number) for number, error in enumerate(answers)])
        assert process.ledger.good_before_run("a") == 2
        process.tell(*[result(None, ms=1000.0 * number) for number in range(1, 61)])
        process.tell(result(Unavailable(), ms=70_000.0))
        assert process.ledger.good_before_run("a") == 50

    def test_a_fault_that_is_told_of_late_parts_the_successes_around_it(self) -> None:
        process = Process()
        process.tell(*[result(None, ms=100.0 * number) for number in range(1, 11)])
        process.tell(result(Unavailable(), ms=750.0), result(Unavailable(), ms=2000.0))
        assert process.ledger.good_before_run("a") == 3
        assert process.ledger.own_run("a") == 1

    def test_successes_before_a_fault_that_is_over_are_not_just_before_the_next(self) -> None:
        process = Process()
        process.tell(*[result(None, ms=number) for number in range(1, 11)])
        process.tell(result(Unavailable(), ms=5000.0))
        process.tell(result(None, ms=9000.0))
        process.tell(result(Unavailable(), ms=13_000.0))
        assert process.ledger.good_before_run("a") == 1

    def test_neither_recipients_nor_throttling_end_them(self) -> None:
        process = Process()
        process.tell(result(Unavailable()), result(RecipientRejected()), result(Throttled()))
        assert process.figures().consecutive_faults == 1

    def test_those_of_several_processes_add_up(self) -> None:
        one, other = Process(), Process()
        one.tell(result(Unavailable()))
        other.tell(result(Unavailable()), result(Unavailable()))
        assert one.figures().consecutive_faults == 3

    def test_a_success_elsewhere_ends_those_before_it(self) -> None:
        one, other = Process(), Process()
        one.tell(result(Unavailable()), ago=2.0)
        other.tell(result(None), ago=1.0)
        assert one.figures().consecutive_faults == 0


class TestWindows:
    def test_processes_see_each_others_tries(self) -> None:
        processes = [Process() for _ in range(3)]
        for process in processes:
            process.tell(*[result(None)] * 10)
        assert {process.figures().successes for process in processes} == {30}
        assert processes[0].figures().shared

    def test_what_is_older_than_the_window_is_not_in_it(self) -> None:
        process = Process()
        process.note(result(None), ago=70)
        process.tell(result(Unavailable()), ago=5)
        assert process.figures().tries == 1
        assert process.figures(span=Span(window_s=119)).tries == 2

    def test_a_part_of_a_window_can_be_read_from_the_whole(self) -> None:
        process = Process()
        process.note(result(None), ago=30)
        process.tell(result(Unavailable()))
        reading = process.read(MINUTE, Span(window_s=10))
        assert reading.figures("a", span=MINUTE).tries == 2
        assert reading.figures("a", span=Span(window_s=10)).tries == 1

    def test_long_windows_are_read_by_the_minute(self) -> None:
        process = Process()
        process.note(result(None), ago=3000)
        process.tell(result(None), ago=5000)
        assert process.figures(span=Span(window_s=3600)).successes == 1
        assert len(process.read(Span(window_s=3600)).slots) < 12

    def test_the_figures_of_a_channel_are_those_of_its_providers_together(self) -> None:
        process = Process()
        process.tell(*[result(None, ms=10)] * 9, result(OutcomeUnknown(), provider="b", ms=1000))
        together = process.figures("a", "b")
        assert (together.successes, together.provider_faults) == (9, 1)
        assert together.p99_ms == pytest.approx(1000, rel=0.05)

    def test_a_window_says_how_much_of_it_there_is_to_see(self) -> None:
        process = Process()
        process.note(result(None), ago=20)
        process.tell(result(None), ago=3)
        figures = process.figures()
        assert figures.covered_s == pytest.approx(20, abs=1)
        assert figures.newest_s == pytest.approx(3, abs=1)

    def test_nothing_is_known_of_a_provider_that_nobody_asked(self) -> None:
        figures = Process().figures("nobody")
        assert (figures.tries, figures.covered_s, figures.p95_ms, figures.newest_s) == (0, 0.0, None, None)

    @pytest.mark.parametrize("skew", [-90.0, 3600.0])
    def test_a_process_whose_clock_is_wrong_counts_where_the_others_do(self, skew: float) -> None:
        wrong, right = Process(skew=skew), Process()
        wrong.tell(result(None))
        right.tell(result(None))
        assert wrong.figures().successes == right.figures().successes == 2

    def test_what_another_version_wrote_is_passed_over(self) -> None:
        process = Process()
        process.tell(result(None))
        with redis.Redis.from_url(django_settings.REDIS_URL) as client:
            for key in client.keys("goutong:quality:slot:*"):
                client.hset(key, "a/other", b'{"successes": 2, "news": {"x": 1}}')
                client.hset(key, "a/broken", b"\x00")
        assert process.figures().successes == 3

    def test_what_is_written_goes_away_by_itself(self) -> None:
        process = Process()
        process.tell(result(None))
        with redis.Redis.from_url(django_settings.REDIS_URL) as client:
            kept = {key.split(b":")[2]: client.ttl(key) for key in client.keys("goutong:quality:[sm]*:*")}
        assert 0 < kept[b"slot"] <= 600
        assert 0 < kept[b"minute"] <= 26 * 3600


class TestInFlight:
    def test_what_is_out_is_seen_by_all(self) -> None:
        one, other = Process(), Process()
        one.ledger.note_handover(provider="a", messages=5, now=one.clock())
        one.publish()
        other.ledger.note_handover(provider="a", messages=2, now=other.clock())
        other.publish()
        assert one.figures().in_flight == 7

    def test_what_came_back_is_not_out(self) -> None:
        process = Process()
        process.ledger.note_handover(provider="a", messages=5, now=process.clock())
        process.ledger.note_handover(provider="a", messages=-5, now=process.clock())
        process.tell(result(None))
        assert (process.figures().in_flight, process.figures().silent_s) == (0, 0.0)

    def test_silence_is_measured_from_the_handing_over(self) -> None:
        process = Process()
        process.note(result(None), ago=50)
        process.ledger.note_handover(provider="a", messages=1, now=process.clock() - 4)
        process.publish()
        assert process.figures().silent_s == pytest.approx(4, abs=1)

    def test_a_timeout_is_no_sign_of_life(self) -> None:
        process = Process()
        process.ledger.note_handover(provider="a", messages=2, now=process.clock() - 4)
        process.tell(result(OutcomeUnknown()))
        assert process.figures().silent_s == pytest.approx(4, abs=1)

    def test_an_answer_breaks_the_silence(self) -> None:
        process = Process()
        process.ledger.note_handover(provider="a", messages=2, now=process.clock() - 4)
        process.tell(result(Unavailable()))
        assert process.figures().silent_s == pytest.approx(0, abs=1)


class TestReceipts:
    SPAN = Span(window_s=60, late_after_s=30)

    def send(self, process: Process, count: int, *, ago: float) -> None:
        process.note(*[result(None, receipts=True)] * count, ago=ago)

    def receive(self, process: Process, count: int, *, sent_ago: float, delay_s: float, delivered: bool = True) -> None:
        for _ in range(count):
            process.ledger.note_receipt(
                provider="a", delay_s=delay_s, delivered=delivered, now=process.clock() - sent_ago + delay_s
            )

    def test_receipts_that_stop_while_sends_succeed_show(self) -> None:
        process = Process()
        self.send(process, 10, ago=50)
        process.publish()
        figures = process.figures(span=self.SPAN)
        assert (figures.error_rate, figures.late_receipt_rate, figures.receipts_due) == (0.0, 1.0, 10)

    def test_those_that_came_in_time_are_not_late(self) -> None:
        process = Process()
        self.send(process, 10, ago=50)
        self.receive(process, 8, sent_ago=50, delay_s=5)
        process.publish()
        figures = process.figures(span=self.SPAN)
        assert (figures.receipts_due, figures.receipts_come, figures.receipts_late) == (10, 8, 2)
        assert figures.receipt_p95_s == pytest.approx(5, rel=0.05)

    def test_one_that_came_too_late_is_late_all_the_same(self) -> None:
        process = Process()
        self.send(process, 1, ago=50)
        self.receive(process, 1, sent_ago=50, delay_s=45)
        process.publish()
        figures = process.figures(span=self.SPAN)
        assert (figures.receipts_come, figures.receipts_late) == (1, 1)

    def test_one_whose_time_is_not_up_is_not_due(self) -> None:
        process = Process()
        self.send(process, 5, ago=10)
        process.publish()
        assert process.figures(span=self.SPAN).receipts_due == 0

    def test_a_report_of_a_failure_is_a_report(self) -> None:
        process = Process()
        self.send(process, 1, ago=50)
        self.receive(process, 1, sent_ago=50, delay_s=5, delivered=False)
        process.publish()
        figures = process.figures(span=self.SPAN)
        assert (figures.receipts_failed, figures.receipts_late) == (1, 0)

    def test_the_process_that_hears_the_report_need_not_be_the_one_that_sent(self) -> None:
        sender, web = Process(), Process()
        self.send(sender, 4, ago=50)
        sender.publish()
        self.receive(web, 4, sent_ago=50, delay_s=5)
        web.publish()
        assert sender.figures(span=self.SPAN).receipts_late == 0

    def test_receipts_may_take_hours(self) -> None:
        process = Process()
        self.send(process, 6, ago=8 * 3600)
        self.receive(process, 3, sent_ago=8 * 3600, delay_s=3 * 3600)
        process.publish()
        figures = process.figures(span=Span(window_s=7200, late_after_s=7 * 3600))
        assert (figures.receipts_due, figures.receipts_late) == (6, 3)

    def test_where_the_provider_reports_nothing_nothing_is_due(self) -> None:
        process = Process()
        process.tell(result(None), ago=50)
        assert process.figures(span=self.SPAN).receipts_due == 0


class TestWithoutRedis:
    @contextmanager
    def valkey(self, folder: Path) -> Iterator[tuple[str, Any]]:
        """A Valkey of our own, to be stopped and started: its address, and a switch."""
        server = embedded.prepare_valkey(folder, port=ports.choose())
        running: list[subprocess.Popen[bytes]] = []

        def switch(on: bool) -> None:
            if on:
                running.append(subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            while running and not on:
                process = running.pop()
                process.kill()
                process.wait(20)

        try:
            yield server.url, (switch, server.is_ready)
        finally:
            switch(False)

    def test_a_process_goes_by_its_own_window(self) -> None:
        with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
            process = Process()
            process.note(result(None), result(Unavailable()), result(OutcomeUnknown(), ms=500))
            assert process.publish() is False
            figures = process.figures()
        assert (figures.successes, figures.provider_faults, figures.consecutive_faults) == (1, 2, 2)
        assert figures.p99_ms == pytest.approx(500, rel=0.05)
        assert figures.shared is False

    def test_what_it_counted_meanwhile_is_told_when_redis_is_back(
        self, tmp_path: Path, wait_for: WaitFor, settings: Any
    ) -> None:
        settings.REDIS_PAUSE_S = 0.05
        with self.valkey(tmp_path) as (settings.REDIS_URL, (switch, ready)):
            switch(True)
            wait_for(ready)
            one, other = Process(), Process()
            one.tell(result(None))
            switch(False)
            one.note(result(Unavailable()))
            assert one.publish() is False
            assert one.figures().samples == 2
            switch(True)
            wait_for(one.publish)
            assert wait_for(lambda: other.figures().shared and other.figures().samples == 2)

    def test_a_wipe_in_the_middle_loses_nothing_that_a_living_process_knows(self) -> None:
        one, other = Process(), Process()
        one.tell(*[result(None)] * 5, ago=20)
        other.tell(*[result(Unavailable())] * 3)
        with redis.Redis.from_url(django_settings.REDIS_URL) as client:
            client.flushdb()
        assert other.figures().tries == 0
        one.tell(result(None))
        other.tell(result(None))
        assert (one.figures().successes, one.figures().provider_faults) == (7, 3)

    def test_telling_twice_counts_once(self) -> None:
        process = Process()
        process.tell(*[result(None)] * 5)
        process.ledger.give_all_back()
        process.publish()
        assert process.figures().successes == 5

    def test_memory_holds_no_more_than_the_windows(self) -> None:
        process = Process()
        for ago in range(600, 0, -5):
            process.tell(result(None), ago=ago)
        process.ledger._tidied_at = 0.0
        process.publish()
        assert len(process.ledger._slots) <= 301


class TestTheModule:
    """The module's own verbs, with the thread that tells the others."""

    @pytest.fixture(autouse=True)
    def anew(self) -> Iterator[None]:
        quality._forget_parent()
        yield
        quality._forget_parent()

    def test_what_is_noted_is_seen_by_other_processes_soon(self, wait_for: WaitFor) -> None:
        quality.note([result(None), result(Unavailable())], now=datetime.now(UTC))
        other = Process()
        wait_for(lambda: other.figures().tries == 2)
        assert quality.own_run("a") == 1

    def test_what_is_out_is_said_again_while_nothing_comes_back(self, wait_for: WaitFor) -> None:
        quality.hand_over(provider="a", messages=3, now=datetime.now(UTC))
        other = Process()
        wait_for(lambda: other.figures().in_flight == 3)
        wait_for(lambda: other.figures().silent_s > 1.0 and other.figures().in_flight == 3)

    def test_a_drain_reads_its_own_without_a_round_trip(self) -> None:
        now = datetime.now(UTC)
        quality.note([result(Unavailable())] * 4, now=now)
        figures = quality.read_alone(spans=[MINUTE], now=now).figures("a", span=MINUTE)
        assert (figures.provider_faults, figures.shared) == (4, False)

    def test_a_forked_process_starts_with_nothing(self) -> None:
        quality.note([result(None)], now=datetime.now(UTC))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            count = quality.read_alone(spans=[MINUTE], now=datetime.now(UTC)).figures("a", span=MINUTE).tries
            os.write(write, str(count).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 9) == b"0"
