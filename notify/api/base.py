"""What every view of the API is."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.http import HttpRequest
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.views import APIView

from notify.api.parsers import ApiRequest
from notify.api.validation import parse
from notify.errors import SentByTestKey
from notify.models import ApiKey, Application

Model = TypeVar("Model", bound=BaseModel)


class ApiView(APIView):
    """A view for applications: authenticated by key, JSON both ways, chunked bodies too.

    ``required_scopes`` says which scopes it needs (see ``authentication.required_scopes``), ``max_body_bytes`` how much
    it reads (``NOTIFY["MAX_BODY_BYTES"]`` when None).
    """

    max_body_bytes: int | None = None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """The request as this API sees it."""
        return ApiRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    @property
    def key(self) -> ApiKey:
        """The key that asks. Only where authentication is required."""
        return cast(ApiKey, self.request.auth)

    @property
    def application(self) -> Application:
        """The application that asks."""
        return self.key.application

    @property
    def seen(self) -> bool | None:
        """What the key sees, as ``is_test`` of what is read: a test key what test keys sent, a live one everything."""
        return True if self.key.is_test else None

    def check_kind(self, *, is_test: bool) -> None:
        """A key acts on what keys of its kind sent. Raises SentByTestKey."""
        if is_test and not self.key.is_test:
            raise SentByTestKey

    def read(self, model: type[Model]) -> Model:
        """The body as a ``model``. Raises InvalidRequest."""
        return parse(model, self.request.data)

    def read_query(self, model: type[Model]) -> Model:
        """The query parameters as a ``model``; of one given twice, the last counts. Raises InvalidRequest."""
        return parse(model, self.request.query_params.dict())
