"""What arrived at the sandbox, and how its providers behave: in memory, bounded, shared by its threads."""

from __future__ import annotations

import random
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from channels.sandbox.behaviour import Behaviour, Verdict
from channels.sandbox.journal import Entry, Journal

#: Names that providers of the sandbox may have.
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MESSAGES_KEPT: Final = 1000
NAMES_KEPT: Final = 256
BODY_KEPT: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message that a provider of the sandbox took. ``id`` is the sender's, ``provider_id`` the one we gave."""

    name: str
    channel: str
    id: str
    provider_id: str
    to: str
    text: str
    at: datetime
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    data: Any = None

    def as_json(self) -> dict[str, Any]:
        """For ``GET /messages``: everything, since whoever reads it checks what was sent."""
        return {
            "name": self.name,
            "channel": self.channel,
            "id": self.id,
            "provider_id": self.provider_id,
            "to": self.to,
            "text": self.text,
            "at": self.at.isoformat(),
            "headers": self.headers,
            "body": self.body,
            "data": self.data,
        }


class Store:
    """All names together. The least recently used name goes when there are more than NAMES_KEPT."""

    def __init__(self, *, journal: Path | None = None, seed: int | None = None) -> None:
        self._journal = journal
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._arrivals: OrderedDict[str, deque[Arrival]] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._behaviours: OrderedDict[str, Behaviour] = OrderedDict()

    def behaviour(self, name: str) -> Behaviour:
        """How ``name`` behaves; well, unless somebody said otherwise."""
        with self._lock:
            return self._behaviours.get(name, Behaviour())

    def set_behaviour(self, name: str, behaviour: Behaviour | None) -> None:
        """From now on ``name`` behaves so; None: well."""
        with self._lock:
            self._behaviours.pop(name, None)
            if behaviour is not None:
                self._behaviours[name] = behaviour
                if len(self._behaviours) > NAMES_KEPT:
                    self._behaviours.popitem(last=False)

    def decide(self, name: str) -> Verdict:
        """What becomes of the next message for ``name``."""
        behaviour = self.behaviour(name)
        with self._lock:
            return behaviour.decide(self._chance)

    def draw(self) -> float:
        """A number between 0 and 1, by chance."""
        with self._lock:
            return self._chance.random()

    def take(self, arrival: Arrival) -> None:
        """Remembers a message, in the journal first. Raises OSError when that can't be written."""
        if self._journal is not None:
            journal = Journal.of(self._journal, arrival.name, prefix="server-")
            journal.append([Entry(arrival.id, arrival.channel, arrival.to)])
        with self._lock:
            kept = self._arrivals.setdefault(arrival.name, deque(maxlen=MESSAGES_KEPT))
            kept.append(arrival)
            self._arrivals.move_to_end(arrival.name)
            self._counts[arrival.name] = self._counts.get(arrival.name, 0) + 1
            if len(self._arrivals) > NAMES_KEPT:
                forgotten, _messages = self._arrivals.popitem(last=False)
                self._counts.pop(forgotten, None)

    def messages(self, name: str = "", *, limit: int = MESSAGES_KEPT) -> list[Arrival]:
        """The latest messages, newest first; of all names when ``name`` is empty."""
        with self._lock:
            found = [list(kept) for key, kept in self._arrivals.items() if not name or key == name]
        merged = sorted((arrival for kept in found for arrival in kept), key=lambda arrival: arrival.at, reverse=True)
        return list(islice(merged, limit))

    def forget(self, name: str = "") -> None:
        """Forgets the messages of ``name``, or all of them. Journals stay."""
        with self._lock:
            for key in [key for key in self._arrivals if not name or key == name]:
                del self._arrivals[key]
                self._counts.pop(key, None)

    def counts(self) -> Iterator[tuple[str, int, Behaviour]]:
        """Every name that got messages: how many since it was last forgotten, and how it behaves."""
        with self._lock:
            counted = sorted(self._counts.items())
        return ((name, count, self.behaviour(name)) for name, count in counted)
