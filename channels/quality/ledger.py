"""What this process has seen of its providers: seconds for five minutes, and minutes for a day.

Everybody writes down totals of their own, never differences: a page that is written twice, or again after the server
forgot it, changes nothing. Times are the server's, as far as it is known how far our clock is from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final
from uuid import uuid4

from channels.quality.tally import Note, Pulse, Run, Tally, decode, encode

SLOT_S: Final = 1
SLOTS_KEPT_S: Final = 300
MINUTE_S: Final = 60
#: A receipt may be called late after a day at most; then there is the window to look at.
MINUTES_KEPT_S: Final = 26 * 3600
#: Older minutes are kept as bytes: a day of them takes little room.
_WARM_S: Final = 600
#: So many notes at most wait to be put into their slots.
_FRESH_AT_MOST: Final = 256
#: How often what is old is looked for.
_TIDY_S: Final = 10.0

Slots = Mapping[int, Mapping[str, Tally]]


@dataclass(frozen=True, slots=True)
class Page:
    """Totals of one process that others have not seen yet: by slot, or minute, and provider."""

    slots: Mapping[int, Mapping[str, bytes]]
    minutes: Mapping[int, Mapping[str, bytes]]


class Ledger:
    """One process's own. Used by all its threads."""

    def __init__(self) -> None:
        self.process = uuid4().hex[:12]
        #: The server's time less ours. None until the server was asked.
        self.offset: float | None = None
        self._lock = Lock()
        self._fresh: list[tuple[float, str, Tally]] = []
        self._slots: dict[int, dict[str, Tally]] = defaultdict(dict)
        self._minutes: dict[int, dict[str, Tally | bytes]] = defaultdict(dict)
        self._pulses: dict[str, Pulse] = {}
        self._runs: dict[str, Run] = defaultdict(Run)
        self._tidied_at = 0.0
        self._news: tuple[dict[int, set[str]], dict[int, set[str]]] = (defaultdict(set), defaultdict(set))

    # --- in -----------------------------------------------------------------------------------------------------------

    def note(self, notes: Mapping[str, Note], *, now: float) -> None:
        """Takes down what a batch of results said."""
        with self._lock:
            for provider, note in notes.items():
                self._take(now, provider, note.tally)
                self._feel(provider, note, now)

    def note_receipt(self, *, provider: str, delay_s: float, delivered: bool, now: float) -> None:
        """Takes down a report, with the messages that were handed over when its own was."""
        tally = Tally()
        tally.add_receipt(delay_s=delay_s, delivered=delivered)
        with self._lock:
            self._take(now - delay_s, provider, tally)

    def note_handover(self, *, provider: str, messages: int, now: float) -> None:
        """Takes down that so many more messages are out, or, if negative, so many fewer."""
        with self._lock:
            pulse = self._pulse(provider)
            if not pulse.in_flight:
                pulse.quiet_since = now
            pulse.in_flight = max(0, pulse.in_flight + messages)
            pulse.at = now

    def _take(self, at: float, provider: str, tally: Tally) -> None:
        self._fresh.append((at, provider, tally))
        if len(self._fresh) >= _FRESH_AT_MOST:
            self._settle()

    def _pulse(self, provider: str) -> Pulse:
        pulse = self._pulses.get(provider)
        if pulse is None:
            pulse = self._pulses[provider] = Pulse()
        return pulse

    def _feel(self, provider: str, note: Note, now: float) -> None:
        pulse, run = self._pulse(provider), self._runs[provider]
        run.follow(note.run)
        pulse.at = now
        if note.tally.tries > note.tally.timeouts:
            pulse.quiet_since = now
        if note.tally.successes:
            pulse.success_at, pulse.run = now, 0
        if run.faults and not pulse.run:
            pulse.run_since = now
        pulse.run = len(run.faults)

    # --- out ----------------------------------------------------------------------------------------------------------

    def own_run(self, provider: str) -> int:
        """How many faults of ``provider`` in a row this process has just seen."""
        pulse = self._pulses.get(provider)
        return pulse.run if pulse is not None else 0

    def good_before_run(self, provider: str) -> int:
        """How many successes in a row, as far as they are counted, this process saw just before that run."""
        with self._lock:
            run = self._runs.get(provider)
            return run.good_before if run is not None else 0

    @property
    def waits(self) -> bool:
        """Whether anything is out and not answered."""
        return any(pulse.in_flight for pulse in [*self._pulses.values()])

    @property
    def is_fresh(self) -> bool:
        """Whether there is something that nobody else can have seen."""
        return bool(self._fresh)

    def server_time(self, now: float) -> float:
        """Our ``now`` as the server would say it."""
        return now + (self.offset or 0.0)

    def turn(self, *, now: float) -> Page:
        """What is new since the last time, as of our ``now``; forgets what is too old."""
        with self._lock:
            self._settle()
            self._forget(self.server_time(now))
            here = int(self.server_time(now) // SLOT_S)
            for provider, pulse in self._pulses.items():
                if pulse.in_flight:
                    pulse.at = now
                    self._slots[here].setdefault(provider, Tally())
                    self._news[0][here].add(provider)
            slots, minutes = self._news
            self._news = (defaultdict(set), defaultdict(set))
            return Page(
                {one: self._encode_slot(one, names) for one, names in slots.items() if one in self._slots},
                {one: self._encode_minute(one, names) for one, names in minutes.items() if one in self._minutes},
            )

    def give_back(self, page: Page) -> None:
        """Says that ``page`` has not reached the others: it comes again."""
        with self._lock:
            for news, kept in zip(self._news, (page.slots, page.minutes), strict=True):
                for one, written in kept.items():
                    news[one].update(written)

    def give_all_back(self) -> None:
        """Says that the others have forgotten all of it."""
        with self._lock:
            for slot, tallies in self._slots.items():
                self._news[0][slot].update(tallies)
            for minute, kept in self._minutes.items():
                self._news[1][minute].update(kept)

    def view(
        self, *, slots: Iterable[int], minutes: Iterable[int]
    ) -> tuple[Slots, Slots, Mapping[str, Sequence[Pulse]]]:
        """This process's own tallies of some slots and minutes, and how things stand. The caller's to keep."""
        with self._lock:
            self._settle()
            return (
                {
                    one: {name: _copy(tally) for name, tally in self._slots[one].items()}
                    for one in _known(slots, self._slots)
                },
                {
                    one: {name: _copy(self._minute(one, name)) for name in self._minutes[one]}
                    for one in _known(minutes, self._minutes)
                },
                {name: [self._on_server(pulse)] for name, pulse in self._pulses.items()},
            )

    # --- within -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        fresh, self._fresh = self._fresh, []
        for at, provider, tally in fresh:
            when = self.server_time(at)
            if tally.tries:
                tally.first_at = tally.last_at = when
            slot, minute = int(when // SLOT_S), int(when // MINUTE_S)
            self._slots[slot].setdefault(provider, Tally()).merge(tally)
            self._minute(minute, provider).merge(tally)
            self._news[0][slot].add(provider)
            self._news[1][minute].add(provider)

    def _minute(self, minute: int, provider: str) -> Tally:
        tally = self._minutes[minute].get(provider)
        if not isinstance(tally, Tally):
            tally = self._minutes[minute][provider] = decode(tally)[0] if tally is not None else Tally()
        return tally

    def _forget(self, now: float) -> None:
        if abs(now - self._tidied_at) < _TIDY_S:
            return
        self._tidied_at = now
        for slot in [one for one in self._slots if one < (now - SLOTS_KEPT_S) // SLOT_S]:
            del self._slots[slot]
        for minute in [one for one in self._minutes if one < (now - _WARM_S) // MINUTE_S]:
            if minute < (now - MINUTES_KEPT_S) // MINUTE_S:
                del self._minutes[minute]
                continue
            of_minute = self._minutes[minute]
            for provider, tally in of_minute.items():
                if isinstance(tally, Tally):
                    of_minute[provider] = encode(tally)

    def _encode_slot(self, slot: int, providers: Iterable[str]) -> dict[str, bytes]:
        kept = self._slots[slot]
        return {name: encode(kept[name], self._told(name)) for name in providers if name in kept}

    def _encode_minute(self, minute: int, providers: Iterable[str]) -> dict[str, bytes]:
        kept = self._minutes[minute]
        known = ((name, kept[name]) for name in providers if name in kept)
        return {name: encode(tally) if isinstance(tally, Tally) else tally for name, tally in known}

    def _told(self, provider: str) -> Pulse | None:
        pulse = self._pulses.get(provider)
        return self._on_server(pulse) if pulse is not None else None

    def _on_server(self, pulse: Pulse) -> Pulse:
        by = self.offset or 0.0
        times = {
            name: at + by for name in ("at", "quiet_since", "run_since", "success_at") if (at := getattr(pulse, name))
        }
        return replace(pulse, **times)


def _known(wanted: Iterable[int], kept: Mapping[int, object]) -> Iterator[int]:
    return (one for one in wanted if one in kept)


def _copy(tally: Tally) -> Tally:
    copied = Tally()
    copied.merge(tally)
    return copied
