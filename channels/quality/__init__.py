"""How well providers do: every try is counted, in windows that all processes share through Redis and each keeps for
itself.

Counting costs the sender microseconds and no round trip: a thread of the process writes what gathered in a tenth of a
second in one pipeline. With Redis away, or wiped, each process's own window stands, and is written down again when
there is somebody to read it. ``docs/degradation.md`` says what the figures are used for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock

from channels.quality import rollups
from channels.quality.ledger import MINUTES_KEPT_S, Ledger
from channels.quality.publisher import Publisher
from channels.quality.reading import Reading, Span
from channels.quality.store import Store, read_own
from channels.quality.tally import notes_of
from channels.types import SendResult

__all__ = [
    "Reading",
    "Span",
    "came_back",
    "forget_past",
    "good_before_run",
    "hand_over",
    "note",
    "note_receipt",
    "own_run",
    "publish",
    "read",
    "read_alone",
    "roll_up",
]


class _Process:
    """What this process knows, and how it tells."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.store = Store()
        self.publisher = Publisher(ledger=self.ledger, store=self.store)


class _Shared:
    process: _Process | None = None
    lock = Lock()


def _forget_parent() -> None:
    """After a fork: what the parent counted is the parent's to tell, and its thread was not taken along."""
    _Shared.process, _Shared.lock = None, Lock()


os.register_at_fork(after_in_child=_forget_parent)


def _process() -> _Process:
    process = _Shared.process
    if process is None:
        with _Shared.lock:
            process = _Shared.process = _Shared.process or _Process()
    return process


# --- counting ---------------------------------------------------------------------------------------------------------


def note(results: Sequence[SendResult], *, now: datetime) -> None:
    """Counts the tries of a batch of results, and the receipts that are now due. Never raises, never waits."""
    notes = notes_of(results)
    if notes:
        process = _process()
        process.ledger.note(notes, now=now.timestamp())
        process.publisher.wake()


def note_receipt(*, provider: str, delay_s: float, delivered: bool, now: datetime) -> None:
    """Counts a provider's report on a message that was handed over ``delay_s`` seconds ago."""
    if delay_s < MINUTES_KEPT_S:  # nobody looks at older ones any more
        process = _process()
        process.ledger.note_receipt(
            provider=provider, delay_s=max(0.0, delay_s), delivered=delivered, now=now.timestamp()
        )
        process.publisher.wake()


def hand_over(*, provider: str, messages: int, now: datetime) -> None:
    """Says that so many messages are with the provider from now on, and not answered."""
    process = _process()
    process.ledger.note_handover(provider=provider, messages=messages, now=now.timestamp())
    process.publisher.wake()


def came_back(*, provider: str, messages: int, now: datetime) -> None:
    """Says that so many of them are not with the provider any more."""
    _process().ledger.note_handover(provider=provider, messages=-messages, now=now.timestamp())


# --- reading ----------------------------------------------------------------------------------------------------------


def read(*, spans: Iterable[Span], now: datetime) -> Reading:
    """What all processes know, as far back as ``spans`` go, in one round trip; with Redis away, what this one knows."""
    process = _process()
    return process.store.read(process.ledger, list(spans), now=now.timestamp())


def read_alone(*, spans: Iterable[Span], now: datetime) -> Reading:
    """What this process knows by itself, with no round trip: for decisions within a drain."""
    return read_own(_process().ledger, list(spans), now=now.timestamp())


def own_run(provider: str) -> int:
    """How many faults of ``provider`` in a row this process has just seen."""
    return _process().ledger.own_run(provider)


def good_before_run(provider: str) -> int:
    """How many successes of ``provider`` in a row, fifty at most, this process saw just before that run."""
    return _process().ledger.good_before_run(provider)


# --- keeping ----------------------------------------------------------------------------------------------------------


def publish(*, now: datetime) -> bool:
    """Tells the others at once; says whether they can know. Its thread does it anyway, a moment later."""
    process = _process()
    return process.store.publish(process.ledger, now=now.timestamp())


def roll_up(*, now: datetime) -> int:
    """Writes minutes with something new in them to the table. Any process may, at any time, and several at once."""
    process = _process()
    return rollups.roll_up(store=process.store, ledger=process.ledger, now=now)


def forget_past(*, now: datetime) -> int:
    """Removes minutes from the table that are past keeping."""
    return rollups.forget_past(now=now)
