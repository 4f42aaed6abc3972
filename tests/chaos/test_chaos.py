"""A few faults with small numbers, in every test run; ``make chaos`` tries all of them, for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos import faults_of_engines, faults_of_processes, faults_of_providers, report
from tests.chaos.experiment import Measures, run
from tests.chaos.fault import Fault
from tests.chaos.scene import Scene
from tests.stack.live import LiveStack

SMALL = Measures(rate=40.0, before_s=1.0, after_s=0.5, long=0.4)
#: Who is well again is found so soon: here it is looked at what becomes of the messages, not how long they wait.
SOON = {"probe": {"interval_s": 1, "successes": 2}, "ramp": {"steps": [50, 100], "hold_s": 1}}

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def scene(live_stack: LiveStack) -> Iterator[Scene]:
    made = Scene.on(live_stack, **SOON)
    yield made
    made.clear()


@pytest.mark.parametrize(
    "fault",
    [
        faults_of_processes.WORKER_KILLED,
        faults_of_engines.VALKEY_RESETS,
        faults_of_providers.CUT,
        faults_of_providers.RECEIPTS,
    ],
    ids=lambda fault: fault.name,
)
def test_nothing_is_lost_and_every_duplicate_is_explained(scene: Scene, fault: Fault) -> None:
    result = run(fault, scene, SMALL)

    print(f"\n{report.head()}\n{report.line(result)}")
    assert result.judgement is not None
    assert result.judgement.against == []
