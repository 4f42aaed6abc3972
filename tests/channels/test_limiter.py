"""Providers' rates: counted by what was granted, with a part of each window kept for what is urgent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from channels import limiter
from channels.limiter import Limiter

pytestmark = pytest.mark.usefixtures("clean_redis")

Take = Callable[..., tuple[int, float]]


def nobody() -> Limiter:
    """A limiter whose Redis is away."""
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        return Limiter()


@pytest.fixture(params=["shared", "own"])
def take(request: pytest.FixtureRequest) -> Take:
    """Takes from a rate, counted by Redis or, when that is away, by this process."""
    made = Limiter() if request.param == "shared" else nobody()

    def ask(wanted: int, priority: str = "critical", rate: str = "100/m", provider: str = "p") -> tuple[int, float]:
        return made.take(provider=provider, rate=rate, wanted=wanted, priority=priority)

    return ask


def test_an_empty_rate_is_no_limit(take: Take) -> None:
    assert take(10_000, rate="") == (10_000, 0.0)


def test_no_more_than_the_rate_is_granted_and_the_rest_is_told_when(take: Take) -> None:
    assert take(70) == (70, 0.0)
    granted, more_in = take(70)
    assert granted == 30
    assert 0 < more_in <= 60


def test_what_was_refused_does_not_count(take: Take) -> None:
    take(60, "bulk")
    for _ in range(10):
        assert take(1000, "bulk")[0] == 0
    assert take(40)[0] == 40


def test_bulk_leaves_a_part_for_what_is_more_urgent(take: Take) -> None:
    assert take(1000, "bulk")[0] == 60
    assert take(1000, "normal")[0] == 25
    assert take(1000, "critical")[0] == 15


@pytest.mark.parametrize(("period_s", "left_s", "granted"), [(1, 1.0, 60), (1, 0.25, 80), (1, 0.0, 100), (3600, 0, 60)])
def test_towards_the_end_of_a_short_window_nobody_is_kept_from_what_is_not_used(
    period_s: int, left_s: float, granted: int
) -> None:
    window = limiter._Window(ends_at=0.0)
    assert window.take(limiter.Rate(100, period_s), "bulk", 1000, left_s=left_s)[0] == granted


def test_processes_together_open_a_window_towards_its_end() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        made = Limiter()
        assert made.take(provider="p", rate="100/m", wanted=1000, priority="bulk") == (60, 7.5)
        (key,) = client.keys("goutong:rate:*")
        client.pexpire(key, 15_000)
        assert 20 <= made.take(provider="p", rate="100/m", wanted=1000, priority="bulk")[0] < 40


def test_what_is_critical_may_use_all_of_it(take: Take) -> None:
    assert take(1000, "critical")[0] == 100
    assert take(1, "bulk")[0] == 0


def test_what_urgent_messages_used_is_not_held_against_bulk_while_there_is_room(take: Take) -> None:
    take(40, "critical")
    assert take(1000, "bulk")[0] == 60


def test_a_priority_that_names_none_is_a_normal_one() -> None:
    assert Limiter().take(provider="p", rate="100/m", wanted=1000)[0] == 85


@pytest.mark.parametrize("priority", ["critical", "normal", "bulk"])
def test_the_smallest_rate_has_a_place_for_everybody(take: Take, priority: str) -> None:
    assert take(5, priority, rate="1/m")[0] == 1


def test_each_provider_has_its_own(take: Take) -> None:
    take(100, provider="a")
    assert take(100, provider="b")[0] == 100


def test_a_window_that_is_over_makes_room_again(take: Take, wait_for: Any) -> None:
    take(5, rate="5/s")
    wait_for(lambda: take(5, rate="5/s")[0] == 5, timeout=5)


def test_processes_share_what_is_left() -> None:
    limiters = [Limiter() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        granted = pool.map(
            lambda number: limiters[number % 4].take(provider="p", rate="100/m", wanted=10, priority="critical")[0],
            range(40),
        )
        assert sum(granted) == 100


def test_a_count_that_lost_its_end_gets_one_again() -> None:
    """A window that never ends would close the provider for ever."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        made = Limiter()
        made.take(provider="p", rate="5/m", wanted=5, priority="critical")
        (key,) = client.keys("goutong:rate:*")
        client.persist(key)
        made.take(provider="p", rate="5/m", wanted=5, priority="critical")
        assert 0 < client.pttl(key) <= 60_000


def test_threads_that_come_together_share_one_limiter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter._Shared, "limiter", None)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _number: limiter.shared(), range(64)))
    assert len({id(one) for one in made}) == 1
