"""Stages of drills, for tests of what happens on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from channels import directory, stages
from channels.names import FaultKind


def open_stage(*, fault: str = "errors", now: datetime | None = None, **fields: Any) -> UUID:
    """Opens a stage for the channel sms and all messages of test keys, with its fault in force for ten minutes, unless
    the fields say otherwise; this process knows it at once."""
    now, stage_id = now or timezone.now(), uuid4()
    ordinary: dict[str, Any] = {
        "channels": ["sms"],
        "provider": "",
        "parameters": {},
        "share": 1.0,
        "application": "",
        # Later than the stage of any test before: of two the newer configuration of a provider counts.
        "opens_at": now,
        "faulty_from": now,
        "faulty_until": now + timedelta(minutes=10),
        "closes_at": now + timedelta(minutes=20),
    }
    stages.open_stage(stage_id=stage_id, fault=FaultKind(fault), **{**ordinary, **fields})
    directory.forget()
    return stage_id


def close(stage_id: UUID) -> None:
    """Closes it; this process knows at once."""
    stages.close(stage_id=stage_id, now=timezone.now())
    directory.forget()
