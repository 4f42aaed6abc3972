"""What tests of manual degradation have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils.translation import override


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    # The language of the last page that was asked for stays with the thread.
    with override("en"):
        yield
