"""Whether the audit is whole: every entry there, in its place, as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from admin_portal.audit import chain
from admin_portal.models import AuditEntry

#: Rows read at a time: memory stays small, however long the chain.
_PORTION: Final = 2_000

FaultKind = Literal["missing", "altered", "unlinked", "truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry. Kept elsewhere, it shows later whether the end of the chain was cut off, or all of it forged
    anew: neither shows from within."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that ``str`` wrote. Raises ValueError."""
        number, _, hash_ = text.partition(":")
        if not number.isdecimal() or len(hash_) != 64:
            raise ValueError("a head is written as NUMBER:HASH")
        return cls(number=int(number), hash=hash_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first entry that is not as it was written. ``missing``: it is not there; ``altered``: it says something else;
    ``unlinked``: it follows another entry than the one before it; ``truncated``: it was the head once, and is not what
    stands in its place."""

    kind: FaultKind
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found. ``head``: the last entry that was looked at; None when there is none."""

    checked: int
    head: Head | None
    fault: Fault | None


def content_of(entry: AuditEntry) -> chain.Content:
    """What ``entry`` says."""
    names = chain.Content.__dataclass_fields__
    values: dict[str, Any] = {name: getattr(entry, name) for name in names}
    return chain.Content(**values)


def verify(*, known: Head | None = None) -> Verdict:
    """Follows the chain from its first entry to the one that is the newest now, and stops at the first fault.
    ``known``: a head that was seen earlier and must still be there."""
    checked, previous = 0, Head(number=0, hash=chain.GENESIS)
    for entry in _entries():
        fault = _fault(entry, previous)
        if fault is None and known is not None and known.number == entry.number and known.hash != entry.hash:
            fault = Fault(kind="truncated", number=entry.number)
        if fault is not None:
            return Verdict(checked=checked, head=previous if checked else None, fault=fault)
        checked += 1
        previous = Head(number=entry.number, hash=entry.hash)
    if known is not None and known.number > previous.number:
        fault = Fault(kind="truncated", number=previous.number + 1)
        return Verdict(checked=checked, head=previous if checked else None, fault=fault)
    return Verdict(checked=checked, head=previous if checked else None, fault=None)


def _fault(entry: AuditEntry, previous: Head) -> Fault | None:
    if entry.number != previous.number + 1:
        return Fault(kind="missing", number=previous.number + 1)
    if chain.digest(content_of(entry), previous_hash=entry.previous_hash) != entry.hash:
        return Fault(kind="altered", number=entry.number)
    if entry.previous_hash != previous.hash:
        return Fault(kind="unlinked", number=entry.number)
    return None


def _entries() -> Iterator[AuditEntry]:
    last, newest = -(2**63), AuditEntry.objects.order_by("-number").values_list("number", flat=True).first()
    while newest is not None:
        rows = list(AuditEntry.objects.filter(number__gt=last, number__lte=newest).order_by("number")[:_PORTION])
        if not rows:
            return
        yield from rows
        last = rows[-1].number
