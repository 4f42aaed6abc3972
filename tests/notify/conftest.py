"""What tests of the engine room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from channels import directory
from notify import partitions


@pytest.fixture
def fresh_caches() -> Iterator[None]:
    """What a process remembers of channels and partitions is of this test alone."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    directory.forget()
    partitions.forget_live_window()
