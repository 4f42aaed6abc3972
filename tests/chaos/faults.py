"""All faults, in the order in which ``make chaos`` tries them. Those on one kind of stack stand together."""

from __future__ import annotations

from tests.chaos import faults_of_clocks, faults_of_engines, faults_of_processes, faults_of_providers
from tests.chaos.fault import Fault

FAULTS: tuple[Fault, ...] = tuple(
    value
    for room in (faults_of_processes, faults_of_engines, faults_of_providers, faults_of_clocks)
    for value in vars(room).values()
    if isinstance(value, Fault)
)
