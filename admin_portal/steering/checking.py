"""Whether what is asked for can be done at all, and whether nothing else stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _

from admin_portal.models import DegradationRequest
from admin_portal.steering import actions, approval, ledger, prediction, surroundings, traffic
from admin_portal.steering.actions import Setup
from admin_portal.steering.approval import Severity
from admin_portal.steering.errors import ConflictsWith, Fault, InvalidAction, LeavesNoWay
from admin_portal.steering.ledger import Terms
from admin_portal.steering.prediction import Prediction

LONGEST_REASON: Final = 2000


def check_terms(terms: Terms, *, setup: Setup, now: datetime) -> None:
    """Raises InvalidAction with everything that is wrong with ``terms`` as things are."""
    faults = [*actions.validate(terms.action, setup=setup), *_faults_of_words(terms)]
    window = approval.faults_of_window(starts_at=terms.starts_at, ends_at=terms.ends_at, now=now)
    faults += [Fault(name, "window", words) for name, words in window.items()]
    if faults:
        raise InvalidAction(faults)


def _faults_of_words(terms: Terms) -> Iterator[Fault]:
    if not terms.reason.strip():
        yield Fault("reason", "required", _("Say why."))
    elif len(terms.reason) > LONGEST_REASON or "\0" in terms.reason:
        words = _("Write the reason in at most %(most)d characters.") % {"most": LONGEST_REASON}
        yield Fault("reason", "too_long", words)


def trimmed(reason: str) -> str:
    """``reason`` as it is kept."""
    return reason.replace("\0", "").strip()[:LONGEST_REASON]


def given(reason: str) -> str:
    """``reason`` as it is kept, and there must be one. Raises InvalidAction."""
    if not trimmed(reason):
        raise InvalidAction([Fault("reason", "required", _("Say why."))])
    return trimmed(reason)


def predict(terms: Terms, *, now: datetime) -> Prediction:
    """What ``terms`` would do to the traffic of the last hour. Raises InvalidAction."""
    setup = surroundings.read(now=now)
    check_terms(terms, setup=setup, now=now)
    return prediction.predict(terms.action, traffic=traffic.read(now=now), setup=setup)


def check_effect(terms: Terms, effect: Prediction) -> None:
    """Raises LeavesNoWay when critical messages would be left without any way and nobody has said that this is meant,
    and InvalidAction when the severity makes little of that."""
    if not effect.strands_critical:
        return
    if not terms.stranding_confirmed:
        raise LeavesNoWay
    if terms.severity is not Severity.HIGH:
        words = _("What leaves critical messages without any way is of high severity.")
        raise InvalidAction([Fault("severity", "too_low", words)])


def check_conflicts(terms: Terms, *, but_for: int | None, now: datetime) -> None:
    """Raises ConflictsWith, with the name of the first live request that stands in the way and is not to be
    replaced."""
    for other in ledger.conflicting(terms, but_for=but_for, now=now):
        if other.pk != terms.supersedes:
            raise ConflictsWith(ledger.name_of(other))
    check_runs(terms, now=now)


def check_runs(terms: Terms, *, now: datetime) -> None:
    """Raises ConflictsWith, with the name of the plan's run that has something in force that stands in the way."""
    run = ledger.run_in_the_way(terms.action, but_for=None, after=max(terms.starts_at or now, now))
    if run is not None:
        raise ConflictsWith(run)


def check_superseded(terms: Terms, *, of: int | None = None) -> None:
    """Raises InvalidAction when there is no such request to replace, or when it is the request ``of`` itself."""
    if terms.supersedes is None:
        return
    live = DegradationRequest.objects.filter(pk=terms.supersedes, state__in=approval.LIVE)
    if terms.supersedes == of or not live.exists():
        words = _("The request it is to replace is over.")
        raise InvalidAction([Fault("supersedes", "over", words)])
