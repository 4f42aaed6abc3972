"""What this room tells those above it. Receivers must be quick and must not raise."""

from __future__ import annotations

from django.dispatch import Signal

#: After commit: ``transitions: Sequence[Transition]``: providers or channels that stand differently from now on.
degraded = Signal()
