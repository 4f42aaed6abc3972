"""What the page of a request shows: how it stands, who may do what now, and what each button does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from admin_portal.audit import reading
from admin_portal.models import Approval, AuditEntry, DegradationRequest
from admin_portal.models.requests import Review
from admin_portal.steering import action_words, approval, ledger, people
from admin_portal.steering.approval import Move, State
from admin_portal.steering.prediction import Prediction

Person = User | AnonymousUser


@dataclass(frozen=True, slots=True)
class Button:
    """A verb as it is offered: its name in the URL, its label, what happens when it is pressed, whether a reason has to
    be written, and whether it does something that is not to be pressed by chance."""

    verb: str
    label: Any
    help: Any
    reason: bool = False
    danger: bool = False


SUBMIT: Final = Button(
    "submit",
    gettext_lazy("Send for approval"),
    gettext_lazy("Its approvers are called. Where none is needed it begins at once."),
)
APPROVE: Final = Button(
    "approve",
    gettext_lazy("Approve"),
    gettext_lazy("With the last approval that is needed it begins, at once or at its start."),
)
REJECT: Final = Button(
    "reject", gettext_lazy("Reject"), gettext_lazy("It ends here, for good. Say why."), reason=True, danger=True
)
WITHDRAW: Final = Button("withdraw", gettext_lazy("Withdraw"), gettext_lazy("You take it back. Nothing is changed."))
REVERT: Final = Button(
    "revert",
    gettext_lazy("End it now"),
    gettext_lazy("Traffic returns to rest within two seconds. It takes no approval. Say why."),
    reason=True,
    danger=True,
)
BREAK: Final = Button(
    "break",
    gettext_lazy("Break the glass"),
    gettext_lazy(
        "It begins at once, without approval, and replaces what stands in its way. All approvers are called, and"
        " one of them has to review it afterwards. Say why it can't wait."
    ),
    reason=True,
    danger=True,
)
REVIEW_FINE: Final = Button(
    "review_fine", gettext_lazy("It was right"), gettext_lazy("It stays in force until its end. Say why."), reason=True
)
REVIEW_WRONG: Final = Button(
    "review_wrong",
    gettext_lazy("It was not right"),
    gettext_lazy("It is reverted at once, if it is still in force. Say why."),
    reason=True,
    danger=True,
)


#: What was done, in words, with how it looks.
DEEDS: Final = {
    "drafted": (gettext_lazy("written down"), "edit_note", ""),
    "requested": (gettext_lazy("sent for approval"), "send", ""),
    "changed": (gettext_lazy("changed"), "edit", "warm"),
    "approved": (gettext_lazy("approved"), "check", "good"),
    "rejected": (gettext_lazy("rejected"), "close", "bad"),
    "withdrawn": (gettext_lazy("withdrawn"), "undo", ""),
    "applied": (gettext_lazy("came into force"), "bolt", "warm"),
    "break_glass": (gettext_lazy("applied without approval"), "emergency_home", "bad"),
    "reviewed": (gettext_lazy("reviewed: it was right"), "fact_check", "good"),
    "review_rejected": (gettext_lazy("reviewed: it was not right"), "fact_check", "bad"),
    "reverted": (gettext_lazy("ended by a person"), "undo", "good"),
    "expired": (gettext_lazy("its time was over"), "timer_off", "good"),
    "superseded": (gettext_lazy("replaced by another request"), "swap_horiz", ""),
    "lapsed": (gettext_lazy("lapsed"), "timer_off", ""),
    "target_gone": (gettext_lazy("its target no longer exists"), "link_off", "bad"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of a request's history."""

    entry: AuditEntry
    words: Any
    icon: str
    tone: str

    @property
    def reason(self) -> str:
        """Why, in the reader's language where nobody but the platform said it."""
        return reading.reason(self.entry)


def history(row: DegradationRequest) -> list[Deed]:
    """What was done to ``row``, as the audit has it."""
    entries = AuditEntry.objects.filter(target=f"degradation:{row.pk}").order_by("number")[:50]
    return [Deed(entry, *_deed(entry.action.removeprefix("degradation."))) for entry in entries]


def _deed(verb: str) -> tuple[Any, str, str]:
    return DEEDS.get(verb, (verb, "history", ""))


def buttons(row: DegradationRequest, user: Person, *, now: datetime) -> list[Button]:
    """What ``user`` may do to ``row`` now. A hint: the verbs ask again."""
    return list(_buttons(row, user, now))


def _buttons(row: DegradationRequest, user: Person, now: datetime) -> Iterator[Button]:
    state, own = State(row.state), user.pk == row.requested_by_id
    may_ask, may_approve = user.has_perm(people.REQUEST), user.has_perm(people.APPROVE)
    if row.review == Review.DUE and may_approve and not own and user.pk != row.broken_by_id:
        yield REVIEW_FINE
        yield REVIEW_WRONG
    if state is State.DRAFT and own and may_ask:
        yield SUBMIT
    if state is State.PENDING and may_approve and not own and not _has_approved(row, user, now):
        yield APPROVE
    if state in approval.TRANSITIONS[Move.REJECT] and may_approve and not own:
        yield REJECT
    if state in approval.TRANSITIONS[Move.WITHDRAW] and own:
        yield WITHDRAW
    if state is State.ACTIVE and (may_ask or may_approve):
        yield REVERT
    if state in approval.TRANSITIONS[Move.BREAK_GLASS] and user.has_perm(people.BREAK_GLASS):
        yield BREAK


def may_change(row: DegradationRequest, user: Person) -> bool:
    """Whether ``user`` may ask for something else now."""
    mine = user.pk == row.requested_by_id and user.has_perm(people.REQUEST)
    return mine and State(row.state) in approval.TRANSITIONS[Move.CHANGE]


def offer(row: DegradationRequest, user: Person, *, version: int, now: datetime) -> dict[str, Any]:
    """What ``user``, who was shown ``version`` of it, may do: nothing before they have looked again, where it was
    changed since. ``stamp`` changes whenever something else is offered."""
    if version != row.version:
        return {"buttons": [], "may_change": False, "is_outdated": True, "stamp": "outdated"}
    found, changeable = buttons(row, user, now=now), may_change(row, user)
    verbs = [button.verb for button in found] + ["change"] * changeable
    return {"buttons": found, "may_change": changeable, "is_outdated": False, "stamp": "-".join([row.state, *verbs])}


def _has_approved(row: DegradationRequest, user: Person, now: datetime) -> bool:
    return user.pk in {one.by for one in ledger.case_of(row).counting(now=now)}


def context(row: DegradationRequest, user: Person, *, now: datetime) -> dict[str, Any]:
    """What the page shows besides the frame."""
    case = ledger.case_of(row)
    counting = {one.by for one in case.counting(now=now)}
    return {
        "row": row,
        "what": action_words.describe(ledger.action_of(row)),
        "state": State(row.state),
        "approvals": [
            {"one": one, "counts": one.approver_id in counting and one.version == row.version}
            for one in Approval.objects.filter(request=row).select_related("approver")
        ],
        "missing": case.missing(now=now),
        "deciders": _deciders(row, counting) if row.state == State.PENDING else [],
        "effect": Prediction.from_json(row.prediction) if row.prediction else None,
        "left_s": _left_s(row, now),
        "review_overdue": row.review == Review.DUE and row.review_due_at is not None and row.review_due_at <= now,
        "next_step": next_step(row, user, now=now),
        "history": history(row),
    }


def _deciders(row: DegradationRequest, counting: set[int]) -> list[str]:
    """Who may still say yes, by name."""
    without = frozenset({row.requested_by_id, *counting})
    return [one.get_full_name() or one.username for one in people.approvers(without=without)]


def _left_s(row: DegradationRequest, now: datetime) -> float | None:
    """Seconds until what happens next by itself: its end, its start, or its lapse."""
    until = {
        State.ACTIVE: row.ends_at,
        State.APPROVED: row.starts_at or now,
        State.PENDING: row.approve_by,
    }.get(State(row.state))
    return None if until is None else max((until - now).total_seconds(), 0.0)


def next_step(row: DegradationRequest, user: Person, *, now: datetime) -> str:
    """Who has to do what next, in a sentence for this person."""
    state, own = State(row.state), user.pk == row.requested_by_id
    missing = ledger.case_of(row).missing(now=now)
    if row.review == Review.DUE:
        return _("It was applied without approval: somebody else than who did it has to review it.")
    if state is State.DRAFT:
        return _("A draft. Nobody was asked yet.") if not own else _("Your draft. Send it when it is ready.")
    if state is State.PENDING:
        words = ngettext("%(count)d approval is missing.", "%(count)d approvals are missing.", missing)
        counted = words % {"count": missing}
        own_part = _("You asked for it yourself: others have to approve it.") if own else ""
        said_part = _("You have approved it.") if _has_approved(row, user, now) else ""
        return " ".join(part for part in (counted, own_part, said_part) if part)
    if state is State.APPROVED:
        return _("Approved. It begins by itself.")
    if state is State.ACTIVE:
        return _("In force. It ends by itself, and traffic returns to rest.")
    return _("Over. Nothing more will happen.")
