"""What this room tells those above it, without knowing them. Rooms above tell of their own verbs by ``changed`` too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.dispatch import Signal

#: After commit: ``transitions: Sequence[Transition]``: providers or channels that stand differently from now on.
#: Receivers must be quick and must not raise.
degraded = Signal()
#: ``change: Change``, sent by the verb that makes it, as the last thing in its transaction. A receiver that raises
#: undoes the change: what can't be written down does not happen.
changed = Signal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that somebody did on purpose. ``action`` is a dotted verb (``key.revoked``), ``target`` says to what
    (``key:gt_live_x``). ``actor``: who, where the verb was told; else whoever is at work (``channels.acting``)."""

    action: str
    target: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str = ""
    actor: str = ""


def send_changed(
    *,
    action: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    actor: str = "",
) -> None:
    """Tells of a change. Secrets have no place in it."""
    change = Change(action=action, target=target, before=before, after=after, reason=reason, actor=actor)
    changed.send(sender=None, change=change)
