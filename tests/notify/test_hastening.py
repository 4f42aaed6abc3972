"""Those who wait look sooner when there is something new to see, bit by bit, and nobody else does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels.degradation import pins, standings
from channels.degradation.standing import ChannelState, ProviderState, Transition
from channels.models import Provider
from notify import hastening
from notify.hastening import Change, Hastener, is_news
from notify.lanes import Place
from notify.models import Application, Delivery
from notify.rows import DeliveryRow
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


def waiting(application: Application, *, count: int = 1, lane: str = "normal", **changes: Any) -> list[DeliveryRow]:
    """Deliveries that failed once and are due again in five minutes."""
    fields: dict[str, Any] = {"due_in_s": 300, "attempts": 1, "error_code": "unavailable", **changes}
    return enter(application, count=count, now=timezone.now(), priority=lane, **fields)


def due(rows: list[DeliveryRow]) -> list[datetime]:
    ids = [row.id for row in rows]
    return list(Delivery.objects.filter(id__in=ids).order_by("due_at").values_list("due_at", flat=True))


def changed(target: str, before: str, after: str) -> None:
    share = 0.0 if after in {"open", "paused"} else 1.0
    standings.log(
        [
            Transition(
                target=target,
                before=before,
                after=after,
                share_before=1.0 - share,
                share_after=share,
                reason="because",
                at=timezone.now(),
            )
        ]
    )


def providers(*names: str) -> None:
    for name in names:
        Provider.objects.create(name=name, channel="sms", adapter="sandbox")


@pytest.mark.parametrize(
    ("target", "before", "after", "others_well", "news"),
    [
        ("provider:a", "healthy", ProviderState.OPEN, True, True),
        ("provider:a", "healthy", ProviderState.OPEN, False, False),
        ("provider:a", ProviderState.OPEN, ProviderState.RECOVERING, False, True),
        ("provider:a", ProviderState.DISABLED, ProviderState.HEALTHY, False, True),
        ("provider:a", ProviderState.RECOVERING, ProviderState.RECOVERING, True, False),
        ("provider:a", "healthy", ProviderState.DEGRADED, True, False),
        ("channel:sms", ChannelState.NORMAL, ChannelState.SWITCHED, True, True),
        ("channel:sms", ChannelState.PAUSED, ChannelState.SHEDDING, True, True),
        ("channel:sms", ChannelState.SHEDDING, ChannelState.NORMAL, True, True),
        ("channel:sms", ChannelState.NORMAL, ChannelState.SHEDDING, True, False),
        ("channel:sms", ChannelState.SHEDDING, ChannelState.PAUSED, True, False),
        ("channel:sms", ChannelState.SWITCHED, ChannelState.SWITCHED, True, False),
    ],
)
def test_news_is_what_gives_those_who_wait_a_new_way(
    target: str, before: str, after: str, others_well: bool, news: bool
) -> None:
    assert is_news(Change(target, before, after), others_well=others_well) is news


def test_retries_of_a_provider_that_was_opened_go_to_the_other_at_once() -> None:
    providers("a", "b")
    rows = waiting(make_application(), count=3)
    changed("provider:a", "healthy", "open")
    assert Hastener().look(now=timezone.now()) == 3
    assert max(due(rows)) < timezone.now() + timedelta(seconds=2)


def test_what_waits_in_other_channels_is_left_alone() -> None:
    providers("a", "b")
    Provider.objects.create(name="esp", channel="email", adapter="sandbox")
    waiting(make_application())
    changed("provider:esp", "open", "recovering")
    assert Hastener().look(now=timezone.now()) == 0


def test_what_is_held_goes_when_its_channel_comes_back() -> None:
    rows = waiting(make_application(), count=3, attempts=0, waits=2, error_code="channel_held")
    changed("channel:sms", "paused", "shedding")
    assert Hastener().look(now=timezone.now()) == 3
    assert max(due(rows)) < timezone.now() + timedelta(seconds=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "scheduled", "attempts": 0, "error_code": ""},
        {"attempts": 0, "error_code": ""},
        {"error_code": "throttled"},
        {"error_code": "report_awaited"},
        {"error_code": "endpoint_unavailable"},
        {"due_in_s": 3600},
        {"status": "sent"},
    ],
)
def test_what_has_another_reason_to_wait_goes_on_waiting(changes: dict[str, Any]) -> None:
    before = due(rows := waiting(make_application(), **changes))
    changed("channel:sms", "paused", "shedding")
    assert Hastener().look(now=timezone.now()) == 0
    assert due(rows) == before


def test_news_is_new_for_moments_so_that_what_others_put_off_before_they_saw_it_is_not_forgotten() -> None:
    changed("channel:sms", "paused", "shedding")
    hastener, now = Hastener(), timezone.now()
    assert hastener.look(now=now) == 0
    waiting(make_application())
    assert hastener.look(now=now + timedelta(seconds=1)) == 1
    waiting(make_application())
    assert hastener.look(now=now + timedelta(seconds=4)) == 0


def test_an_order_that_is_ended_early_lets_what_it_held_go_at_once() -> None:
    now = timezone.now()
    pin = pins.put(
        action="hold",
        application="shop",
        reason="too loud",
        author="ann",
        starts_at=now - timedelta(minutes=1),
        ends_at=now + timedelta(hours=3),
        now=now,
    )
    hastener = Hastener()
    rows = waiting(make_application(), due_in_s=3 * 3600, attempts=0, waits=1, error_code="channel_held")
    assert hastener.look(now=timezone.now()) == 0
    pins.end(pin_id=pin.id, now=timezone.now())
    assert hastener.look(now=timezone.now()) == 1
    assert max(due(rows)) < timezone.now() + timedelta(seconds=2)


def test_a_lane_is_gone_through_in_portions_and_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hastening, "_READ", 4)
    rows = [row for _ in range(3) for row in waiting(make_application(), count=3)]
    for step, one in enumerate(rows):  # each at its own moment
        Delivery.objects.filter(pk=one.id).update(due_at=timezone.now() + timedelta(seconds=60 + step))
    changed("channel:sms", "paused", "shedding")
    hastener = Hastener()
    assert [hastener.look(now=timezone.now()) for _ in range(4)] == [4, 4, 1, 0]


def test_neither_what_is_due_nor_what_is_scheduled_is_read_through() -> None:
    application = make_application()
    enter(application, count=1500, now=timezone.now(), priority="normal", due_in_s=-5)
    enter(application, count=1500, now=timezone.now(), priority="normal", due_in_s=7200, status="scheduled")
    waiting(application, count=5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notify_delivery")
    until = timezone.now() + timedelta(minutes=10)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        hastening.hasten(lane="sms.normal", until=until, place=Place(), now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS) {queries[-1]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    removed = [int(line.rsplit(":", 1)[1]) for line in plan.splitlines() if "Rows Removed by Filter" in line]
    assert sum(removed) < 100, plan
