"""What a run is judged by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Score:
    """Messages, but for the peak, which is a share of a provider's capacity. ``overload`` is what well providers were
    sent beyond their capacity, ``wasted`` what ill ones were sent at all."""

    accepted: int = 0
    on_time: int = 0
    late: int = 0
    duplicates: int = 0
    switched: int = 0
    wasted: int = 0
    overload: float = 0.0
    peak: float = 0.0
    #: Seconds from the end of the fault until the weights were back at rest for good; None: not in this run.
    back_after_s: int | None = None

    def offer(self, *, offered: int, capacity: float, ill: bool) -> None:
        """What a provider was sent in a while."""
        if ill:
            self.wasted += offered
            return
        self.overload += max(0.0, offered - capacity)
        self.peak = max(self.peak, offered / capacity)
