"""What a fault is: one declaration that says what is done, how it ends, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.judge import Cause, Evidence, Expect
from tests.chaos.scene import Scene

__all__ = ["Cause", "Expect", "Fault"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``inject`` begins it, and after ``lasts_s`` seconds ``heal`` ends it. ``settled``, where it is given, has to come
    true after the healing and before the load ends: what took over has to have shown itself."""

    name: str
    what: str
    ends: str
    expect: Expect
    inject: Callable[[Scene], None]
    #: What has to be made ready for it while the load is on, and is no fault yet.
    prepare: Callable[[Scene], None] = lambda _scene: None
    heal: Callable[[Scene], None] = lambda _scene: None
    settled: Callable[[Scene], bool] | None = None
    lasts_s: float = 5.0
    #: What the sms channel does with an outcome that nobody knows: ``resend`` or ``hold``.
    policy: str = "resend"
    #: The provider's timeout, whether it reports, before, during and after, and how long such a report is waited for.
    timeout_s: float = 2.0
    receipts: bool = False
    report_within_s: float = 0.0
    #: Requests a second, where not those of the run.
    rate: float | None = None
    #: Whether it needs a stack whose clocks can be put wrong. Faults of one kind share a stack.
    with_clock: bool = False
    #: What else is to be looked at: notes into the scene, and what it returns speaks against the product.
    check: Callable[[Scene, Evidence], list[str]] = lambda _scene, _evidence: []
    #: Why it cannot be tried here and now; empty when it can.
    missing: Callable[[Scene], str] = lambda _scene: ""

    def facts(self) -> dict[str, Any]:
        """The declaration in words, for the report."""
        return {
            "name": self.name,
            "what": self.what,
            "ends": self.ends,
            "policy": self.policy,
            "duplicates": sorted(self.expect.duplicates),
            "why": self.expect.why,
        }
