"""The state of the channels."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from notify.api.base import ApiView
from notify.api.describing import answers
from notify.api.shapes import Shape
from notify.channel_status import board


class ProviderShape(Shape):
    """A provider, and how well it did lately."""

    name: str
    state: Literal["healthy", "degraded", "open", "recovering", "disabled"]
    weight: int
    effective_weight: int = Field(description="What counts now: the weight, less what its state takes away.")
    success_rate: float | None = Field(description="Lately, from 0 to 1; null when nobody asked it.")
    p95_ms: float | None
    reason: str | None


class DegradationShape(Shape):
    """What changes how a channel or a provider is used: the engine's decision, or somebody's order."""

    id: UUID
    source: Literal["auto", "manual", "plan", "drill"]
    action: str
    target: str
    reason: str
    author: str | None = Field(description="Who ordered it; null where the engine decided.")
    started_at: datetime
    ends_at: datetime | None


class LaneShape(Shape):
    """What is due in a lane."""

    name: str
    depth: int = Field(description="Due deliveries; counted up to 100,000.")
    oldest_age_s: float


class ChannelShape(Shape):
    """A channel."""

    name: str
    state: Literal["normal", "shedding", "switched", "paused"]
    providers: list[ProviderShape]
    degradations: list[DegradationShape]
    lanes: list[LaneShape]


class ChannelsShape(Shape):
    """All seven channels."""

    results: list[ChannelShape]


_EXAMPLE: Final = {
    "results": [
        {
            "name": "sms",
            "state": "normal",
            "providers": [
                {
                    "name": "sms-a",
                    "state": "healthy",
                    "weight": 70,
                    "effective_weight": 70,
                    "success_rate": 0.998,
                    "p95_ms": 184.0,
                    "reason": None,
                }
            ],
            "degradations": [],
            "lanes": [{"name": "sms.critical", "depth": 0, "oldest_age_s": 0.0}],
        }
    ]
}


class Channels(ApiView):
    """``channels``"""

    @extend_schema(
        operation_id="list_channels",
        summary="List channels",
        description="Each channel's state, its providers with their weights and figures, active degradations with "
        "their reasons, and its lanes. At most two seconds old.",
        tags=["Channels"],
        responses=answers(ChannelsShape),
        examples=[OpenApiExample("One of them", value=_EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """Every channel."""
        return Response({"results": board.read(now=timezone.now())})


urlpatterns = [path("channels", Channels.as_view())]
