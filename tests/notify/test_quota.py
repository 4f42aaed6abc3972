"""Rates and quotas: all or nothing, told in headers, and never in the way when Redis is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from notify import quota
from notify.errors import NotifyError, QuotaExceeded, RateLimited
from notify.models import Application

pytestmark = pytest.mark.usefixtures("clean_redis")
NOW = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)


def application(**values: object) -> Application:
    return Application(**{"id": 7, "name": "app", **values})


def charge(app: Application, cost: int = 1, *, at: float = 0.0) -> quota.LimitState:
    return quota.charge(application=app, cost=cost, now=NOW + timedelta(seconds=at))


def test_an_application_without_limits_is_not_counted() -> None:
    state = charge(application(), 10_000)

    assert state.headers == {}
    assert redis.Redis.from_url(settings.REDIS_URL).dbsize() == 0


def test_the_rate_lets_as_many_through_as_it_says() -> None:
    app = application(rate_limit="5/s")
    for _ in range(5):
        charge(app)

    with pytest.raises(RateLimited) as caught:
        charge(app)

    assert caught.value.retry_after == pytest.approx(0.2)


def test_the_rate_comes_back_steadily() -> None:
    app = application(rate_limit="5/s")
    charge(app, 5)

    charge(app, 2, at=0.4)
    with pytest.raises(RateLimited):
        charge(app, 1, at=0.41)
    charge(app, 5, at=1.5)


def test_what_is_larger_than_what_remains_is_refused_whole() -> None:
    app = application(rate_limit="10/s", daily_quota=100)
    charge(app, 8)

    with pytest.raises(RateLimited):
        charge(app, 3)
    charge(app, 2)


def test_a_batch_larger_than_the_rate_passes_when_nothing_is_owed_and_is_made_up_for() -> None:
    app = application(rate_limit="10/s")
    charge(app, 100)

    with pytest.raises(RateLimited) as caught:
        charge(app, 1)

    assert caught.value.retry_after is not None
    with pytest.raises(RateLimited):
        charge(app, 1, at=9.0)
    charge(app, 1, at=9.11)


def test_the_quota_of_a_day_is_refused_whole_and_returns_at_midnight_utc() -> None:
    app = application(daily_quota=10)
    charge(app, 7)

    with pytest.raises(QuotaExceeded) as caught:
        charge(app, 4)

    assert caught.value.retry_after == 3600
    charge(app, 3)
    charge(app, 10, at=3600)


def test_a_refusal_uses_nothing_up() -> None:
    app = application(rate_limit="10/s", daily_quota=5)

    with pytest.raises(QuotaExceeded):
        charge(app, 6)

    assert [limit.remaining for limit in charge(app, 5).limits] == [5, 0]


def test_applications_do_not_share_limits() -> None:
    charge(application(id=1, rate_limit="1/s"))

    charge(application(id=2, rate_limit="1/s"))


def test_the_headers_tell_what_is_left() -> None:
    headers = charge(application(rate_limit="50/s", daily_quota=1000)).headers

    assert headers == {
        "RateLimit-Policy": '"default";q=50;w=1, "daily";q=1000;w=86400',
        "RateLimit": '"default";r=49;t=1, "daily";r=999;t=3600',
    }


def test_a_refusal_carries_the_headers_too() -> None:
    app = application(rate_limit="1/m")
    charge(app)

    with pytest.raises(quota.OverRate) as caught:
        charge(app)

    assert caught.value.headers["RateLimit"] == '"default";r=0;t=60'


def test_threads_can_not_take_more_than_there_is() -> None:
    app = application(daily_quota=50)

    def take(_index: int) -> bool:
        try:
            charge(app)
        except NotifyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(80))) == 50


def test_counters_do_not_stay_for_ever() -> None:
    charge(application(rate_limit="5/s", daily_quota=10))

    client = redis.Redis.from_url(settings.REDIS_URL)
    assert all(0 < client.ttl(key) <= 90_000 for key in client.scan_iter())


def test_a_wiped_redis_counts_from_nothing() -> None:
    app = application(daily_quota=1)
    charge(app)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()

    charge(app)


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def _fresh_cutout(self) -> Iterator[None]:
        quota._cutout.reset()
        yield
        quota._cutout.reset()

    def test_everything_is_let_through(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        app = application(rate_limit="1/s", daily_quota=1)

        with override_settings(REDIS_URL=address):
            assert [charge(app, 5).headers for _ in range(3)] == [{}, {}, {}]

    def test_a_redis_that_hangs_is_asked_once_and_then_left_alone(self) -> None:
        app = application(rate_limit="1/s")
        with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
            silent.settimeout(5)
            address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            with override_settings(REDIS_URL=address):
                for _ in range(50):
                    charge(app)
            connections = [silent.accept()]
            silent.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connections.append(silent.accept())
            connections[0][0].close()

    def test_it_counts_again_when_redis_is_back(self) -> None:
        app = application(daily_quota=1)
        quota._cutout.call(lambda: redis.Redis(port=1).ping(), otherwise=None)
        assert quota._cutout.is_open
        assert charge(app, 99).headers == {}

        quota._cutout.reset()

        with pytest.raises(QuotaExceeded):
            charge(app, 99)
