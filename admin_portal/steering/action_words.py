"""What an action does, in words. Pure."""

from __future__ import annotations

from admin_portal.kept_words import Sayable, Words
from admin_portal.kept_words import Words as _
from admin_portal.priorities import worded_priority
from admin_portal.steering.actions import Action, Kind, TargetKind, weights_of


def describe(action: Action) -> str:
    """What happens, as a line in the reader's language: ``Throttle billing to 5/s``."""
    return str(worded(action))


def worded(action: Action) -> Words:
    """The same, to be kept or to be put into other words."""
    words = {
        Kind.DISABLE_PROVIDER: _("Disable the provider %(target)s"),
        Kind.SET_WEIGHTS: _("Set the weights of %(target)s to %(weights)s"),
        Kind.SWITCH_CHANNEL: _("Switch %(target)s to %(to)s"),
        Kind.SHED_BULK: _("Hold bulk back on %(target)s"),
        Kind.THROTTLE: _("Throttle %(target)s to %(rate)s/s"),
        Kind.PAUSE: _("Pause %(target)s and hold its messages"),
    }
    rate = action.parameters.get("rate_per_s")
    return words[action.kind] % {
        "target": _worded_target(action.target, action.channel),
        "to": action.parameters.get("to", "?"),
        "weights": ", ".join(f"{name} {weight}" for name, weight in sorted(weights_of(action).items())),
        "rate": rate if isinstance(rate, int) else "?",
    }


def describe_target(target: str, *, channel: str = "") -> str:
    """A target in the reader's language: channels and providers by their names, the others with their kind."""
    return str(_worded_target(target, channel))


def _worded_target(target: str, channel: str) -> Sayable:
    kind, _colon, name = target.partition(":")
    if channel:
        return _("%(messages)s on %(channel)s") % {"messages": _worded_target(target, ""), "channel": channel}
    words = {
        TargetKind.PRIORITY.value: _("messages of priority %(name)s"),
        TargetKind.CATEGORY.value: _("messages of category %(name)s"),
        TargetKind.APPLICATION.value: _("messages of application %(name)s"),
    }
    said = worded_priority(name) if kind == TargetKind.PRIORITY else name
    return words[kind] % {"name": said} if kind in words else name
