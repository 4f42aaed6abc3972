"""What became of a drill's own messages, and what the engine and the plan did on the stage: read, never written."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from admin_portal.drills import ledger, rehearsing, timings
from admin_portal.drills.load import APPLICATION
from admin_portal.drills.plot import Series
from admin_portal.drills.timings import Change, Fault, Sent
from admin_portal.kept_words import pack
from admin_portal.models import DrillRun
from admin_portal.plans import steps
from admin_portal.plans.ledger import steps_of
from channels.models import DegradationEvent
from channels.names import PinSource, off_stage, staged
from notify.ids import floor_id
from notify.models import Attempt, Batch, Delivery, DeliveryKind, DeliveryStatus
from notify.models.delivery import IN_FLIGHT

_THROUGH: Final = (DeliveryStatus.SENT, DeliveryStatus.DELIVERED)
_MOST_CHANGES: Final = 200
_SENT: Final = "sent"
_SLACK: Final = timedelta(minutes=10)


def is_settled(run: DrillRun) -> bool:
    """Whether everything that was sent has come to its end."""
    return not _deliveries(run).filter(status__in=IN_FLIGHT).exists()


def read(run: DrillRun, *, now: datetime) -> dict[str, Any]:
    """The figures of ``run`` up to ``now``, as a report keeps them. Five queries, of which the largest reads a row for
    each attempt."""
    plan = ledger.schedule_of(run)
    if plan is None:
        return {}
    terms, until = ledger.terms_of(run), min(now, plan.closes_at)
    sent, failed = _attempts(run)
    changes = [*_changes(run, plan.load_from, until), *_steps(run)]
    fault = Fault(channel=terms.channel, provider=terms.provider, begins=plan.faulty_from, ends=plan.faulty_until)
    found, plan_went = timings.measure(changes, sent, fault=fault), rehearsing.outcome(run)
    return {
        **_counts(run),
        "detect_s": found.detect_s,
        "switch_s": found.switch_s,
        "recover_s": found.recover_s,
        "watched_s": max(0.0, round((until - plan.faulty_until).total_seconds(), 1)),
        "still": dict(found.still),
        "refused": run.refused,
        "plan": None if plan_went is None else pack(plan_went),
        "by_provider": [
            {"provider": name, "channel": channel, "sent": number}
            for (channel, name), number in sorted(Counter((one.channel, one.provider) for one in sent).items())
        ],
        "failed_tries": len(failed),
        "changes": [one.as_json() for one in sorted(changes, key=lambda one: one.at)],
        "series": Series.of(
            sent=[(one.at, one.provider) for one in sent], failed=failed, begins=plan.load_from, ends=until
        ).as_json(),
    }


def _batches(run: DrillRun) -> list[UUID]:
    if run.opened_at is None or run.closes_at is None:
        return []
    rows = Batch.objects.filter(
        application__name=APPLICATION, id__gte=floor_id(run.opened_at), id__lt=floor_id(run.closes_at + _SLACK)
    )
    return list(rows.filter(metadata__drill=str(run.pk)).values_list("pk", flat=True))


def _deliveries(run: DrillRun) -> QuerySet[Delivery]:
    since = floor_id(run.opened_at or run.asked_at)
    return Delivery.objects.filter(batch_id__in=_batches(run), kind=DeliveryKind.MESSAGE, id__gte=since)


def _counts(run: DrillRun) -> dict[str, int]:
    """Of messages, each with all its deliveries. Lost is what was accepted and has no end, be it that its row is gone.
    Of a run that was cut short only the latter: what it sent comes to its end without it."""
    accepted = Batch.objects.filter(pk__in=_batches(run)).aggregate(sum=Sum("accepted"))["sum"] or 0
    each = (
        _deliveries(run)
        .order_by()
        .values("notification_id")
        .annotate(
            under_way=Count("pk", filter=Q(status__in=IN_FLIGHT)), through=Count("pk", filter=Q(status__in=_THROUGH))
        )
    )
    found = each.aggregate(
        known=Count("notification_id"),
        final=Count("notification_id", filter=Q(under_way=0)),
        arrived=Count("notification_id", filter=Q(under_way=0, through__gt=0)),
    )
    return {
        "sent": accepted,
        "through": found["arrived"],
        "undelivered": found["final"] - found["arrived"],
        "lost": accepted - found["known" if run.outcome else "final"],
        "duplicated": _tries(run)
        .filter(outcome=_SENT)
        .order_by()
        .values("notification_id")
        .annotate(times=Count("pk"))
        .filter(times__gt=1)
        .count(),
    }


def _tries(run: DrillRun) -> QuerySet[Attempt]:
    since = floor_id(run.opened_at or run.asked_at)
    return Attempt.objects.filter(notification_id__in=_deliveries(run).values("notification_id"), id__gte=since)


def _attempts(run: DrillRun) -> tuple[list[Sent], list[datetime]]:
    """What was taken by whom, and when tries failed."""
    sent, failed = [], []
    columns = ("started_at", "latency_ms", "channel", "provider", "outcome")
    for at, latency_ms, channel, provider, outcome in _tries(run).values_list(*columns).iterator():
        done_at = at + timedelta(milliseconds=latency_ms)
        if outcome == _SENT:
            sent.append(Sent(done_at, off_stage(channel), off_stage(provider)))
        else:
            failed.append(done_at)
    return sent, failed


def _changes(run: DrillRun, since: datetime, until: datetime) -> list[Change]:
    """What the engine itself decided of the stage's providers and channels: that it takes note of an order of the plan
    is no finding of its own. Before the load it only gets to know who is there."""
    of_stage = Q(target__startswith=f"provider:{staged('')}") | Q(target__startswith=f"channel:{staged('')}")
    decided = DegradationEvent.objects.filter(of_stage, at__gte=since, at__lte=until).exclude(source=PinSource.DRILL)
    rows = decided.order_by("at", "pk")[:_MOST_CHANGES]
    return [
        Change(
            at=row.at,
            target=_real(row.target),
            before=row.before,
            after=row.after,
            share_before=row.share_before,
            share_after=row.share_after,
            # It speaks of the stage's names; readers know the real ones.
            reason=row.reason.replace(staged(""), ""),
        )
        for row in rows
    ]


def _real(target: str) -> str:
    kind, _colon, name = target.partition(":")
    return f"{kind}:{off_stage(name)}"


def _steps(run: DrillRun) -> list[Change]:
    """What the plan did to traffic."""
    if run.plan_run is None:
        return []
    found, does = run.plan_run, steps_of(run.plan_run)
    return [
        Change(
            at=row.entered_at,
            target=action.target,
            before="",
            after=action.kind,
            share_before=1.0,
            share_after=0.0,
            reason=pack(steps.numbered(row.position + 1, steps.worded(does[row.position]))),
            source="plan",
        )
        for row in found.steps.order_by("position")
        if (action := does[row.position].action) is not None and row.entered_at is not None
    ]
