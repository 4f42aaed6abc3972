"""What the page of a drill's run shows: how far it is, its timeline, and what its figures say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.translation import gettext as _

from admin_portal.drills import ledger, measuring, terms
from admin_portal.drills.plot import Mark, Plot, Series
from admin_portal.drills.progress import UNDER_LOAD
from admin_portal.drills.verdict import Finding
from admin_portal.durations import span
from admin_portal.engine_words import CHANNEL_STATES, PROVIDER_STATES
from admin_portal.kept_words import unpack
from admin_portal.models import DrillRun
from admin_portal.models.drills import MOMENTS, DrillPhase

#: A run that nobody drove for this long stands still, and the page says so. Seconds.
_STILL_S: Final = 5.0
_STATES: Final[Mapping[str, Any]] = {**CHANNEL_STATES, **PROVIDER_STATES}


@dataclass(frozen=True, slots=True)
class Step:
    """A phase as the page shows it: when it began, if it has, and whether it is the one that is on."""

    words: str
    at: datetime | None
    is_now: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A change as the page shows it."""

    at: datetime
    after_s: float
    target: str
    words: str
    reason: str
    is_plan: bool


def context(run: DrillRun, *, now: datetime) -> dict[str, Any]:
    """All that the standing part of the page and the report show."""
    figures = run.figures or (measuring.read(run, now=now) if run.phase in UNDER_LOAD else {})
    found = ledger.terms_of(run)
    changes = _lines(run, figures)
    plot = _plot(run, figures, changes, now)
    return {
        "run": run,
        "terms": found,
        "fault_words": terms.describe(found),
        "hypothesis": found.hypothesis.words(),
        "steps": _steps(run),
        "figures": figures,
        "findings": [Finding(**one) for one in run.findings],
        "changes": changes,
        "plot": plot,
        "unseen": "–" if run.is_live else _("not seen"),
        "not_recovered": "" if run.is_live else _not_recovered(figures),
        "left_s": _left(run, now),
        "still_s": _still(run, now),
    }


def _steps(run: DrillRun) -> list[Step]:
    """The phases, without those that an early end left out."""
    return [
        Step(str(phase.label), getattr(run, MOMENTS[phase]), phase == run.phase)
        for phase in DrillPhase
        if getattr(run, MOMENTS[phase]) is not None or not run.outcome
    ]


def _not_recovered(figures: Mapping[str, Any]) -> str:
    """Why nobody can say when all was as before; empty where somebody can."""
    if figures.get("recover_s") is not None or figures.get("watched_s") is None:
        return ""
    still = ", ".join(f"{target.partition(':')[2]} ({_word(state)})" for target, state in figures["still"].items())
    if not still:
        return _("The engine degraded nothing.")
    words = _("Watched for %(time)s. Not as before then: %(still)s")
    return words % {"time": span(figures["watched_s"]), "still": still}


def _left(run: DrillRun, now: datetime) -> float | None:
    """Seconds until its load is over."""
    if not run.is_live or run.load_until is None:
        return None
    return max(0.0, (run.load_until - now).total_seconds())


def _still(run: DrillRun, now: datetime) -> float | None:
    """For how long nobody has driven it, where that is too long. Seconds."""
    since = run.driven_until or run.asked_at
    if not run.is_live or (run.load_until is not None and since >= run.load_until):
        return None
    still = (now - since).total_seconds()
    return still if still > _STILL_S else None


def _lines(run: DrillRun, figures: Mapping[str, Any]) -> list[Line]:
    if run.faulty_from is None:
        return []
    found = []
    for one in figures.get("changes", ()):
        at, is_plan = datetime.fromisoformat(one["at"]), one["source"] == "plan"
        words = _("the plan") if is_plan else f"{_word(one['before'])} → {_word(one['after'])}"
        after_s = (at - run.faulty_from).total_seconds()
        found.append(Line(at, after_s, one["target"].partition(":")[2], words, str(unpack(one["reason"])), is_plan))
    return found


def _word(state: str) -> str:
    return str(_STATES.get(state, state))


def _plot(run: DrillRun, figures: Mapping[str, Any], changes: list[Line], now: datetime) -> Plot | None:
    plan = ledger.schedule_of(run)
    if plan is None or not figures.get("series"):
        return None
    marks = [_mark(one) for one in changes]
    for name, begins, words in (
        ("detect_s", plan.faulty_from, _("noticed")),
        ("switch_s", plan.faulty_from, _("traffic went another way")),
        ("recover_s", plan.faulty_until, _("as before")),
    ):
        if figures.get(name) is not None:
            at, tone = begins + timedelta(seconds=figures[name]), f"drill-mark-{name.removesuffix('_s')}"
            marks.append(Mark(at, words, tone, legend=words))
    ends = plan.load_until if run.is_live else min(plan.load_until, run.measured_at or now)
    return Plot(
        series=Series.from_json(figures["series"]),
        begins=plan.load_from,
        ends=max(ends, plan.load_from + timedelta(seconds=1)),
        faulty_from=plan.faulty_from,
        faulty_until=plan.faulty_until,
        marks=marks,
    )


def _mark(change: Line) -> Mark:
    words = f"{change.target}: {change.words}"
    return Mark(change.at, words, "drill-mark-plan", legend=_("the plan")) if change.is_plan else Mark(change.at, words)
