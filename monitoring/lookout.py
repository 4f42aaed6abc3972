"""Asks things that may hang, from threads that nobody waits for.

A time-out of a driver covers a slow answer, not a server that was stopped mid-word or a name that does not resolve.
Who asks here gets an answer or ``NoAnswerError`` in time, and what hangs, hangs by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2.errors import QueryCanceled

Answer = TypeVar("Answer")

STATEMENT_TIMEOUT_MS: Final = 1000


class NoAnswerError(Exception):
    """Nothing came in time."""


class Question:
    """Something to be found out, and what came of it."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._answer: Any = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self.is_abandoned = False

    @property
    def is_done(self) -> bool:
        """Whether it has been answered, or has failed."""
        return self._done.is_set()

    def work(self) -> None:
        """Finds it out."""
        try:
            self._answer = self._ask()
        except BaseException as error:  # noqa: BLE001  (it is raised again where it was asked)
            self._error = error
        self._done.set()

    def wait(self, timeout: float) -> Any:
        """The answer, or the exception that came instead; ``NoAnswerError`` after ``timeout`` seconds."""
        if not self._done.wait(timeout):
            raise NoAnswerError
        if self._error is not None:
            raise self._error
        return self._answer


class Lookout:
    """A thread of its own, begun with the first question, for questions of one kind, one after another."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._questions: SimpleQueue[Question | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._owner = 0

    def ask(self, question: Callable[[], Answer], *, timeout: float) -> Answer:
        """What ``question`` returns or raises; ``NoAnswerError`` after ``timeout`` seconds."""
        asked = self.submit(question)
        try:
            answer: Answer = asked.wait(timeout)
        except NoAnswerError:
            asked.is_abandoned = True
            raise
        return answer

    def submit(self, question: Callable[[], Any]) -> Question:
        """Has ``question`` answered when its turn comes."""
        asked = Question(question)
        self._running().put(asked)
        return asked

    def stop(self, *, timeout: float = 5.0) -> None:
        """Ends the thread and the database connection that it holds."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None or self._owner != os.getpid():
                return
            self._questions.put(None)
        thread.join(timeout)

    def _running(self) -> SimpleQueue[Question | None]:
        with self._lock:
            if self._thread is None or self._owner != os.getpid():
                self._questions = SimpleQueue()
                self._owner = os.getpid()
                self._thread = threading.Thread(
                    target=_answer_all, args=(self._questions,), name=self._name, daemon=True
                )
                self._thread.start()
            return self._questions


def _answer_all(questions: SimpleQueue[Question | None]) -> None:
    while (question := questions.get()) is not None:
        if not question.is_abandoned:
            question.work()
    connections.close_all()


def with_database(question: Callable[[BaseDatabaseWrapper], Answer]) -> Callable[[], Answer]:
    """``question`` with this thread's connection, whose statements end after a second. One that went stale (the server
    was restarted since) is replaced once before anybody is told that the database is away."""

    def ask() -> Answer:
        connection = _impatient_connection()
        was_open = connection.connection is not None
        try:
            return question(connection)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if not was_open or isinstance(error.__cause__, QueryCanceled):
                raise
        return question(connection)

    return ask


def _impatient_connection() -> BaseDatabaseWrapper:
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.settings_dict.get("LOOKOUT") is None:
        options = connection.settings_dict["OPTIONS"]
        limits = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={STATEMENT_TIMEOUT_MS}"
        # A copy on this thread's wrapper alone: the dictionary is shared by all threads.
        connection.settings_dict = {
            **connection.settings_dict,
            "LOOKOUT": True,
            "OPTIONS": {
                **options,
                "options": f"{options.get('options', '')} {limits}".strip(),
                "tcp_user_timeout": 2 * STATEMENT_TIMEOUT_MS,
            },
        }
    return connection
