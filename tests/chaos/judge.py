"""The judgement, pure: from what was asked, what the provider got, and what the product wrote down, by message."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

#: Gaps between two messages shorter than this are no standstill.
STANDSTILL_S: Final = 1.0
#: Not lost, but not at an end either, which is judged apart.
_ON_THE_WAY: Final = ("scheduled", "queued", "sending")
_SENT: Final = frozenset({"sent", "delivered"})


class Cause(StrEnum):
    """Why a provider may have got a message more than once. Each is found in the delivery's own history."""

    LEASE = "lease ran out"
    UNKNOWN = "outcome unknown"


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What is allowed. Losses never are; ``duplicates`` names their causes and ``why`` defends them."""

    duplicates: frozenset[Cause] = frozenset()
    why: str = "none: nothing that was handed over is in doubt"
    #: States other than sent in which accepted messages may end: held for a person, or buried after the last attempt.
    ends: frozenset[str] = frozenset()
    #: Whether requests may be refused (503 with Retry-After) or go without an answer while it lasts.
    refusals: bool = False
    #: The lane must move again within so many seconds of the injection.
    moves_within_s: float = 20.0
    #: After the healing messages must flow, and what took over have shown itself, within so many seconds.
    settled_within_s: float = 60.0
    #: After the healing everything must be at an end within so many seconds.
    drained_within_s: float = 90.0


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of the load: when it was due, and what was answered (status 0: nothing)."""

    number: int
    at: float
    took: float
    status: int
    id: str = ""
    retry_after: bool = False


@dataclass(frozen=True, kw_only=True)
class Taking:
    """One request to the provider. ``taken``: a recipient would have got it, whatever was answered."""

    at: float
    id: str
    text: str
    kind: str
    taken: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """What the product says of one delivery: its state, and of its attempts those with an unknown outcome (``asked``:
    a provider was asked and gave no clear answer; ``expired``: the lease ran out)."""

    status: str
    asked: int = 0
    expired: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything the judge looks at. Moments are seconds of the epoch, on one clock."""

    calls: Sequence[Call]
    repeated: Sequence[Call]
    takings: Sequence[Taking]
    histories: dict[str, History]
    books: dict[str, Any]
    injected_at: float
    healed_at: float
    load_ended_at: float
    drained_s: float | None
    settled: bool = True


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The figures, and in ``against`` what speaks against the product; nothing there: it held."""

    offered: int
    accepted: int
    refused: int
    unanswered: int
    refused_s: int
    delivered: int
    ended_otherwise: dict[str, int]
    lost: int
    duplicates: dict[str, int]
    duplicates_unexplained: int
    accepted_twice: int
    moves_again_s: float
    drained_s: float | None
    suspected_duplicates: int
    against: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether the product did what was expected."""
        return not self.against

    def as_dict(self) -> dict[str, Any]:
        """For the JSON."""
        return {**asdict(self), "held": self.held}


def judge(evidence: Evidence, expect: Expect) -> Judgement:
    """What the evidence says, and whether that is what was expected."""
    accepted = {call.id for call in (*evidence.calls, *evidence.repeated) if call.status == 202}
    takings = [taking for taking in evidence.takings if taking.taken]
    times = Counter(taking.id for taking in takings)
    ended = {one: evidence.histories[one].status for one in accepted - times.keys() if one in evidence.histories}
    lost = sum(ended.get(one) not in (*expect.ends, *_ON_THE_WAY) for one in accepted - times.keys())
    explained, unexplained = _explain(times, evidence.histories)
    refused = [call for call in evidence.calls if call.status not in (202, 0)]
    unanswered = [call for call in evidence.calls if call.status == 0]
    judgement = Judgement(
        offered=len(evidence.calls),
        accepted=len(accepted),
        refused=len(refused),
        unanswered=len(unanswered),
        refused_s=len({int(call.at) for call in (*refused, *unanswered)}),
        delivered=len(accepted & times.keys()),
        ended_otherwise=dict(
            Counter(
                history.status
                for one in accepted
                if (history := evidence.histories.get(one)) is not None and history.status not in _SENT
            )
        ),
        lost=lost,
        duplicates=explained,
        duplicates_unexplained=unexplained,
        accepted_twice=_accepted_twice(takings),
        moves_again_s=_moves_again(evidence),
        drained_s=evidence.drained_s,
        suspected_duplicates=int(evidence.books.get("suspected_duplicates", 0)),
    )
    judgement.against.extend(_objections(judgement, evidence, expect))
    return judgement


def _explain(times: Counter[str], histories: dict[str, History]) -> tuple[dict[str, int], int]:
    """Of the takings beyond each message's first, how many each cause accounts for, and how many nothing does."""
    explained: Counter[str] = Counter()
    unexplained = 0
    for identifier, count in times.items():
        extra = count - 1
        history = histories.get(identifier, History(status=""))
        for cause, number in ((Cause.LEASE, history.expired), (Cause.UNKNOWN, history.asked)):
            share = min(extra, number)
            if share:
                explained[cause] += share
            extra -= share
        unexplained += extra
    return dict(explained), unexplained


def _accepted_twice(takings: Sequence[Taking]) -> int:
    """Requests with one idempotency key that became more than one delivery."""
    ids: dict[str, set[str]] = defaultdict(set)
    for taking in takings:
        ids[taking.text].add(taking.id)
    return sum(len(found) > 1 for found in ids.values())


def _moves_again(evidence: Evidence) -> float:
    """From the injection to the end of the longest time without a message properly handed over, while there was a load
    (afterwards gaps are those of the back-off); 0 without any."""
    moments = [
        taking.at for taking in evidence.takings if taking.kind == "answer" and taking.at < evidence.load_ended_at
    ]
    before = [moment for moment in moments if moment <= evidence.injected_at]
    during = sorted([max(before, default=evidence.injected_at), *(m for m in moments if m > evidence.injected_at)])
    gaps = [(later - earlier, later) for earlier, later in pairwise(during)]
    longest, ended_at = max(gaps, default=(0.0, 0.0))
    return round(ended_at - evidence.injected_at, 1) if longest >= STANDSTILL_S else 0.0


def _objections(found: Judgement, evidence: Evidence, expect: Expect) -> list[str]:
    unheard = found.refused + found.unanswered
    foreign = {cause: count for cause, count in found.duplicates.items() if cause not in expect.duplicates}
    in_flight = evidence.books.get("in_flight", {})
    states = {call.status for call in evidence.calls} - {202, 0, 503}
    bare = sum(call.status == 503 and not call.retry_after for call in evidence.calls)
    not_accepted = sum(call.status != 202 for call in evidence.repeated)
    checks = [
        (found.offered == 0, "the load sent nothing"),
        (found.lost > 0, f"{found.lost} accepted messages are lost"),
        (found.duplicates_unexplained > 0, f"{found.duplicates_unexplained} duplicates that nothing explains"),
        (bool(foreign), f"duplicates that should not be: {foreign}"),
        (found.accepted_twice > 0, f"{found.accepted_twice} requests were accepted twice under one key"),
        (unheard > 0 and not expect.refusals, f"{unheard} of {found.offered} requests were not accepted"),
        (bool(states), f"requests were answered with {sorted(states)}"),
        (bare > 0, f"{bare} times 503 without Retry-After"),
        (not_accepted > 0, f"{not_accepted} requests were not accepted when they were repeated after the fault"),
        (evidence.books.get("unaccounted") != 0, f"reconcile: {evidence.books.get('unaccounted')} unaccounted"),
        (not evidence.settled, f"not as before within {expect.settled_within_s:.0f} s of the healing"),
        (found.drained_s is None, f"not at an end within {expect.drained_within_s:.0f} s: {in_flight}"),
        (
            found.moves_again_s > expect.moves_within_s,
            f"the lane moved again after {found.moves_again_s} s, not within {expect.moves_within_s:.0f} s",
        ),
        (
            bool(set(found.ended_otherwise) - expect.ends),
            f"accepted messages ended as {found.ended_otherwise}",
        ),
    ]
    return [words for speaks, words in checks if speaks]
