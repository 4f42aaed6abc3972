"""What pages want to know of drills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from admin_portal.models import Drill, DrillRun

_AT_MOST: Final = 20


def live_run() -> DrillRun | None:
    """The run that is under way."""
    return DrillRun.objects.select_related("drill").filter(is_live=True).first()


def last_runs(drill: Drill) -> Sequence[DrillRun]:
    """The last runs of a drill, the newest first."""
    return list(drill.runs.order_by("-asked_at")[:_AT_MOST])
