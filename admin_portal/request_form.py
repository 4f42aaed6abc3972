"""The form in which a degradation is asked for: what somebody writes, turned into terms and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from admin_portal.forms import Form, ListField
from admin_portal.models import DegradationRequest
from admin_portal.models.requests import ActionKind
from admin_portal.priorities import WORDS as PRIORITIES
from admin_portal.steering import actions, approval, checking, ledger
from admin_portal.steering.actions import Action, Kind, Setup
from admin_portal.steering.approval import Severity
from admin_portal.steering.errors import Fault
from admin_portal.steering.ledger import Terms
from channels.names import CHANNELS

_CATEGORY: Final = "category:"
_OWN_END: Final = "own"
#: How long it may last, in minutes; ``own``: until the time that is written beside it.
LASTS: Final = (
    ("15", _("15 minutes")),
    ("30", _("30 minutes")),
    ("60", _("1 hour")),
    ("120", _("2 hours")),
    ("240", _("4 hours")),
    ("480", _("8 hours")),
    ("1440", _("1 day")),
    ("4320", _("3 days")),
    ("10080", _("7 days")),
    (_OWN_END, _("until a time of my own")),
)
#: The field each fault belongs to, where it has another name here.
_FIELDS: Final[Mapping[str, str]] = {"channel": "on_channel", "ends_at": "lasts"}


class WeightsField(ListField):
    """Weights, written as ``sms-a 70, sms-b 30``."""

    def to_python(self, value: Any) -> dict[str, int]:  # type: ignore[override]
        words = super().to_python((value or "").replace("=", " ").replace(":", " "))
        if len(words) % 2 or not all(word.isdecimal() for word in words[1::2]):
            raise ValidationError(_("Write each provider with its weight: sms-a 70, sms-b 30."), code="weights")
        return {name: int(weight) for name, weight in zip(words[::2], words[1::2], strict=True)}


class MomentInput(forms.DateTimeInput):
    """A date and a time, with the browser's own picker."""

    input_type = "datetime-local"


def _moment_field(label: Any, help_text: Any) -> forms.DateTimeField:
    widget = MomentInput(format="%Y-%m-%dT%H:%M", attrs={"class": "steering-moment"})
    formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
    return forms.DateTimeField(label=label, required=False, widget=widget, input_formats=formats, help_text=help_text)


class RequestForm(Form):
    """What is to be done, to what, why, and for how long. ``token``: one form makes one request."""

    token = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(
            ("required", "invalid"), _("This form is not ours, or not whole. Open a new one.")
        ),
    )
    kind = forms.ChoiceField(
        label=_("action"),
        choices=ActionKind.choices,
        widget=UnfoldAdminSelectWidget,
    )
    target = forms.ChoiceField(label=_("target"), widget=UnfoldAdminSelectWidget)
    category = forms.CharField(
        label=_("category"),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("As applications write it, such as marketing."),
    )
    on_channel = forms.ChoiceField(
        label=_("only on channel"),
        required=False,
        choices=[("", _("every channel")), *((name, name) for name in CHANNELS)],
        widget=UnfoldAdminSelectWidget,
    )
    to = forms.ChoiceField(
        label=_("switch to"),
        required=False,
        choices=[("", "–"), *((name, name) for name in CHANNELS)],
        widget=UnfoldAdminSelectWidget,
        help_text=_("Only messages whose recipient has an address there go over it. Bulk is held."),
    )
    weights = WeightsField(
        label=_("weights"),
        required=False,
        help_text=_("Every enabled provider of the channel: sms-a 70, sms-b 30. Weight 0: only as a last resort."),
    )
    rate_per_s = forms.IntegerField(
        label=_("messages a second"),
        required=False,
        min_value=1,
        max_value=actions.MOST_RATE,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    severity = forms.ChoiceField(
        label=_("severity"),
        choices=Severity.choices,
        initial=Severity.MEDIUM,
        widget=UnfoldAdminSelectWidget,
        help_text=_("How much it hurts people while it lasts. It decides how many have to approve it."),
    )
    reason = forms.CharField(
        label=_("reason"),
        max_length=checking.LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("What you see, and what this is to achieve. Approvers decide by it."),
    )
    lasts = forms.ChoiceField(label=_("lasts"), choices=LASTS, initial="60", widget=UnfoldAdminSelectWidget)
    ends_at = _moment_field(_("ends at"), _("Between 15 minutes and 7 days after its start."))
    starts_at = _moment_field(_("starts at"), _("Empty: as soon as it is approved."))
    supersedes = forms.TypedChoiceField(
        label=_("replaces"),
        required=False,
        coerce=int,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        help_text=_("That one ends when this one begins."),
    )

    def __init__(self, *args: Any, setup: Setup, replaceable: Iterable[DegradationRequest] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target"].choices = target_choices(setup)  # type: ignore[attr-defined]
        found = [(str(row.pk), ledger.name_of(row)) for row in replaceable]
        self.fields["supersedes"].choices = [("", _("nothing")), *found]  # type: ignore[attr-defined]
        zone = get_current_timezone_name()
        for name in ("starts_at", "ends_at"):
            self.fields[name].help_text = f"{self.fields[name].help_text} {zone}"

    def terms(self, *, now: datetime, stranding_confirmed: bool = False) -> Terms:
        """What this valid form asks for. How long it lasts counts from its start."""
        data = self.cleaned_data
        starts_at: datetime | None = data["starts_at"]
        ends_at: datetime | None = data["ends_at"]
        if data["lasts"] != _OWN_END:
            ends_at = max(starts_at or now, now) + timedelta(minutes=int(data["lasts"]))
        return Terms(
            action=self._action(),
            reason=data["reason"],
            severity=Severity(data["severity"]),
            starts_at=starts_at,
            # Nothing written where a time has to be: the past is refused with the right words.
            ends_at=ends_at or now,
            supersedes=data["supersedes"],
            stranding_confirmed=stranding_confirmed,
        )

    def _action(self) -> Action:
        data = self.cleaned_data
        kind = Kind(data["kind"])
        parameters: dict[str, Any] = {
            Kind.SET_WEIGHTS: {"weights": data["weights"]},
            Kind.SWITCH_CHANNEL: {"to": data["to"]},
            Kind.THROTTLE: {"rate_per_s": data["rate_per_s"]},
        }.get(kind, {})
        target = data["target"] if data["target"] != _CATEGORY else f"{_CATEGORY}{data['category'].strip()}"
        if data["on_channel"] and target.partition(":")[0] in actions.NARROWED:
            parameters["channel"] = data["on_channel"]
        return Action(kind=kind, target=target, parameters=parameters)

    def show(self, faults: Iterable[Fault]) -> None:
        """Puts ``faults`` beside their fields."""
        for fault in faults:
            name = _FIELDS.get(fault.field, fault.field)
            self.add_error(name if name in self.fields else None, str(fault))

    def as_hidden(self) -> list[tuple[str, str]]:
        """What was written, to be sent again from the next page."""
        return [(name, self.data.get(name, "")) for name in self.fields]


def target_choices(setup: Setup) -> list[tuple[Any, Any]]:
    """Everything that can be a target, in groups."""
    priorities = [(f"priority:{name}", word) for name, word in PRIORITIES.items()]
    return [
        ("", "–"),
        (_("Channels"), [(f"channel:{name}", name) for name in CHANNELS]),
        (_("Providers"), [(f"provider:{name}", name) for name in sorted(setup.providers)]),
        (_("Messages"), [*priorities, (_CATEGORY, _("of a category"))]),
        (_("Applications"), [(f"application:{name}", name) for name in sorted(setup.applications)]),
    ]


def initial_of(row: DegradationRequest, *, now: datetime) -> dict[str, Any]:
    """A request as the form shows it."""
    action = ledger.action_of(row)
    weights = action.parameters.get("weights") or {}
    is_category = action.target.startswith(_CATEGORY)
    return {
        "token": row.form_token,
        "kind": row.kind,
        "target": _CATEGORY if is_category else row.target,
        "category": action.target_name if is_category else "",
        "on_channel": action.channel,
        "to": action.parameters.get("to", ""),
        "weights": ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items())),
        "rate_per_s": action.parameters.get("rate_per_s"),
        "severity": row.severity,
        "reason": row.reason,
        "lasts": _OWN_END,
        "ends_at": localtime(row.ends_at),
        "starts_at": localtime(row.starts_at) if row.starts_at else None,
        "supersedes": row.supersedes_id,
    }


def fresh(query: Mapping[str, str]) -> dict[str, Any]:
    """What a new form begins with; a link may name action and target."""
    named = {name: query[name] for name in ("kind", "target", "on_channel", "supersedes") if name in query}
    return {"token": uuid4(), "severity": Severity.MEDIUM, "lasts": "60", **named}


def live_requests() -> list[DegradationRequest]:
    """Those that can be replaced."""
    return list(DegradationRequest.objects.filter(state__in=approval.LIVE).order_by("pk"))


def token_of(form: RequestForm) -> UUID:
    """The token of a valid form."""
    token: UUID = form.cleaned_data["token"]
    return token
