"""What the page of a run shows: how it stands, each step live, who may do what now, and what each button does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from admin_portal.kept_words import Sayable
from admin_portal.models import AuditEntry, PlanRun, RunStep
from admin_portal.models.plans import Phase, StepState
from admin_portal.models.requests import Review
from admin_portal.plans import conditions, ledger, observing
from admin_portal.plans.requests import RUN
from admin_portal.plans.steps import Step, StepKind, describe
from admin_portal.request_page import DEEDS as REQUEST_DEEDS
from admin_portal.request_page import REJECT, REVIEW_FINE, REVIEW_WRONG, WITHDRAW, Button, Deed, Person
from admin_portal.steering import approval, people
from admin_portal.steering.approval import Move, State

APPROVE: Final = Button(
    "approve",
    gettext_lazy("Approve"),
    gettext_lazy("All its steps, as one. With the last approval that is needed it begins."),
)
BREAK: Final = Button(
    "break",
    gettext_lazy("Break the glass"),
    gettext_lazy(
        "It begins at once, without approval. All approvers are called, and one of them has to review it afterwards."
        " Say why it can't wait."
    ),
    reason=True,
    danger=True,
)
PAUSE: Final = Button(
    "pause", gettext_lazy("Pause"), gettext_lazy("It stops before its next step. What is in force stays in force.")
)
RESUME: Final = Button(
    "resume",
    gettext_lazy("Resume"),
    gettext_lazy("It goes on: a question is answered with yes, and a step that failed is tried again."),
)
SKIP: Final = Button(
    "skip", gettext_lazy("Skip the step"), gettext_lazy("The step whose turn it is is left out, and the run goes on.")
)
ABORT: Final = Button(
    "abort",
    gettext_lazy("Abort"),
    gettext_lazy("What is in force is reverted at once, the last step first. It takes no approval. Say why."),
    reason=True,
    danger=True,
)

#: What was done, in words, with how it looks; what requests have too is said as there.
_DEEDS: Final[Mapping[str, tuple[Any, str, str]]] = {
    **REQUEST_DEEDS,
    "started": (gettext_lazy("began"), "play_arrow", "warm"),
    "step_entered": (gettext_lazy("began"), "hourglass_top", ""),
    "step_applied": (gettext_lazy("came into force"), "bolt", "warm"),
    "step_taken_back": (gettext_lazy("done"), "undo", "good"),
    "step_passed": (gettext_lazy("done"), "check", "good"),
    "step_failed": (gettext_lazy("failed"), "error", "bad"),
    "step_reverted": (gettext_lazy("reverted"), "undo", "good"),
    "paused": (gettext_lazy("paused"), "pause", "warm"),
    "paused_by_person": (gettext_lazy("paused by a person"), "pause", "warm"),
    "resumed": (gettext_lazy("resumed"), "play_arrow", ""),
    "skipped": (gettext_lazy("skipped"), "redo", "warm"),
    "abort_ordered": (gettext_lazy("abort ordered"), "cancel", "bad"),
    "aborted": (gettext_lazy("aborted by its own check"), "cancel", "bad"),
    "holding": (gettext_lazy("all steps done"), "done_all", "good"),
    "ended": (gettext_lazy("ended"), "flag", ""),
}
_LOOKS: Final[Mapping[StepState, tuple[str, str]]] = {
    StepState.WAITING: ("schedule", ""),
    StepState.UNDER_WAY: ("hourglass_top", "warm"),
    StepState.DONE: ("check", "good"),
    StepState.SKIPPED: ("redo", ""),
    StepState.FAILED: ("error", "bad"),
    StepState.REVERTED: ("undo", ""),
    StepState.LOST: ("link_off", "bad"),
}
#: The words that the engine keeps of a step; anything else is what could not be done, in words already.
_OUTCOMES: Final[Mapping[Sayable, Any]] = {
    "met": gettext_lazy("The condition was met."),
    "time": gettext_lazy("Its time was over."),
    "not_met": gettext_lazy("It was not so."),
    "asked": gettext_lazy("Somebody has to answer."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step as the page shows it. ``waits_for``: what it is waiting for now; ``left_s``: at most so long."""

    number: int
    words: str
    kind: StepKind
    state: str
    icon: str
    tone: str
    is_current: bool = False
    in_force: bool = False
    entered_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = ""
    waits_for: str = ""
    left_s: float | None = None


def lines(run: PlanRun, *, now: datetime) -> list[Line]:
    """Every step of ``run``, as far as it is."""
    steps, rows = ledger.steps_of(run), list(run.steps.order_by("position"))
    if not rows:
        return [_line(run, place, step, RunStep(), now) for place, step in enumerate(steps)]
    return [_line(run, row.position, steps[row.position], row, now) for row in rows]


def _line(run: PlanRun, place: int, step: Step, row: RunStep, now: datetime) -> Line:
    state = StepState(row.state)
    icon, tone = _LOOKS[state]
    is_current = row.pk is not None and place == _current(run)
    waits_for, left_s = _waiting(run, step, row, now) if is_current else ("", None)
    return Line(
        number=place + 1,
        words=describe(step),
        kind=step.kind,
        state=str(state.label),
        icon=icon,
        tone=tone,
        is_current=is_current,
        in_force=row.in_force,
        entered_at=row.entered_at,
        ended_at=row.ended_at,
        outcome=str(_OUTCOMES.get(row.outcome, row.outcome)),
        waits_for=waits_for,
        left_s=left_s,
    )


def _current(run: PlanRun) -> int | None:
    """The position of the step whose turn it is; None: no step's."""
    if run.state != State.ACTIVE or run.phase not in (Phase.RUNNING, Phase.PAUSED):
        return None
    return ledger.progress_of(run).current


def _waiting(run: PlanRun, step: Step, row: RunStep, now: datetime) -> tuple[str, float | None]:
    """What the step whose turn it is waits for, and how long at most."""
    if run.phase == Phase.PAUSED:
        return _("Somebody has to resume, skip or abort."), None
    if step.kind is not StepKind.WAIT or row.entered_at is None:
        return "", None
    left_s = max(step.at_most_s - (now - row.entered_at).total_seconds(), 0.0)
    if step.condition is None:
        return _("Time has to pass."), left_s
    on_stage = run.drill_id is not None
    seen = observing.read([step.condition], now=now, on_stage=on_stage).get(step.condition.looks_at)
    words = _("Waits until %(condition)s. Now: %(seen)s.")
    shown = {"condition": conditions.describe(step.condition), "seen": conditions.show(step.condition, seen)}
    return words % shown, left_s


# --- who may do what --------------------------------------------------------------------------------------------------


def buttons(run: PlanRun, user: Person, *, now: datetime) -> list[Button]:
    """What ``user`` may do to ``run`` now. A hint: the verbs ask again."""
    found = [*_of_reviewing(run, user), *_of_approving(run, user, now)]
    if run.state == State.ACTIVE and (user.has_perm(RUN) or user.has_perm(people.APPROVE)):
        found += {
            Phase.RUNNING: [PAUSE, SKIP, ABORT],
            Phase.PAUSED: [RESUME, SKIP, ABORT],
            Phase.HOLDING: [ABORT],
        }.get(Phase(run.phase), [])
    return found


def _of_reviewing(run: PlanRun, user: Person) -> Iterator[Button]:
    concerned = {run.broken_by_id, run.requested_by_id}
    if run.review == Review.DUE and user.has_perm(people.APPROVE) and user.pk not in concerned:
        yield REVIEW_FINE
        yield REVIEW_WRONG


def _of_approving(run: PlanRun, user: Person, now: datetime) -> Iterator[Button]:
    state, own, may_approve = State(run.state), user.pk == run.requested_by_id, user.has_perm(people.APPROVE)
    if state is State.PENDING and may_approve and not own and not _has_approved(run, user, now):
        yield APPROVE
    if state in approval.TRANSITIONS[Move.REJECT] and may_approve and not own:
        yield REJECT
    if state in approval.TRANSITIONS[Move.WITHDRAW] and own:
        yield WITHDRAW
    if state in approval.TRANSITIONS[Move.BREAK_GLASS] and user.has_perm(people.BREAK_GLASS):
        yield BREAK


def _has_approved(run: PlanRun, user: Person, now: datetime) -> bool:
    return user.pk in {one.by for one in ledger.case_of(run).counting(now=now)}


def stamp(run: PlanRun, offered: list[Button]) -> str:
    """Changes whenever other buttons are offered."""
    return "-".join([run.state, run.phase, *(button.verb for button in offered)])


# --- how it stands ----------------------------------------------------------------------------------------------------


def context(run: PlanRun, user: Person, *, now: datetime) -> dict[str, Any]:
    """The part of the page that changes by itself."""
    case, offered = ledger.case_of(run), buttons(run, user, now=now)
    counting = {one.by for one in case.counting(now=now)}
    without = frozenset({run.requested_by_id, *counting})
    waits = run.state == State.PENDING
    return {
        "run": run,
        "lines": lines(run, now=now),
        "position": _current(run),
        "buttons": offered,
        "stamp": stamp(run, offered),
        "approvals": run.approvals.select_related("approver"),
        "missing": case.missing(now=now),
        "deciders": [one.get_full_name() or one.username for one in people.approvers(without=without)] if waits else [],
        "left_s": _left_s(run, now),
        "review_overdue": run.review == Review.DUE and run.review_due_at is not None and run.review_due_at <= now,
        "next_step": next_step(run, user, now=now),
        "newest": run.plan.versions.order_by("-number").values_list("number", flat=True).first(),
        "now": now,
    }


def _left_s(run: PlanRun, now: datetime) -> float | None:
    """Seconds until what happens next by itself: its end, or its lapse."""
    until = {State.ACTIVE: run.ends_at, State.PENDING: run.approve_by}.get(State(run.state))
    return None if until is None else max((until - now).total_seconds(), 0.0)


_NEXT: Final[Mapping[str, Any]] = {
    Phase.RUNNING: gettext_lazy("It goes on by itself, step by step."),
    Phase.PAUSED: gettext_lazy("It is paused: somebody has to decide. What is in force stays in force."),
    Phase.HOLDING: gettext_lazy("All steps are done. What is in force ends by itself, or when somebody aborts."),
    Phase.REVERTING: gettext_lazy("It is being reverted, the last step first."),
}


def next_step(run: PlanRun, user: Person, *, now: datetime) -> str:
    """Who has to do what next, in a sentence for this person."""
    if run.review == Review.DUE:
        return _("It was applied without approval: somebody else than who did it has to review it.")
    if run.state == State.PENDING:
        missing = ledger.case_of(run).missing(now=now)
        words = ngettext("%(count)d approval is missing.", "%(count)d approvals are missing.", missing)
        own = _("You asked for it yourself: others have to approve it.") if user.pk == run.requested_by_id else ""
        said = _("You have approved it.") if _has_approved(run, user, now) else ""
        return " ".join(part for part in (words % {"count": missing}, own, said) if part)
    if run.state == State.APPROVED:
        return _("Approved. It begins by itself.")
    if run.state == State.ACTIVE:
        return str(_NEXT.get(run.phase, ""))
    return _("Over. Nothing more will happen.")


def history(run: PlanRun) -> list[Deed]:
    """What was done to ``run``, as the audit has it."""
    entries = AuditEntry.objects.filter(target=f"plan_run:{run.pk}").order_by("number")[:200]
    return [_deed(entry) for entry in entries]


def _deed(entry: AuditEntry) -> Deed:
    verb = entry.action.removeprefix("plan.run.")
    words, icon, tone = _DEEDS.get(verb, (verb, "history", ""))
    number = (entry.after or {}).get("step")
    if number:
        words = _("step %(number)d: %(words)s") % {"number": number, "words": words}
    return Deed(entry, words, icon, tone)
