"""What journeys share: the providers behind the product, which answer as real ones do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.gateways import Gateways


@pytest.fixture
def gateways() -> Iterator[Gateways]:
    """``/a`` and ``/b``, each a fiftieth of a second away."""
    made = Gateways(latency_s=0.02)
    yield made
    made.close()
