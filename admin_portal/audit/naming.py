"""The audit's actions in a reader's words: what was done (``degradation.approved``) to what. Pure.

Programs and exports go by the action itself; who reads a page should not have to know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from admin_portal.models.drills import DrillPhase

#: To what it was done: all before an action's last dot.
NOUNS: Final[Mapping[str, Any]] = {
    "application": _("application"),
    "approval_rule": _("approval rule"),
    "audit": _("audit"),
    "channel": _("channel"),
    "dead_letters": _("dead letters"),
    "degradation": _("degradation"),
    "desk": _("desk"),
    "desk.job": _("job of the desk"),
    "drill": _("drill"),
    "drill.run": _("drill run"),
    "group": _("group"),
    "held": _("held messages"),
    "key": _("API key"),
    "login": _("login"),
    "logout": _("login"),
    "pin": _("order"),
    "plan": _("plan"),
    "plan.run": _("run of a plan"),
    "policy": _("policy"),
    "provider": _("provider"),
    "session": _("session"),
    "standing": _("standing"),
    "template": _("template"),
    "two_factor": _("second factor"),
    "user": _("user"),
}
#: What was done.
VERBS: Final[Mapping[str, Any]] = {
    **dict(DrillPhase.choices),
    "abort_ordered": _("abort ordered"),
    "aborted": _("aborted"),
    "applied": _("came into force"),
    "approved": _("approved"),
    "break_glass": _("applied without approval"),
    "cancelled": _("cancelled"),
    "changed": _("changed"),
    "code_used": _("recovery code used"),
    "codes_renewed": _("recovery codes renewed"),
    "created": _("created"),
    "deleted": _("deleted"),
    "discard": _("discarded"),
    "discarded": _("discarded"),
    "done": _("done"),
    "drafted": _("written down"),
    "edited": _("changed"),
    "ended": _("ended"),
    "enrolled": _("set up"),
    "expired": _("its time was over"),
    "exported": _("exported"),
    "failed": _("failed"),
    "follow_ups": _("follow-ups written"),
    "given_up": _("given up"),
    "groups_added": _("put into groups"),
    "groups_removed": _("taken out of groups"),
    "holding": _("all steps done"),
    "lapsed": _("lapsed"),
    "locked_out": _("locked out"),
    "logout": _("signed out"),
    "mark_sent": _("marked as sent"),
    "marked_sent": _("marked as sent"),
    "missed": _("missed"),
    "not_begun": _("not begun"),
    "others_ended": _("others ended"),
    "paused": _("paused"),
    "paused_by_person": _("paused by a person"),
    "permissions_added": _("given permissions"),
    "permissions_removed": _("permissions taken away"),
    "proposal_dismissed": _("proposal dismissed"),
    "proposal_over": _("proposal over"),
    "proposed": _("proposed"),
    "published": _("published"),
    "put": _("put in force"),
    "rejected": _("rejected"),
    "removed": _("removed"),
    "replay": _("replayed"),
    "replayed": _("replayed"),
    "requested": _("sent for approval"),
    "resend": _("sent again"),
    "resent": _("sent again"),
    "resumed": _("resumed"),
    "retired": _("retired"),
    "reverted": _("ended by a person"),
    "review_rejected": _("reviewed: it was not right"),
    "reviewed": _("reviewed: it was right"),
    "revoked": _("revoked"),
    "scheduled": _("scheduled"),
    "skipped": _("step skipped"),
    "started": _("began"),
    "step_applied": _("step in force"),
    "step_entered": _("step began"),
    "step_failed": _("step failed"),
    "step_passed": _("step done"),
    "step_reverted": _("step reverted"),
    "step_taken_back": _("step done"),
    "succeeded": _("succeeded"),
    "superseded": _("replaced by another request"),
    "target_gone": _("its target no longer exists"),
    "unlocked": _("unlocked"),
    "withdrawn": _("withdrawn"),
}


def named(action: str) -> str:
    """``degradation.approved`` as a person would say it; what nobody has a word for stays as it is."""
    noun, _dot, verb = action.rpartition(".")
    return f"{NOUNS.get(noun or verb, noun or verb)} · {VERBS.get(verb, verb)}"
