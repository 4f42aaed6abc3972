"""The inbox, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from django.db import connection, connections

from channels.adapters.inapp import InappAdapter
from channels.errors import MessageRejected, RecipientRejected, Unavailable
from channels.models import InboxMessage
from channels.types import SendReceipt
from tests.channels.adapter_contract import AdapterContract
from tests.channels.wire import message


@pytest.mark.django_db
class TestContract(AdapterContract):
    adapter = "inapp"
    channel = "inapp"
    address = "u1"
    remote = False
    bad_message: ClassVar[dict[str, Any]] = {"to": ""}

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        yield {}


def inapp() -> InappAdapter:
    return InappAdapter(provider="p", config={})


@pytest.mark.django_db
def test_a_message_becomes_a_row_with_the_deliverys_id() -> None:
    one = message(
        to="u1", subject="s", text="你好", html="<b>", application="billing", category="c", metadata={"a": [1]}
    )
    receipt = inapp().send(one, timeout=5)
    row = InboxMessage.objects.get(pk=one.id)
    assert receipt.delivered
    assert (row.user_id, row.subject, row.text, row.html) == ("u1", "s", "你好", "<b>")
    assert (row.application, row.category, row.metadata, row.read_at) == ("billing", "c", {"a": [1]}, None)


@pytest.mark.django_db
def test_a_batch_is_one_statement(django_assert_num_queries: Any) -> None:
    messages = [message(to=f"u{number}") for number in range(200)]
    with django_assert_num_queries(1):
        answers = list(inapp().send_batch(messages, timeout=5))
    assert all(isinstance(answer, SendReceipt) for _one, answer in answers)
    assert InboxMessage.objects.filter(pk__in=[one.id for one in messages]).count() == 200


@pytest.mark.django_db
def test_a_second_attempt_changes_nothing() -> None:
    one = message(to="u1", text="first")
    inapp().send(one, timeout=5)
    InboxMessage.objects.filter(pk=one.id).update(text="read and edited")
    assert inapp().send(one, timeout=5).delivered
    assert InboxMessage.objects.get(pk=one.id).text == "read and edited"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "fields",
    [
        {"text": "nul \x00"},
        {"metadata": {"a": "\x00"}},
        {"application": "x" * 100},
        {"text": None},
        {"metadata": {"a": object()}},
    ],
)
def test_one_message_the_database_refuses_does_not_take_the_others_with_it(fields: dict[str, Any]) -> None:
    good, bad = [message(to="u1") for _number in range(3)], message(to="u1", **fields)
    answers = {one.id: answer for one, answer in inapp().send_batch([good[0], bad, *good[1:]], timeout=5)}
    assert isinstance(answers.pop(bad.id), MessageRejected)
    assert all(isinstance(answer, SendReceipt) for answer in answers.values())
    assert set(InboxMessage.objects.values_list("id", flat=True)) == {one.id for one in good}


@pytest.mark.parametrize("to", ["", "u" * 256, "a\x00"])
def test_what_is_no_users_id_is_rejected(to: str) -> None:
    with pytest.raises(RecipientRejected):
        inapp().send(message(to=to), timeout=5)


def test_a_subject_too_long_is_rejected() -> None:
    with pytest.raises(MessageRejected):
        inapp().send(message(to="u1", subject="s" * 999), timeout=5)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_costs_one_attempt_and_no_more() -> None:
    adapter = inapp()
    adapter.send(message(to="u1"), timeout=5)
    cut_own_connection()
    with pytest.raises(Unavailable):
        adapter.send(message(to="u1"), timeout=5)
    assert adapter.send(message(to="u1"), timeout=5).delivered


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_unavailable(settings: Any) -> None:
    outcomes: list[object] = []

    def send() -> None:
        connections["default"].settings_dict = {**connections["default"].settings_dict, "HOST": "/nowhere"}
        try:
            outcomes.extend(answer for _one, answer in inapp().send_batch([message(to="u1")] * 2, timeout=5))
        finally:
            connections.close_all()

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]


def cut_own_connection() -> None:
    """Has the server end this thread's connection, by way of another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def cut() -> None:
        with connection.cursor() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        connection.close()

    thread = threading.Thread(target=cut)
    thread.start()
    thread.join()
