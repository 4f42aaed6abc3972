"""What tests of this room share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from channels import directory

#: The databases of the test processes are the first ones (``tests.embedded_plugin``).
_APART = 8


@pytest.fixture
def redis_apart(settings: Any) -> Iterator[None]:
    """An empty Redis database that this process's own thread of figures does not write to: a wiped server makes it
    write down again what it knows, at any moment, of any earlier test."""
    settings.REDIS_URL = re.sub(r"(\d+)$", lambda found: str(int(found[1]) + _APART), settings.REDIS_URL)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield
        client.flushdb()


@pytest.fixture
def fresh_directory() -> Iterator[None]:
    """What this process knows of channels and providers is of this test alone."""
    directory.forget()
    yield
    directory.forget()
