"""Whether what was expected came true: pure. Findings are kept as data and worded for whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.kept_words import unpack

_NAMES: Final[Mapping[str, Promise]] = {
    "detect": gettext_lazy("noticed"),
    "switch": gettext_lazy("traffic went another way"),
    "recover": gettext_lazy("as before"),
    "lost": gettext_lazy("lost"),
    "duplicated": gettext_lazy("sent twice"),
    "undelivered": gettext_lazy("did not get through"),
    "plan": gettext_lazy("the plan"),
    "sent": gettext_lazy("sent"),
    "refused": gettext_lazy("not accepted"),
}
_TIMES: Final = ("detect", "switch", "recover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a verdict is given on. Times in seconds; None: not seen. ``watched_s``: so long somebody looked after the
    fault's end. ``refused``: messages of its load that the platform did not accept. ``plan``: how the plan's run ended,
    empty when all its steps were done, None without a plan."""

    sent: int
    lost: int
    duplicated: int
    undelivered: int
    refused: int = 0
    detect_s: float | None = None
    switch_s: float | None = None
    recover_s: float | None = None
    watched_s: float | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was expected: what, how much of it, what came, and whether that is good. ``words``: of a plan that
    stopped, as ``kept_words`` packs them; ``watched``: for how long somebody looked for it, where that is not as long
    as was expected. Seconds."""

    what: str
    expected: float | None
    measured: float | None
    good: bool
    words: str = ""
    watched: float | None = None

    @property
    def name(self) -> str:
        """What it is about, in the reader's language."""
        return str(_NAMES[self.what])

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    def says(self) -> str:
        """The finding as a sentence in the reader's language."""
        if self.what == "plan":
            return _("All steps of the plan were done.") if self.good else self._stopped()
        if self.what == "sent":
            return _("No message was sent: nothing was measured.")
        if self.what == "refused":
            words = _("%(count)d messages of its load: less was measured than was meant")
            return words % {"count": self.measured or 0}
        if self.what in _TIMES:
            return self._says_time()
        words = _("%(measured)d, at most %(expected)d expected")
        return words % {"measured": self.measured or 0, "expected": self.expected or 0}

    def _stopped(self) -> str:
        return _("The plan did not come to its end: %(why)s") % {"why": unpack(self.words)}

    def _says_time(self) -> str:
        if self.measured is None and self.watched is not None:
            words = _("not seen in the %(watched)d s that were watched, within %(expected)d s expected")
            return words % {"watched": self.watched, "expected": self.expected or 0}
        if self.measured is None:
            return _("not seen, within %(expected)d s expected") % {"expected": self.expected or 0}
        words = _("after %(measured).1f s, within %(expected)d s expected")
        return words % {"measured": self.measured, "expected": self.expected or 0}


def judge(hypothesis: Hypothesis, measured: Measured) -> list[Finding]:
    """A finding for everything that was expected; the drill has passed when all are good."""
    return list(_findings(hypothesis, measured))


def _findings(hypothesis: Hypothesis, measured: Measured) -> Iterator[Finding]:
    if not measured.sent:
        yield Finding(what="sent", expected=None, measured=0, good=False)
    if measured.refused:
        yield Finding(what="refused", expected=0, measured=measured.refused, good=False)
    for what, within, seconds, watched in (
        ("detect", hypothesis.detect_within_s, measured.detect_s, None),
        ("switch", hypothesis.switch_within_s, measured.switch_s, None),
        ("recover", hypothesis.recover_within_s, measured.recover_s, measured.watched_s),
    ):
        if within is not None:
            good = seconds is not None and seconds <= within
            yield Finding(what=what, expected=within, measured=seconds, good=good, watched=watched)
    for what, most, count in (
        ("lost", hypothesis.lost_at_most, measured.lost),
        ("duplicated", hypothesis.duplicated_at_most, measured.duplicated),
        ("undelivered", hypothesis.undelivered_at_most, measured.undelivered),
    ):
        if most is not None:
            yield Finding(what=what, expected=most, measured=count, good=count <= most)
    if measured.plan is not None:
        yield Finding(what="plan", expected=None, measured=None, good=not measured.plan, words=measured.plan)
