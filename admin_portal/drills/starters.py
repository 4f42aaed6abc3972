"""The drills that the demo comes with, for the providers and plans of ``deploy/demo.yaml``."""

from __future__ import annotations

from datetime import datetime, time
from typing import Final

from django.contrib.auth.models import User

from admin_portal.drills import editing
from admin_portal.drills.editing import Draft
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.drills.terms import Terms
from admin_portal.models import Drill
from channels.names import FaultKind

#: By name: title, plan, every so many days, terms.
STARTERS: Final[dict[str, tuple[str, str, int | None, Terms]]] = {
    "sms-a-errors": (
        "sms-a answers with errors",
        "",
        30,
        Terms(
            channel="sms",
            fault=FaultKind.ERRORS,
            provider="sms-a",
            warm_s=10,
            fault_s=40,
            recover_s=20,
            hypothesis=Hypothesis(detect_within_s=15, switch_within_s=20, undelivered_at_most=0),
        ),
    ),
    "mail-east-hangs": (
        "mail-east does not answer",
        "",
        None,
        Terms(
            channel="email",
            fault=FaultKind.HANG,
            provider="mail-east",
            warm_s=10,
            fault_s=60,
            recover_s=30,
            hypothesis=Hypothesis(detect_within_s=40, switch_within_s=45),
        ),
    ),
    # A short fault, so that its probes have not learned to wait; watched until the last step of the ramp. Lively, so
    # that the first step is enough to be judged by.
    "push-north-comes-back": (
        "push-north fails for a moment, and gets its share back",
        "",
        None,
        Terms(
            channel="push",
            fault=FaultKind.ERRORS,
            provider="push-north",
            rate_per_s=15,
            warm_s=10,
            fault_s=15,
            recover_s=180,
            hypothesis=Hypothesis(detect_within_s=10, switch_within_s=15, recover_within_s=170, undelivered_at_most=0),
        ),
    ),
    "sms-out": (
        "SMS is out, people are called instead",
        "sms-to-voice",
        None,
        Terms(
            channel="sms",
            fault=FaultKind.OUTAGE,
            warm_s=10,
            fault_s=150,
            recover_s=30,
            rate_per_s=2,
            hypothesis=Hypothesis(switch_within_s=30),
        ),
    ),
}
_AT: Final = time(10, 0)


def load(*, author: User, now: datetime) -> list[Drill]:
    """Writes the starter drills that are not there; returns those. What people changed since is theirs. Raises
    InvalidAction where the demo's providers and plans are not."""
    known = set(Drill.objects.filter(name__in=STARTERS).values_list("name", flat=True))
    return [
        editing.create(
            name=name,
            draft=Draft(
                title=title,
                owner=author.username,
                plan=plan,
                every_days=every_days,
                at=None if every_days is None else _AT,
                terms=terms,
            ),
            by=author,
            origin="load_demo",
            now=now,
        )
        for name, (title, plan, every_days, terms) in STARTERS.items()
        if name not in known
    ]
