"""The lines of this process to its providers: an adapter each, behind its bulkhead, and how much it can take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock, Timer
from typing import Final

from channels import registry
from channels.adapters.base import Adapter
from channels.bulkhead import Bulkhead
from channels.errors import ConfigurationError, Misconfigured
from channels.specs import ProviderSpec

#: What was chosen for a stage in its last moment still goes over the lines that it had.
_LINGERS_S: Final = 2.0
#: Who is played and was not asked for so long has nothing to do any more, or plays again on a line of its own: a stage
#: may be closed long before its end.
_IDLE_S: Final = 30.0


@dataclass(slots=True)
class Pace:
    """How many messages a second a line gets answered, lately: one that hangs comes to nothing within the moment.

    Counted without a lock: a call lost between two threads changes an estimate by one.
    """

    _per_second: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _done: int = 0

    def count(self) -> None:
        """Takes note of one more answer."""
        self._done += 1
        elapsed = time.monotonic() - self._since
        if elapsed >= 0.05:
            self._per_second = self._done / elapsed
            self._since, self._done = time.monotonic(), 0

    def silence_s(self) -> float:
        """For how long nothing was counted."""
        return time.monotonic() - self._since

    def per_second(self) -> float:
        """The pace; while no answer comes, not more than the silence allows."""
        silence = self.silence_s()
        return min(self._per_second, (self._done + 1) / silence) if silence > 0.25 else self._per_second


class Line:
    """A provider's line: its adapter behind its bulkhead."""

    def __init__(self, spec: ProviderSpec, adapter: Adapter) -> None:
        self.spec = spec
        self.adapter = adapter
        self.bulkhead = Bulkhead(name=spec.name, size=spec.max_concurrency)
        self.pace = Pace()
        self.closed = False
        #: time.monotonic() until which the provider's rate limit has nothing to give.
        self.refused_until = float("-inf")

    def serves(self, spec: ProviderSpec) -> bool:
        """Whether this line is open, and is the one that ``spec`` describes, or a newer one of the same provider: of
        two views of the configuration the newer one stands, or two threads would replace each other's lines in turn."""
        if self.closed:
            return False
        return self.spec.fingerprint == spec.fingerprint or _is_newer(self.spec, spec)

    def room(self, priority: str, *, ahead_s: float) -> int:
        """How many more messages of ``priority`` this line can take, besides those it has: what its free places hold,
        and what it will have done in ``ahead_s`` seconds. Negative when it has more than that already."""
        free, queued = self.bulkhead.room(priority)
        return free * self.adapter.batch_size + int(self.pace.per_second() * ahead_s) - queued

    def capacity(self, priority: str, *, ahead_s: float) -> int:
        """The room there is when nothing is on this line."""
        return self.bulkhead.places(priority) * self.adapter.batch_size + int(self.pace.per_second() * ahead_s)

    def close(self) -> None:
        """Ends the line once what is on it has come through. Once is enough."""
        if not self.closed:
            self.closed = True
            self.bulkhead.close(then=self.adapter.close)


def _is_newer(one: ProviderSpec, other: ProviderSpec) -> bool:
    return one.version is not None and other.version is not None and one.version > other.version


class Lines:
    """The lines of this process, opened on first use and replaced when their provider's configuration changes."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._replaced: list[Line] = []
        self._lock = Lock()

    def line(self, spec: ProviderSpec) -> Line:
        """The line to ``spec``. Raises Misconfigured when its adapter does not accept the configuration."""
        line = self._lines.get(spec.name)
        if line is not None and line.serves(spec):
            return line
        with self._lock:
            line = self._lines.get(spec.name)
            if line is None or not line.serves(spec):
                old, line = line, Line(spec, _adapter(spec))
                self._lines[spec.name] = line
                if old is not None:
                    self._retire(old)
                if spec.ends_at is not None:
                    self._watch(line, spec.ends_at)
        return line

    def _watch(self, line: Line, ends_at: datetime) -> None:
        """Takes a line out of use shortly after ``ends_at``, or earlier when it has nothing to do: its threads would
        wait for ever for somebody who plays."""
        timer = Timer(min(_left_s(ends_at), _IDLE_S), self._end_or_watch, args=(line, ends_at))
        timer.daemon = True
        timer.start()

    def _end_or_watch(self, line: Line, ends_at: datetime) -> None:
        with self._lock:
            if self._lines.get(line.spec.name) is not line:
                return
            is_idle = line.bulkhead.idle and line.pace.silence_s() >= _IDLE_S
            if is_idle or not _left_s(ends_at):
                del self._lines[line.spec.name]
                self._retire(line)
                return
        self._watch(line, ends_at)

    def _retire(self, line: Line) -> None:
        self._replaced = [one for one in self._replaced if not one.bulkhead.idle] + [line]
        line.close()

    def all(self) -> list[Line]:
        """The lines that are open, and those that were replaced and still have something on them."""
        with self._lock:
            return [*self._lines.values(), *self._replaced]


def _left_s(ends_at: datetime) -> float:
    """For how long a line is still of use on a stage that ends then."""
    return max(0.0, (ends_at - datetime.now(UTC)).total_seconds() + _LINGERS_S)


#: The lines of this process.
LINES: Final = Lines()


def _adapter(spec: ProviderSpec) -> Adapter:
    try:
        return registry.build(
            adapter=spec.adapter, provider=spec.name, config=dict(spec.config), concurrency=spec.max_concurrency
        )
    except ConfigurationError as error:
        raise Misconfigured(f"provider {spec.name}: {error}") from error
