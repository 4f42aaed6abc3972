"""What needs a person, the worst first. Pure: from what the board shows to one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from admin_portal.board.queries import NONE, Count, Jobs, Pulse
from admin_portal.board.rows import ChannelRow, ProviderRow
from admin_portal.board.waiting import Waiting
from admin_portal.durations import span
from channels.degradation.standing import ChannelState, ProviderState
from channels.names import split_lane
from monitoring.health import Check, Status
from notify import judging, lifeboat
from notify.depths import LaneDepth

#: How long something due may wait before it is worth a line, by priority. Seconds.
PATIENCE_S: Final[Mapping[str, float]] = {"critical": 15.0, "normal": 120.0, "bulk": 3600.0}
#: A process that was not seen moving for so long stands still. Seconds.
SILENT_S: Final = 20.0
#: Who looks after the platform, by pulse.
WATCHMEN: Final = (lifeboat.PULSE, judging.PULSE)


class Gravity(IntEnum):
    """How bad: what keeps messages from people, what may soon, what wants a decision."""

    ALARM = 0
    WARNING = 1
    NOTE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line. ``link``: a name of the board's links; ``anchor``: what it is about, to go with it."""

    gravity: Gravity
    icon: str
    text: str
    detail: str = ""
    link: str = ""
    anchor: str = ""

    @property
    def tone(self) -> str:
        """A class of the style sheet."""
        return ("bad", "warm", "calm")[self.gravity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that is looked at. What this person may not see, or what could not be read, is empty or None."""

    channels: Sequence[ChannelRow] = ()
    checks: Mapping[str, Check]
    pulses: Mapping[str, Pulse] | None
    dead: Count = NONE
    held: Count = NONE
    waiting: Waiting
    jobs: Jobs | None = None
    unread: bool = False


def find(scene: Scene) -> list[Item]:
    """What needs a person, the worst first; nothing, when all is well."""
    items = [
        *_system(scene),
        *(item for channel in scene.channels for item in _channel(channel)),
        *_people(scene.waiting),
        *_desk(scene),
    ]
    return sorted(items, key=lambda item: item.gravity)


def _system(scene: Scene) -> Iterator[Item]:
    names = {"database": _("The database"), "redis": "Valkey", "broker": _("The broker"), "migrations": _("The schema")}
    for name, label in names.items():
        check = scene.checks.get(name)
        if check is not None and check.status is not Status.OK:
            gravity = Gravity.ALARM if name in ("database", "migrations") else Gravity.WARNING
            text = _("%(name)s is not well") % {"name": label}
            yield Item(gravity=gravity, icon="dns", text=text, detail=check.detail.told(), anchor="board-system")
    if scene.unread:
        text = _("Some of this can't be read: the database is busy")
        yield Item(gravity=Gravity.WARNING, icon="hourglass_disabled", text=text)
    if scene.pulses is not None:
        yield from _watchmen(scene.pulses)


def _watchmen(pulses: Mapping[str, Pulse]) -> Iterator[Item]:
    silent = [name for name in WATCHMEN if is_silent(pulses.get(name))]
    if len(silent) == len(WATCHMEN):
        text = _("Nobody looks after the lanes: neither control nor lifeboat runs")
        yield Item(gravity=Gravity.ALARM, icon="heart_broken", text=text, anchor="board-system")
    elif lifeboat.PULSE in silent:
        text = _("The lifeboat does not run")
        yield Item(gravity=Gravity.WARNING, icon="sailing", text=text, anchor="board-system")
    elif silent:
        text = _("Nobody judges the channels")
        yield Item(gravity=Gravity.WARNING, icon="gavel", text=text, anchor="board-system")


def is_silent(pulse: Pulse | None) -> bool:
    """Whether nobody has been seen for too long."""
    return pulse is None or pulse.age_s > SILENT_S


# --- channels ---------------------------------------------------------------------------------------------------------


def _channel(channel: ChannelRow) -> Iterator[Item]:
    texts = {
        ChannelState.PAUSED: (Gravity.ALARM, "pause_circle", _("%(channel)s is paused")),
        ChannelState.SWITCHED: (Gravity.WARNING, "alt_route", _("%(channel)s is switched to another channel")),
        ChannelState.SHEDDING: (Gravity.WARNING, "filter_alt", _("%(channel)s holds bulk back")),
    }
    about = {"channel": channel.name}
    anchor = f"channel-{channel.name}"
    found = texts.get(ChannelState(channel.state))
    if found is not None:
        gravity, icon, text = found
        yield Item(gravity=gravity, icon=icon, text=text % about, detail=channel.reason, anchor=anchor)
    if channel.is_used and not any(row.state != ProviderState.DISABLED for row in channel.providers):
        gravity = Gravity.ALARM if channel.depth.number else Gravity.NOTE
        text = _("%(channel)s has no provider that is switched on") % about
        yield Item(gravity=gravity, icon="link_off", text=text, anchor=anchor)
    elif channel.providers and not channel.carriers:
        text = _("No provider of %(channel)s carries anything") % about
        yield Item(gravity=Gravity.ALARM, icon="link_off", text=text, anchor=anchor)
    for row in channel.providers:
        yield from _provider(row, anchor)
    for lane in channel.lanes:
        yield from _lane(lane, anchor)


def _provider(row: ProviderRow, anchor: str) -> Iterator[Item]:
    about = {"provider": row.name}
    if row.state == ProviderState.OPEN:
        text = _("%(provider)s is cut off") % about
        yield Item(gravity=Gravity.WARNING, icon="cell_tower", text=text, detail=row.reason, anchor=anchor)
    elif row.state == ProviderState.DEGRADED:
        text = _("%(provider)s gets less: %(effective)s instead of %(weight)s") % {
            **about,
            "effective": row.effective,
            "weight": row.weight,
        }
        yield Item(gravity=Gravity.WARNING, icon="cell_tower", text=text, detail=row.reason, anchor=anchor)
    elif row.state == ProviderState.RECOVERING:
        text = _("%(provider)s is coming back") % about
        yield Item(gravity=Gravity.NOTE, icon="trending_up", text=text, detail=row.reason, anchor=anchor)


def _lane(lane: LaneDepth, anchor: str) -> Iterator[Item]:
    priority = split_lane(lane.name)[1]
    if lane.oldest_age_s <= PATIENCE_S[priority]:
        return
    gravity = {"critical": Gravity.ALARM, "normal": Gravity.WARNING, "bulk": Gravity.NOTE}[priority]
    text = ngettext(
        "%(count)s message waits in %(lane)s, for %(age)s",
        "%(count)s messages wait in %(lane)s, the first for %(age)s",
        lane.depth,
    )
    count = f"{lane.depth:,}{'+' if lane.capped else ''}"
    about = {"count": count, "lane": lane.name, "age": span(lane.oldest_age_s)}
    yield Item(gravity=gravity, icon="hourglass_top", text=text % about, anchor=anchor)


# --- decisions --------------------------------------------------------------------------------------------------------


def _people(waiting: Waiting) -> Iterator[Item]:
    if waiting.approvals:
        text = ngettext(
            "%(count)d request waits for your approval", "%(count)d requests wait for your approval", waiting.approvals
        )
        yield Item(
            gravity=Gravity.WARNING, icon="how_to_reg", text=text % {"count": waiting.approvals}, link="approvals"
        )
    if waiting.runs:
        text = ngettext(
            "%(count)d run of a plan waits for your approval",
            "%(count)d runs of plans wait for your approval",
            waiting.runs,
        )
        yield Item(gravity=Gravity.WARNING, icon="how_to_reg", text=text % {"count": waiting.runs}, link="awaited_runs")
    for words in waiting.proposals:
        text = _("A plan is proposed")
        yield Item(gravity=Gravity.WARNING, icon="lightbulb", text=text, detail=words, link="plans")
    if waiting.reviews:
        text = ngettext(
            "%(count)d break-glass has to be reviewed", "%(count)d break-glasses have to be reviewed", waiting.reviews
        )
        gravity = Gravity.ALARM if waiting.reviews_late else Gravity.WARNING
        yield Item(gravity=gravity, icon="emergency", text=text % {"count": waiting.reviews}, link="reviews")
    if waiting.run_reviews:
        text = ngettext(
            "%(count)d run of a plan that began without approval has to be reviewed",
            "%(count)d runs of plans that began without approval have to be reviewed",
            waiting.run_reviews,
        )
        gravity = Gravity.ALARM if waiting.run_reviews_late else Gravity.WARNING
        yield Item(gravity=gravity, icon="emergency", text=text % {"count": waiting.run_reviews}, link="run_reviews")
    if waiting.overdue_plans:
        text = ngettext(
            "%(count)d plan has not been rehearsed for too long",
            "%(count)d plans have not been rehearsed for too long",
            waiting.overdue_plans,
        )
        yield Item(gravity=Gravity.NOTE, icon="event_busy", text=text % {"count": waiting.overdue_plans}, link="plans")

    if waiting.drill:
        text = _("A drill is under way: nobody real is touched")
        yield Item(gravity=Gravity.NOTE, icon="theater_comedy", text=text, detail=waiting.drill, link="drill_runs")


def _desk(scene: Scene) -> Iterator[Item]:
    if scene.held.number:
        text = ngettext(
            "%(count)s message is held: nobody knows whether it was sent",
            "%(count)s messages are held: nobody knows whether they were sent",
            scene.held.number,
        )
        yield Item(gravity=Gravity.WARNING, icon="pause_circle", text=text % _counted(scene.held), link="held")
    if scene.dead.number:
        text = ngettext("%(count)s dead letter is open", "%(count)s dead letters are open", scene.dead.number)
        yield Item(gravity=Gravity.NOTE, icon="report", text=text % _counted(scene.dead), link="dead")
    if scene.jobs is not None and scene.jobs.failed is not None:
        text = _("A job of the desk failed")
        yield Item(gravity=Gravity.WARNING, icon="error", text=text, detail=scene.jobs.failed.error, link="jobs")


def _counted(count: Count) -> dict[str, Any]:
    return {"count": f"{count.number:,}{'+' if count.capped else ''}"}
