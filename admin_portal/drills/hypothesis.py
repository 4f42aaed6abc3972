"""What a drill expects, said before it begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What is expected; None: nothing is said of it. Times in seconds: to detect and to switch from when the fault
    began, to recover from when it was over. ``undelivered``: messages that came to an end, and reached nobody."""

    detect_within_s: int | None = None
    switch_within_s: int | None = None
    recover_within_s: int | None = None
    lost_at_most: int = 0
    duplicated_at_most: int = 0
    undelivered_at_most: int | None = None

    def as_json(self) -> dict[str, int | None]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Hypothesis:
        """What ``as_json`` wrote."""
        return cls(**data)

    def words(self) -> list[str]:
        """What is expected, line by line, in the reader's language."""
        found = []
        if self.detect_within_s is not None:
            found.append(_("It is noticed within %(seconds)d s.") % {"seconds": self.detect_within_s})
        if self.switch_within_s is not None:
            found.append(_("Traffic goes another way within %(seconds)d s.") % {"seconds": self.switch_within_s})
        if self.recover_within_s is not None:
            words = _("Within %(seconds)d s after the fault all is as before.")
            found.append(words % {"seconds": self.recover_within_s})
        found.append(_at_most(self.lost_at_most, _("No message is lost."), _lost))
        found.append(_at_most(self.duplicated_at_most, _("No message is sent twice."), _duplicated))
        if self.undelivered_at_most is not None:
            found.append(_at_most(self.undelivered_at_most, _("Every message gets through."), _undelivered))
        return found


def _at_most(most: int, none: str, some: Any) -> str:
    return none if not most else str(some(most))


def _lost(most: int) -> str:
    words = ngettext("At most %(most)d message is lost.", "At most %(most)d messages are lost.", most)
    return words % {"most": most}


def _duplicated(most: int) -> str:
    words = ngettext("At most %(most)d message is sent twice.", "At most %(most)d messages are sent twice.", most)
    return words % {"most": most}


def _undelivered(most: int) -> str:
    words = ngettext(
        "At most %(most)d message does not get through.", "At most %(most)d messages do not get through.", most
    )
    return words % {"most": most}
