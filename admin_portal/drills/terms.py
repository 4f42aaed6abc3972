"""What a drill does: which fault, on which channel, under which load, for how long, and what is expected. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.kept_words import Words as _
from admin_portal.steering.actions import Setup
from admin_portal.steering.errors import Fault
from channels.names import CHANNELS, LONGEST_PROVIDER, FaultKind, staged

#: What was sent may take this long after the load's end to come to its own end.
SETTLE_S: Final = 60
#: Every process knows a new stage after this time.
SETTING_UP_S: Final = 3
MOST_RATE: Final = 50
LONGEST_S: Final = 3600
#: What its page counts anew every two seconds, for everybody who looks.
MOST_MESSAGES: Final = 20_000
_SHORTEST_FAULT_S: Final = 5
#: Of these faults one provider may be meant; the others are the channel's.
OF_PROVIDERS: Final = frozenset({FaultKind.ERRORS, FaultKind.LATENCY, FaultKind.HANG, FaultKind.RECEIPTS_STOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """``provider``: who fails; empty: all of ``channel``. ``parameters``: of the fault (``rate``, ``latency_ms``).
    ``share``: of the test keys' own messages, from 0 to 1, beside the drill's load of ``rate_per_s``. The load begins
    ``warm_s`` before the fault, which lasts ``fault_s``, and ends ``recover_s`` after it. Times in seconds."""

    channel: str
    fault: FaultKind
    provider: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)
    share: float = 0.0
    rate_per_s: int = 5
    warm_s: int = 15
    fault_s: int = 60
    recover_s: int = 60
    hypothesis: Hypothesis = field(default_factory=Hypothesis)

    @property
    def lasts(self) -> timedelta:
        """From the first to the last moment, if all that was sent takes its time."""
        return timedelta(seconds=SETTING_UP_S + self.warm_s + self.fault_s + self.recover_s + SETTLE_S)

    @property
    def messages(self) -> int:
        """How many messages it sends."""
        return self.rate_per_s * (self.warm_s + self.fault_s + self.recover_s)

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "channel": self.channel,
            "fault": str(self.fault),
            "provider": self.provider,
            "parameters": dict(self.parameters),
            "share": self.share,
            "rate_per_s": self.rate_per_s,
            "warm_s": self.warm_s,
            "fault_s": self.fault_s,
            "recover_s": self.recover_s,
            "hypothesis": self.hypothesis.as_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Terms:
        """What ``as_json`` wrote."""
        given = {**data, "fault": FaultKind(data["fault"]), "hypothesis": Hypothesis.from_json(data["hypothesis"])}
        return cls(**given)


def validate(terms: Terms, *, has_plan: bool, setup: Setup) -> tuple[Fault, ...]:
    """What is wrong with ``terms`` as things are, by the fields of the form."""
    return tuple([*_faults_of_target(terms, has_plan, setup), *_faults_of_load(terms), *_faults_of_times(terms)])


def _faults_of_target(terms: Terms, has_plan: bool, setup: Setup) -> Iterator[Fault]:
    if terms.channel not in CHANNELS:
        yield Fault("channel", "unknown", _("There is no such channel."))
        return
    carriers = {name for name, one in setup.providers.items() if one.channel == terms.channel and one.enabled}
    if not carriers:
        yield Fault("channel", "no_provider", _("No provider carries this channel: there is nothing to rehearse."))
    if terms.provider and terms.fault not in OF_PROVIDERS:
        yield Fault("provider", "not_allowed", _("This fault is the whole channel's: name no provider."))
    elif terms.provider and terms.provider not in carriers:
        yield Fault("provider", "unknown", _("This channel has no such provider that is enabled."))
    elif len(staged(terms.provider)) > LONGEST_PROVIDER:
        yield Fault("provider", "too_long", _("Its name is too long for the stage: it would not be played."))
    if terms.fault is FaultKind.NONE and not has_plan:
        yield Fault("fault", "nothing", _("Choose a fault, a plan, or both: nothing would happen."))
    rate, latency = terms.parameters.get("rate", 1.0), terms.parameters.get("latency_ms", 1.0)
    if not 0 < rate <= 1:
        yield Fault("fault_share", "range", _("From 1 to 100 percent."))
    if not 1 <= latency <= 60_000:
        yield Fault("latency_ms", "range", _("From 1 to 60,000 ms."))


def _faults_of_load(terms: Terms) -> Iterator[Fault]:
    if not 1 <= terms.rate_per_s <= MOST_RATE:
        yield Fault("rate_per_s", "range", _("From 1 to %(most)d messages a second.") % {"most": MOST_RATE})
    elif terms.messages > MOST_MESSAGES:
        words = _("At most %(most)d messages in all: less a second, or shorter.")
        yield Fault("rate_per_s", "too_many", words % {"most": MOST_MESSAGES})
    if not 0 <= terms.share <= 1:
        yield Fault("share", "range", _("From 0 to 100 percent."))


def _faults_of_times(terms: Terms) -> Iterator[Fault]:
    if terms.fault_s < _SHORTEST_FAULT_S:
        yield Fault("fault_s", "range", _("At least %(least)d s.") % {"least": _SHORTEST_FAULT_S})
    if min(terms.warm_s, terms.recover_s) < 0 or terms.warm_s + terms.fault_s + terms.recover_s > LONGEST_S:
        yield Fault("fault_s", "range", _("All of it lasts one hour at most."))
    expected = terms.hypothesis
    for name, within, has in (
        ("detect_within_s", expected.detect_within_s, terms.fault_s),
        ("switch_within_s", expected.switch_within_s, terms.fault_s),
        ("recover_within_s", expected.recover_within_s, terms.recover_s),
    ):
        if within is not None and not 1 <= within <= has:
            words = _("From 1 s to the %(seconds)d s in which it is looked for.")
            yield Fault(name, "range", words % {"seconds": has})
    counts = (expected.lost_at_most, expected.duplicated_at_most, expected.undelivered_at_most or 0)
    if min(counts) < 0:
        yield Fault("lost_at_most", "range", _("Not less than 0."))


def describe(terms: Terms) -> str:
    """What goes wrong, as a line in the reader's language."""
    who = terms.provider or _("every provider of %(channel)s") % {"channel": terms.channel}
    percent = f"{terms.parameters.get('rate', 1.0):.0%}"
    seconds = f"{terms.parameters.get('latency_ms', 3000.0) / 1000:g}"
    lines = {
        FaultKind.NONE: _("Nothing goes wrong on %(channel)s") % {"channel": terms.channel},
        FaultKind.ERRORS: _("%(who)s answers %(percent)s of the messages with an error")
        % {"who": who, "percent": percent},
        FaultKind.LATENCY: _("%(who)s takes %(seconds)s s to answer") % {"who": who, "seconds": seconds},
        FaultKind.HANG: _("%(who)s does not answer %(percent)s of the messages") % {"who": who, "percent": percent},
        FaultKind.RECEIPTS_STOP: _("%(who)s sends no receipts any more") % {"who": who},
        FaultKind.OUTAGE: _("%(channel)s is out: every provider fails") % {"channel": terms.channel},
    }
    return str(lines[terms.fault])
