"""The sandbox as a provider: in process, and by way of its server."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from channels.adapters.sandbox import ERRORS, SandboxAdapter
from channels.errors import OutcomeUnknown, ProviderError, Throttled, Unavailable
from channels.sandbox.journal import hash_address
from channels.sandbox.server import Sandbox
from channels.types import SendReceipt
from tests.channels.adapter_contract import AdapterContract
from tests.channels.wire import dead_port, message

BAD: list[tuple[dict[str, Any], str]] = [
    ({"latency_ms": -1}, "latency_ms"),
    ({"error_rate": 1.5}, "error_rate"),
    ({"error": "no_such_error"}, "error"),
    ({"receipts": "sometimes"}, "receipts"),
    ({"base_url": "nowhere"}, "base_url"),
    ({"name": "../x"}, "name"),
]


class TestContractInProcess(AdapterContract):
    adapter = "sandbox"
    remote = False
    bad = BAD

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        yield {}


class TestContractByServer(AdapterContract):
    adapter = "sandbox"
    channel = "push"
    bad = BAD

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        with Sandbox(smtp_port=None) as sandbox:
            yield {"base_url": sandbox.url}

    def pointed_at(self, config: dict[str, Any], port: int) -> dict[str, Any]:
        return {"base_url": f"http://127.0.0.1:{port}"}


@pytest.fixture
def journal(settings: Any, tmp_path: Path) -> Path:
    settings.CHANNELS = {**settings.CHANNELS, "SANDBOX_JOURNAL": tmp_path / "journals"}
    return tmp_path / "journals" / "p.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def sandbox(**config: Any) -> SandboxAdapter:
    return SandboxAdapter(provider="p", config=config)


def test_every_error_of_the_tree_can_be_played() -> None:
    for code, kind in ERRORS.items():
        with pytest.raises(kind) as caught:
            sandbox(error_rate=1, error=code, retry_after=5).send(message(), timeout=1)
        assert type(caught.value) is kind
        assert caught.value.retry_after == 5


@pytest.mark.parametrize(
    ("receipts", "delivered", "later"),
    [("none", False, False), ("instant", True, False), ("later", False, True), (True, False, True), (False,) * 3],
)
def test_receipts_come_as_configured(receipts: object, delivered: bool, later: bool) -> None:
    receipt = sandbox(receipts=receipts).send(message(), timeout=1)
    assert (receipt.delivered, receipt.receipts) == (delivered, later)


def test_by_its_server_too_receipts_come_as_configured() -> None:
    with Sandbox(smtp_port=None) as server:
        later = sandbox(base_url=server.url, receipts="later").send(message(), timeout=5)
        none = sandbox(base_url=server.url).send(message(), timeout=5)
        asked = [arrival.data.get("report_as") for arrival in server.store.messages("p")]
    assert (later.receipts, none.receipts) == (True, False)
    assert asked == [None, "p"]


def test_a_seed_repeats_the_sequence_of_failures() -> None:
    def played() -> list[bool]:
        answers = sandbox(error_rate=0.5, seed=7).send_batch([message() for _number in range(50)], timeout=1)
        return [isinstance(answer, ProviderError) for _message, answer in answers]

    first = played()
    assert first == played()
    assert {True, False} <= set(first)


def test_the_share_of_failures_is_about_the_error_rate() -> None:
    answers = sandbox(error_rate=0.3, seed=1).send_batch([message()] * 2000, timeout=1)
    failures = sum(isinstance(answer, Unavailable) for _message, answer in answers)
    assert 500 < failures < 700


def test_what_never_answers_is_an_unknown_outcome_and_in_the_journal(journal: Path) -> None:
    one = message()
    with pytest.raises(OutcomeUnknown):
        sandbox(timeout_rate=1).send(one, timeout=0.05)
    assert [line["id"] for line in lines(journal)] == [str(one.id)]


def test_a_latency_beyond_the_timeout_is_an_unknown_outcome() -> None:
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        sandbox(latency_ms=60_000).send(message(), timeout=0.05)
    assert time.monotonic() - began < 10


def test_latencies_of_several_threads_pass_side_by_side() -> None:
    adapter = sandbox(latency_ms=200)
    threads = [threading.Thread(target=adapter.send, args=(message(),), kwargs={"timeout": 5}) for _number in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 20 * 0.2 / 2


def test_only_a_sandbox_without_latency_asks_for_batches() -> None:
    assert (sandbox().batch_size, sandbox(latency_ms=1).batch_size) == (200, 1)


def test_closing_ends_the_waits() -> None:
    adapter = sandbox(latency_ms=60_000)
    thread = threading.Thread(target=adapter.send, args=(message(),), kwargs={"timeout": 120})
    thread.start()
    adapter.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_journal_has_one_line_for_each_message_taken(journal: Path) -> None:
    messages = [message() for _number in range(100)]
    answers = list(sandbox(error_rate=0.5, seed=3).send_batch(messages, timeout=1))
    taken = [str(one.id) for one, answer in answers if isinstance(answer, SendReceipt)]
    assert Counter(line["id"] for line in lines(journal)) == Counter(taken)
    assert set(lines(journal)[0]) == {"at", "provider", "id", "channel", "to_hash", "pid"}
    assert lines(journal)[0]["to_hash"] == hash_address("+8613800000000")


def test_the_journal_has_the_message_before_the_receipt_is_given(journal: Path) -> None:
    one = message()
    next(iter(sandbox().send_batch([one, message()], timeout=1)))
    assert str(one.id) in [line["id"] for line in lines(journal)]


def test_lines_of_several_threads_do_not_mix(journal: Path) -> None:
    adapter = sandbox()

    def send() -> None:
        for _number in range(20):
            list(adapter.send_batch([message() for _one in range(10)], timeout=1))

    threads = [threading.Thread(target=send) for _number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["id"] for line in lines(journal)}) == 1000


def test_a_journal_that_can_not_be_written_means_not_taken(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.CHANNELS = {**settings.CHANNELS, "SANDBOX_JOURNAL": tmp_path / "file"}
    with pytest.raises(Unavailable):
        sandbox().send(message(), timeout=1)
    assert all(isinstance(answer, Unavailable) for _one, answer in sandbox().send_batch([message()] * 2, timeout=1))


def test_a_journal_can_be_had_where_the_platform_keeps_none(settings: Any, tmp_path: Path) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "SANDBOX_JOURNAL": None}
    settings.DATA_DIR = tmp_path
    sandbox().send(message(), timeout=1)
    assert not (tmp_path / "sandbox").exists()
    sandbox(journal=True).send(message(), timeout=1)
    assert len(lines(tmp_path / "sandbox" / "p.jsonl")) == 1


class TestByServer:
    @pytest.mark.parametrize("channel", ["email", "sms", "push", "im", "voice", "webhook", "inapp"])
    def test_a_message_of_any_channel_arrives(self, channel: str) -> None:
        one = message(channel=channel, to="somebody", text="你好")
        with Sandbox(smtp_port=None) as server:
            receipt = sandbox(base_url=server.url, name="b").send(one, timeout=5)
            (arrival,) = server.store.messages("b")
        assert (arrival.id, arrival.channel, arrival.to, arrival.text) == (str(one.id), channel, "somebody", "你好")
        assert receipt.provider_message_id == arrival.provider_id

    @pytest.mark.parametrize("code", sorted(ERRORS))
    def test_every_error_of_the_tree_can_be_played(self, code: str) -> None:
        from channels.sandbox.behaviour import Behaviour

        with Sandbox(smtp_port=None) as server:
            server.store.set_behaviour("p", Behaviour(error=code, retry_after=3))  # type: ignore[arg-type]
            with pytest.raises(ERRORS[code]) as caught:
                sandbox(base_url=server.url).send(message(), timeout=5)
        assert type(caught.value) is ERRORS[code]
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_after == 3

    def test_a_dead_server_is_unavailable(self) -> None:
        with pytest.raises(Unavailable):
            sandbox(base_url=f"http://127.0.0.1:{dead_port()}").send(message(), timeout=5)


def test_a_batch_may_end_before_all_of_it_was_given_out() -> None:
    messages = [message() for _number in range(3)]
    answers = list(sandbox().send_batch(iter(messages[:2]), timeout=5))
    assert [one for one, _answer in answers] == messages[:2]
