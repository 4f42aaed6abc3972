"""Who is reading a body just now. The server hands a body over as it comes in, so a slow sender holds the thread that
waits for it, and nothing can take the thread back. No application may hold nearly all of them, and neither may all
applications together: what is asked without a body is always answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from notify.errors import NotifyError
from notify.models import ApiKey

#: A body that takes longer than this is slow. A request waits as long for the others' bodies.
_PATIENCE_S: Final = 1.0


class TooManyBodies(NotifyError):
    """Too many requests are still sending their bodies; send this one again in a moment."""

    code = "too_many_bodies"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class Readers:
    """The bodies being read in this process: at most ``most``, ``most_of_one`` of one application, and
    ``most_of_strangers`` (as many, unless given) of those who show who they are by what is in the body: providers."""

    def __init__(
        self, *, most: int, most_of_one: int, most_of_strangers: int | None = None, patience_s: float = _PATIENCE_S
    ) -> None:
        self._most_of_strangers = most_of_one if most_of_strangers is None else most_of_strangers
        self._most = most
        self._most_of_one = most_of_one
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._begun: dict[object, tuple[int | None, float]] = {}

    @contextmanager
    def reading(self, application_id: int | None) -> Iterator[None]:
        """A place among them, waited for while the others are quick. Raises TooManyBodies."""
        reader = object()
        with self._changed:
            self._wait(application_id)
            self._begun[reader] = (application_id, time.monotonic())
        try:
            yield
        finally:
            with self._changed:
                del self._begun[reader]
                self._changed.notify_all()

    def _wait(self, application_id: int | None) -> None:
        arrived = time.monotonic()
        while blocking := self._blocking(application_id):
            # The newest of them may still be quick; once it is slow, so are all.
            left = min(arrived, max(blocking)) + self._patience_s - time.monotonic()
            if left <= 0:
                raise TooManyBodies(retry_after=self._patience_s)
            self._changed.wait(left)

    def _blocking(self, application_id: int | None) -> list[float]:
        """When those began that leave no place; none while there is one."""
        every = [begun for _owner, begun in self._begun.values()]
        own = [begun for owner, begun in self._begun.values() if owner == application_id]
        if len(own) >= (self._most_of_strangers if application_id is None else self._most_of_one):
            return own
        return every if len(every) >= self._most else []


# One thread is for what is asked without a body, and one for bodies that are thrown away (``config.unread``).
_readers = Readers(
    most=max(1, settings.WEB_THREADS - 2),
    most_of_one=max(1, settings.WEB_THREADS - 3),
    most_of_strangers=max(1, settings.WEB_THREADS // 4),
)


@contextmanager
def reading(request: Request | HttpRequest) -> Iterator[None]:
    """Around the reading of the body of ``request``. Raises TooManyBodies."""
    key = getattr(request, "auth", None)
    with _readers.reading(key.application_id if isinstance(key, ApiKey) else None):
        yield
