"""The form in which a drill is written: what somebody writes, turned into a draft and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID, uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from admin_portal.drills.editing import Draft
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.drills.terms import MOST_RATE, Terms
from admin_portal.forms import Form
from admin_portal.models import Drill, Plan
from admin_portal.steering.actions import Setup
from admin_portal.steering.errors import Fault
from channels.names import CHANNELS, FaultKind

#: What goes wrong, in words.
FAULTS: Final = (
    (FaultKind.NONE, _("nothing: a plan alone")),
    (FaultKind.ERRORS, _("answers with errors")),
    (FaultKind.LATENCY, _("answers slowly")),
    (FaultKind.HANG, _("does not answer")),
    (FaultKind.RECEIPTS_STOP, _("sends no receipts")),
    (FaultKind.OUTAGE, _("the whole channel is out")),
)
#: The fields in their groups, as the page shows them.
GROUPS: Final = (
    (_("What it is"), ("name", "title", "owner")),
    (_("What goes wrong"), ("channel", "fault", "provider", "fault_share", "latency_ms", "plan")),
    (_("Under which load"), ("rate_per_s", "share", "warm_s", "fault_s", "recover_s")),
    (
        _("What is expected"),
        (
            "detect_within_s",
            "switch_within_s",
            "recover_within_s",
            "lost_at_most",
            "duplicated_at_most",
            "undelivered_at_most",
        ),
    ),
    (_("When it runs by itself"), ("every_days", "at")),
)


class TimeInput(forms.TimeInput):
    """A time of the day, with the browser's own picker."""

    input_type = "time"


def _number(label: Any, *, least: int = 0, most: int = 3600, needed: bool = True, help_text: Any = "") -> Any:
    return forms.IntegerField(
        label=label,
        required=needed,
        min_value=least,
        max_value=most,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=help_text,
    )


def _text(label: Any, *, most: int, help_text: Any = "") -> forms.CharField:
    return forms.CharField(label=label, max_length=most, widget=UnfoldAdminTextInputWidget, help_text=help_text)


def _choice(label: Any, choices: Any, *, needed: bool = True, help_text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, required=needed, widget=UnfoldAdminSelectWidget, help_text=help_text
    )


class DrillForm(Form):
    """All that can be said of a drill."""

    name = _text(_("name"), most=64, help_text=_("Letters, digits, hyphens: how it is called in the audit."))
    title = _text(_("title"), most=120)
    owner = _text(_("owner"), most=150, help_text=_("A user name: who is told when it does not pass."))
    channel = _choice(_("channel"), [(name, name) for name in CHANNELS])
    fault = _choice(_("fault"), FAULTS)
    provider = _choice(_("provider"), (), needed=False)
    fault_share = _number(
        _("of its messages, percent"), least=1, most=100, needed=False, help_text=_("For errors and no answer.")
    )
    latency_ms = _number(
        _("time to answer, ms"), least=1, most=60_000, needed=False, help_text=_("For slow answers; else 3000.")
    )
    plan = _choice(
        _("plan"), (), needed=False, help_text=_("Runs on the stage when the fault begins; without approval.")
    )
    rate_per_s = _number(
        _("messages a second"), least=1, most=MOST_RATE, help_text=_("The drill's own messages. Nobody gets them.")
    )
    share = _number(
        _("test keys' messages, percent"),
        most=100,
        help_text=_("So many of the messages that applications send with test keys play too. Real ones never do."),
    )
    warm_s = _number(_("before the fault, s"))
    fault_s = _number(_("fault, s"), least=5)
    recover_s = _number(_("after the fault, s"))
    detect_within_s = _number(_("noticed within, s"), least=1, needed=False)
    switch_within_s = _number(_("another way within, s"), least=1, needed=False)
    recover_within_s = _number(_("as before within, s"), least=1, needed=False, help_text=_("After the fault's end."))
    lost_at_most = _number(_("lost, at most"), most=1_000_000)
    duplicated_at_most = _number(_("sent twice, at most"), most=1_000_000)
    undelivered_at_most = _number(
        _("not through, at most"), most=1_000_000, needed=False, help_text=_("Empty: nothing is expected.")
    )
    every_days = _number(
        _("every so many days"), least=1, most=3650, needed=False, help_text=_("Empty: started by people alone.")
    )
    at = forms.TimeField(label=_("at"), required=False, widget=TimeInput)

    def __init__(self, *args: Any, setup: Setup, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        enabled = sorted((one.channel, name) for name, one in setup.providers.items() if one.enabled)
        providers = [
            ("", _("every provider of the channel")),
            *((name, f"{channel}: {name}") for channel, name in enabled),
        ]
        plans = Plan.objects.filter(retired_at=None).order_by("name")
        self.fields["provider"].choices = providers  # type: ignore[attr-defined]
        self.fields["plan"].choices = [  # type: ignore[attr-defined]
            ("", _("none")),
            *((one.name, str(one)) for one in plans),
        ]
        self.fields["at"].widget.attrs["class"] = UnfoldAdminTextInputWidget().attrs.get("class", "")
        if not is_new:
            del self.fields["name"]

    def groups(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """The fields as the page shows them."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in GROUPS]

    def draft(self) -> Draft:
        """What this valid form says."""
        data = self.cleaned_data
        return Draft(
            title=data["title"],
            owner=data["owner"],
            plan=data["plan"],
            every_days=data["every_days"],
            at=data["at"],
            terms=Terms(
                channel=data["channel"],
                fault=FaultKind(data["fault"]),
                provider=data["provider"],
                parameters=self._parameters(),
                share=data["share"] / 100,
                rate_per_s=data["rate_per_s"],
                warm_s=data["warm_s"],
                fault_s=data["fault_s"],
                recover_s=data["recover_s"],
                hypothesis=Hypothesis(**{name: data[name] for name in _EXPECTED}),
            ),
        )

    def _parameters(self) -> dict[str, float]:
        """What the fault takes; what was written for another one is left out."""
        data = self.cleaned_data
        fault = FaultKind(data["fault"])
        if fault in {FaultKind.ERRORS, FaultKind.HANG} and data["fault_share"]:
            return {"rate": data["fault_share"] / 100}
        if fault is FaultKind.LATENCY and data["latency_ms"]:
            return {"latency_ms": float(data["latency_ms"])}
        return {}

    def show(self, faults: Iterable[Fault]) -> None:
        """Puts ``faults`` beside their fields."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, str(fault))


_EXPECTED: Final = GROUPS[3][1]


def initial_of(drill: Drill) -> dict[str, Any]:
    """A drill as the form shows it."""
    terms = Terms.from_json(drill.terms)
    rate, latency = terms.parameters.get("rate"), terms.parameters.get("latency_ms")
    return {
        "title": drill.title,
        "owner": drill.owner,
        "plan": drill.plan.name if drill.plan is not None else "",
        "every_days": drill.every_days,
        "at": f"{drill.at:%H:%M}" if drill.at else None,
        "channel": terms.channel,
        "fault": terms.fault,
        "provider": terms.provider,
        "fault_share": None if rate is None else round(rate * 100),
        "latency_ms": None if latency is None else round(latency),
        "share": round(terms.share * 100),
        "rate_per_s": terms.rate_per_s,
        "warm_s": terms.warm_s,
        "fault_s": terms.fault_s,
        "recover_s": terms.recover_s,
        **terms.hypothesis.as_json(),
    }


def fresh(owner: str) -> dict[str, Any]:
    """What a new form begins with."""
    terms = Terms(channel="sms", fault=FaultKind.ERRORS, hypothesis=Hypothesis(switch_within_s=20))
    return {
        "owner": owner,
        "channel": terms.channel,
        "fault": terms.fault,
        "share": 0,
        "rate_per_s": terms.rate_per_s,
        "warm_s": terms.warm_s,
        "fault_s": terms.fault_s,
        "recover_s": terms.recover_s,
        **terms.hypothesis.as_json(),
    }


def token(written: str) -> UUID | None:
    """The token that a button sent; None for what is none."""
    try:
        return UUID(written)
    except ValueError:
        return None


def new_token() -> UUID:
    """A token for a button."""
    return uuid4()
