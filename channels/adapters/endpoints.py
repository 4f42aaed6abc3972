"""The servers that applications' addresses name: none of them, however slow or dead, may take the places of the others.

A host gets a share of the provider's places and no more, and none for a while once it has stopped answering. What finds
its host's share in use waits for as long as a prompt answer takes, and no longer: then it is told when to come back,
each message a little later than the one before.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Final
from urllib.parse import urlsplit

from channels.errors import EndpointUnavailable, OutcomeUnknown, Unavailable

#: So many hosts are remembered; the one not asked for longest is forgotten first.
_REMEMBERED: Final = 1024
#: So many failures in a row, and a host is left alone: for so long at first, for twice as long after each further one.
_FAILURES: Final = 3
_REST_S: Final = 2.0
_MOST_REST_S: Final = 60.0
#: A host whose conversations are all younger than this is not slow, and a place there is worth waiting for.
_PROMPT_S: Final = 0.5
_LEAST_WAIT_S: Final = 0.2
#: How much the last visit counts in what a host's visits are thought to take.
_WEIGHT: Final = 0.3
_PORTS: Final = {"http": 80, "https": 443}


class EndpointResting(EndpointUnavailable):
    """The address's own server was not asked: it has all the conversations it gets, or has not answered lately."""

    uses_attempt = False
    asked = False


@dataclass(slots=True)
class _Host:
    name: str
    under_way: list[float] = field(default_factory=list)  # since when
    failures: int = 0
    rests_until: float = 0.0
    takes_s: float = 0.5
    #: When the last of those turned away will find a place, if all goes on as it does.
    queue_ends_at: float = 0.0

    def check_rest(self, now: float) -> None:
        """Raises EndpointResting while the host is left alone."""
        if self.rests_until > now:
            wait = (self.rests_until - now) * random.uniform(1.0, 2.0)  # they need not all come back at once
            raise EndpointResting(f"not asked: {self.name} did not answer {self.failures} times", retry_after=wait)

    def enter(self, now: float) -> None:
        """Takes a place."""
        if self.failures >= _FAILURES:
            self.rests_until = now + self._rest_s()  # this one tries, and the others wait for what it finds
        self.under_way.append(now)

    def turn_away(self, *, places: int, now: float) -> EndpointResting:
        """What somebody hears for whom there is no place: behind all who heard it before."""
        self.queue_ends_at = max(self.queue_ends_at, now) + self.takes_s / places
        wait = min(max(self.queue_ends_at - now, _LEAST_WAIT_S), _MOST_REST_S)
        return EndpointResting(f"not asked: {places} conversations with {self.name} already", retry_after=wait)

    def leave(self, *, since: float, answered: bool | None, now: float) -> None:
        """Gives the place back; ``answered`` is None where the host was not reached for reasons of ours."""
        self.under_way.remove(since)
        if answered is None:
            return
        self.takes_s += _WEIGHT * (now - since - self.takes_s)
        self.failures = 0 if answered else self.failures + 1
        self.rests_until = now + self._rest_s() if self.failures >= _FAILURES else 0.0

    def _rest_s(self) -> float:
        return float(min(_REST_S * 2.0 ** min(self.failures - _FAILURES, 10), _MOST_REST_S))


class Endpoints:
    """The hosts of one provider, each with at most ``places`` conversations at once. Used by several threads."""

    def __init__(self, *, places: int) -> None:
        self._places = places
        self._hosts: dict[str, _Host] = {}
        self._changed = Condition()

    @contextmanager
    def visit(self, url: str) -> Iterator[None]:
        """A conversation with the host of ``url``. Raises EndpointResting. An Unavailable or an OutcomeUnknown that
        passes through means that the host did not answer."""
        host, since = self._enter(_host_of(url))
        answered: bool | None = None
        try:
            yield
            answered = True
        except (Unavailable, OutcomeUnknown):
            answered = False
            raise
        finally:
            with self._changed:
                host.leave(since=since, answered=answered, now=time.monotonic())
                self._changed.notify_all()

    def _enter(self, name: str) -> tuple[_Host, float]:
        with self._changed:
            host, now = self._known(name), time.monotonic()
            gives_up_at = now + _PROMPT_S
            host.check_rest(now)
            while len(host.under_way) >= self._places:
                patience = min(host.under_way[0] + _PROMPT_S, gives_up_at) - now
                if patience <= 0 or not self._changed.wait(patience):
                    raise host.turn_away(places=self._places, now=now)
                now = time.monotonic()
                host.check_rest(now)
            host.enter(now)
            return host, now

    def _known(self, name: str) -> _Host:
        host = self._hosts.pop(name) if name in self._hosts else _Host(name)
        self._hosts[name] = host  # at the end: the one asked for last
        if len(self._hosts) > _REMEMBERED:
            idle = next((one for one, known in self._hosts.items() if not known.under_way and known is not host), "")
            self._hosts.pop(idle, None)
        return host


def _host_of(url: str) -> str:
    """Scheme, host and port: what a connection goes to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.hostname or '').rstrip('.')}:{parts.port or _PORTS.get(parts.scheme, 0)}"
