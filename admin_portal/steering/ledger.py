"""A request's row and its case: locked, read, written, and written into the audit. For the verbs of this room alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from django.db import connection

from admin_portal import audit
from admin_portal.kept_words import Sayable, Words, in_english
from admin_portal.kept_words import Words as _
from admin_portal.models import DegradationRequest, PlanRun, RunStep
from admin_portal.models.requests import Decision
from admin_portal.steering import action_words, actions, approval
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import Approved, Case, Severity, State
from admin_portal.steering.errors import MoveRefused, Outdated

#: One decision on requests at a time, whichever they are: people decide rarely, and two who decide at once on
#: conflicting requests must not both be right. "stee" in ASCII.
_LOCK: Final = 0x73746565


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked for: all that an approver says yes to. ``starts_at`` None: as soon as it is approved."""

    action: Action
    reason: str
    severity: Severity
    ends_at: datetime
    starts_at: datetime | None = None
    supersedes: int | None = None
    stranding_confirmed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.action.as_json(),
            "reason": self.reason,
            "severity": self.severity.value,
            "starts_at": self.starts_at.astimezone(UTC).isoformat() if self.starts_at else None,
            "ends_at": self.ends_at.astimezone(UTC).isoformat(),
            "supersedes": self.supersedes,
            "stranding_confirmed": self.stranding_confirmed,
        }

    @classmethod
    def of(cls, row: DegradationRequest) -> Self:
        """Those of a request."""
        return cls(
            action=action_of(row),
            reason=row.reason,
            severity=Severity(row.severity),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            supersedes=row.supersedes_id,
            stranding_confirmed=row.stranding_confirmed,
        )

    def write_to(self, row: DegradationRequest) -> None:
        """Puts them into ``row``, unsaved."""
        row.kind, row.target = self.action.kind, self.action.target
        row.parameters = dict(self.action.parameters)
        row.reason, row.severity = self.reason, self.severity
        row.starts_at, row.ends_at = self.starts_at, self.ends_at
        row.supersedes_id, row.stranding_confirmed = self.supersedes, self.stranding_confirmed


def action_of(row: DegradationRequest) -> Action:
    """What a request wants done."""
    return Action(kind=Kind(row.kind), target=row.target, parameters=row.parameters)


def name_of(row: DegradationRequest) -> Words:
    """A request as people speak of it: ``#12 (Switch sms to inapp)``."""
    return Words("#%(number)d (%(what)s)", {"number": row.pk, "what": action_words.worded(action_of(row))})


def case_of(row: DegradationRequest) -> Case:
    """A request as ``approval`` sees it. An approval of something else than what is asked for now does not count, even
    if it claims this version."""
    digest = approval.digest(Terms.of(row).as_json())
    given = row.approvals.filter(decision=Decision.APPROVED, digest=digest)
    return Case(
        state=State(row.state),
        requester=row.requested_by_id,
        needed=row.approvals_needed,
        version=row.version,
        approvals=tuple(Approved(*one) for one in given.values_list("approver_id", "version", "at")),
        broke_glass=row.broken_by_id is not None,
    )


def be_the_one() -> None:
    """Waits until no other transaction decides on requests."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def lock(pk: int, *, version: int | None = None) -> DegradationRequest:
    """The request ``pk``, locked. Raises MoveRefused when there is none, and Outdated when it is not ``version`` (what
    the person who decides has seen) any more."""
    be_the_one()
    row = DegradationRequest.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise MoveRefused(_("There is no such request."), code="unknown")
    if version is not None and row.version != version:
        raise Outdated
    return row


def conflicting(terms: Terms, *, but_for: int | None, now: datetime) -> list[DegradationRequest]:
    """The live requests that want something else of the same target in the same time, the oldest first."""
    begin = max(terms.starts_at or now, now)
    rows = DegradationRequest.objects.filter(state__in=approval.LIVE, ends_at__gt=begin).order_by("pk")
    return [
        row
        for row in rows
        if row.pk != but_for
        and (row.starts_at is None or row.starts_at < terms.ends_at)
        and actions.conflicts(terms.action, action_of(row))
    ]


def run_in_the_way(action: Action, *, but_for: int | None, after: datetime) -> Words | None:
    """The name of a plan's run, other than ``but_for``, that has put in force what contradicts ``action`` and still
    stands ``after`` then."""
    rows = RunStep.objects.filter(in_force=True, run__drill_id=None, run__ends_at__gt=after).exclude(run=but_for)
    for row in rows.select_related("run__plan", "run__version").order_by("run", "position"):
        other = row.run.version.steps[row.position]["action"]
        if other is not None and actions.conflicts(action, Action.from_json(other)):
            return name_of_run(row.run)
    return None


def name_of_run(run: PlanRun) -> Words:
    """A plan's run as people speak of it."""
    return _("run #%(number)d of “%(plan)s”") % {"number": run.pk, "plan": str(run.plan)}


def actions_of_run(run: PlanRun) -> list[Action]:
    """What a plan's run does to traffic, in its order."""
    return [Action.from_json(one["action"]) for one in run.version.steps if one["action"] is not None]


def write(row: DegradationRequest, case: Case) -> None:
    """Stores ``row`` with the state of ``case``."""
    row.state, row.version, row.approvals_needed = case.state, case.version, case.needed
    row.save()


def note(
    row: DegradationRequest,
    *,
    verb: str,
    before: State | None,
    now: datetime,
    actor: str = "",
    origin: str = "",
    reason: Sayable = "",
    more: Mapping[str, Any] | None = None,
    approved_by: Sequence[str] = (),
) -> None:
    """Writes into the audit what was done to ``row``. From here on nobody else can write there until the transaction
    ends: what follows in it takes no lock but those under ours. Without an ``actor`` it was the platform itself."""
    audit.record(
        actor=actor or audit.PLATFORM,
        origin=origin,
        action=f"degradation.{verb}",
        target=f"degradation:{row.pk}",
        before=None if before is None else {"state": before.value},
        after={"state": row.state, "version": row.version, **action_of(row).as_json(), **(more or {})},
        reason=in_english(reason),
        approved_by=approved_by,
        now=now,
    )
