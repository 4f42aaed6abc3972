"""What is measured: a module each, with ``run(bench) -> Outcome``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.bench import Bench
    from bench.figures import Outcome

#: In the order of a run. The one that fills the disk is the last of those that need the database as it was.
MEASURES: Final[Mapping[str, str]] = {
    "delivery": "Delivery through one worker process",
    "engine": "What counting and judging adds to a delivery",
    "accept": "Accepting one notification",
    "batch": "Accepting batches",
    "provider": "A provider of 100 ms",
    "smtp": "Emails by SMTP",
    "idle": "An idle system",
    "isolation": "A fault here, and what it does there",
    "receipts": "Receipts by the thousand, and what they do to sending",
    "fairness": "One application with a lane full",
    "spike": "A spike of bulk, ten times what comes otherwise",
    "capacity": "What a message costs, and the model of capacity beside the product",
    "claim": "Claiming from a long lane",
    "history": "With ten million finished rows",
}


def load(name: str) -> Callable[[Bench], Outcome]:
    """The measure called ``name``. Django has to be set up."""
    run: Callable[[Bench], Outcome] = import_module(f"bench.measures.{name}").run
    return run
