"""Dead letters: what was given up, with its history; replayed or discarded one by one, many, or by filter."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self
from uuid import UUID

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import ConfigDict, Field, model_validator
from rest_framework.request import Request
from rest_framework.response import Response

from channels.acting import acting
from notify import burials, dead_letters
from notify.api import examples, presentation
from notify.api.base import ApiView
from notify.api.describing import IDEMPOTENCY_KEY, answers
from notify.api.idempotency import IdempotentPost
from notify.api.inputs import ChannelName
from notify.api.paging import CreatedQuery, Moment, page, parameters
from notify.api.reads import Text, actor, worker
from notify.api.shapes import DeadLetterPage, DiscardedShape, ReplayedShape
from notify.api.validation import Input
from notify.models.application import Scope
from notify.models.dead_letter import DeadLetterState


class DeadLettersQuery(CreatedQuery):
    """What the list of dead letters takes."""

    state: DeadLetterState = Field(default=DeadLetterState.OPEN, description="What was done about them.")
    channel: ChannelName | None = Field(default=None, description="Those of this channel.")
    reason: Text | None = Field(default=None, description="Those with this reason.")
    provider: Text | None = Field(default=None, description="Those that this provider was the last to try.")

    def where(self, *, is_test: bool | None) -> burials.DeadLetterQuery:
        """The filter that it asks for, from a key that sees ``is_test``."""
        return burials.DeadLetterQuery(**self.model_dump(exclude={"limit", "cursor"}), is_test=is_test)


class DeadLetterCriteria(Input):
    """Which open dead letters are meant; without any field, all of the application's."""

    channel: ChannelName | None = None
    reason: Text | None = None
    provider: Text | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None


class DeadLetterSelection(Input):
    """Dead letters by ``ids`` or by ``filter``: one of the two."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]})

    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    filter: DeadLetterCriteria | None = None

    @model_validator(mode="after")
    def check_one(self) -> Self:
        """One of the two, and not both."""
        if (self.ids is None) == (self.filter is None):
            raise ValueError("send either ids or filter")
        return self

    def arguments(self) -> dict[str, Any]:
        """What ``notify.dead_letters`` is to be told."""
        if self.filter is None:
            return {"ids": list(dict.fromkeys(self.ids or ()))}
        return {"where": dead_letters.DeadLetterFilter(**self.filter.model_dump()), "at_most": _AT_MOST}


class DeadLetters(ApiView):
    """``dead-letters``"""

    @extend_schema(
        operation_id="list_dead_letters",
        summary="List dead letters",
        description="The deliveries that used up their attempts or their time, newest first, each with every attempt "
        "that was made.",
        tags=["Dead letters"],
        parameters=parameters(DeadLettersQuery),
        responses=answers(DeadLetterPage, 422),
        examples=[OpenApiExample("A page", value={"results": [examples.DEAD_LETTER]}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        query = self.read_query(DeadLettersQuery)
        found = burials.list_dead_letters(
            application=self.application, where=query.where(is_test=self.seen), before=query.before, limit=query.limit
        )
        attempts = burials.attempts_of(found.rows)
        results = [presentation.dead_letter(row, attempts[row.delivery_id]) for row in found.rows]
        return Response(page(results, found.next_before))


#: By filter, so many at a time: an answer should come before anybody's patience ends.
_AT_MOST: Final = 10_000
_BY_IDS = OpenApiExample("By ids", value={"ids": [examples.DEAD_LETTER["id"]]}, request_only=True)
_BY_FILTER = OpenApiExample(
    "By filter", value={"filter": {"channel": "sms", "reason": "attempts_used_up"}}, request_only=True
)


class Replay(IdempotentPost, ApiView):
    """``dead-letters/replay``"""

    required_scopes = (Scope.SEND.value, Scope.DEAD_LETTERS.value)

    @extend_schema(
        operation_id="replay_dead_letters",
        summary="Replay dead letters",
        description="Sends open dead letters back to their lanes with fresh attempts and time; their history stays. "
        "One that was replayed or discarded, or whose delivery is alive, is skipped. By filter, the oldest 10,000 that "
        "match; ask again until `matched` is less.",
        tags=["Dead letters"],
        parameters=[IDEMPOTENCY_KEY],
        request=DeadLetterSelection,
        responses=answers(ReplayedShape, 400, 409, 413, 415, 422),
        examples=[
            _BY_IDS,
            _BY_FILTER,
            OpenApiExample(
                "Replayed", value={"matched": 2, "replayed": 1, "skipped": examples.SKIPPED}, response_only=True
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Replays them."""
        selection = self.read(DeadLetterSelection)
        with acting(worker(self)):
            outcome = dead_letters.replay(
                application=self.application,
                is_test=self.key.is_test,
                actor=actor(self),
                now=timezone.now(),
                **selection.arguments(),
            )
        return Response(_body(outcome, "replayed"))


class Discard(IdempotentPost, ApiView):
    """``dead-letters/discard``"""

    required_scopes = (Scope.SEND.value, Scope.DEAD_LETTERS.value)

    @extend_schema(
        operation_id="discard_dead_letters",
        summary="Discard dead letters",
        description="Closes open dead letters without sending them again; their history stays.",
        tags=["Dead letters"],
        parameters=[IDEMPOTENCY_KEY],
        request=DeadLetterSelection,
        responses=answers(DiscardedShape, 400, 409, 413, 415, 422),
        examples=[
            _BY_IDS,
            _BY_FILTER,
            OpenApiExample(
                "Discarded", value={"matched": 2, "discarded": 1, "skipped": examples.SKIPPED}, response_only=True
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Discards them."""
        selection = self.read(DeadLetterSelection)
        with acting(worker(self)):
            outcome = dead_letters.discard(
                application=self.application,
                is_test=self.key.is_test,
                actor=actor(self),
                now=timezone.now(),
                **selection.arguments(),
            )
        return Response(_body(outcome, "discarded"))


def _body(outcome: dead_letters.Resolution, done: str) -> dict[str, Any]:
    skipped = [{"id": each.id, "reason": each.reason} for each in outcome.skipped]
    return {"matched": outcome.matched, done: outcome.done, "skipped": skipped}


urlpatterns = [
    path("dead-letters", DeadLetters.as_view()),
    path("dead-letters/replay", Replay.as_view()),
    path("dead-letters/discard", Discard.as_view()),
]
