"""The keyed hash of an address: the same for whoever knows the address and the key, and no help to anybody else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from notify import address_hash
from notify.models import Delivery
from tests.factories import make_application, make_client

PHONE = "+8613800001234"


def test_an_address_has_one_hash_that_fits_a_bigint() -> None:
    assert address_hash.of(PHONE) == address_hash.of(PHONE)
    assert -(2**63) <= address_hash.of(PHONE) < 2**63
    assert address_hash.of(PHONE) != address_hash.of("+8613800001235")


def test_under_another_key_it_is_another(settings: Any) -> None:
    before = address_hash.of(PHONE)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert address_hash.of(PHONE) != before


def test_what_was_stored_under_an_older_key_is_a_candidate_while_that_is_listed(settings: Any) -> None:
    before = address_hash.of(PHONE)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    assert before in address_hash.candidates([PHONE])
    assert address_hash.of(PHONE) in address_hash.candidates([PHONE])


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("+86 138 0000 1234", PHONE), ("Alice@EXAMPLE.com", "Alice@example.com"), ("user-7", "user-7")],
)
def test_an_address_is_read_as_its_channel_writes_it(typed: str, stored: str) -> None:
    assert stored in address_hash.readings(typed)


def test_any_text_has_a_hash() -> None:
    assert isinstance(address_hash.of("\ud800"), int)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recipients", [1, 40], ids=["insert", "copy"])
def test_what_is_accepted_carries_the_hash_of_its_address(recipients: int) -> None:
    client = make_client(make_application())
    numbers = [f"+86138{number:08d}" for number in range(recipients)]
    body: dict[str, Any] = {
        "channels": ["sms"],
        "content": {"text": "Hi"},
        "recipients": [{"to": {"phone": number}} for number in numbers],
    }
    answer = client.post("/api/v1/notifications/batch", body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    stored = dict(Delivery.objects.values_list("address", "address_hash"))
    assert stored == {number: address_hash.of(number) for number in numbers}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["notify_delivery_held", "notify_delivery_address", "notify_delivery_receipt"])
def test_every_partition_has_the_index_and_so_has_the_next_one(name: str) -> None:
    from notify import partitions

    partitions.ensure(now=timezone.now(), ahead_days=9)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [name])
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [name])
        (indexes,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'notify_delivery'::regclass")
        assert cursor.fetchone() == (indexes,)
