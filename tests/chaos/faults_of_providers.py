"""A provider that does what providers do on their worst day. Its kinds are described in ``tests.chaos.provider``."""

from __future__ import annotations

from typing import Any, Final

from tests.chaos.fault import Cause, Expect, Fault
from tests.chaos.scene import PROVIDER, Scene, wait_until

_UNKNOWN: Final = frozenset({Cause.UNKNOWN})
_AGAIN: Final = (
    "the provider took the message and gave no clear answer: under 'resend' it is tried again after a back-off, each "
    "try is another message at the far end, and all of them are in the history as outcome_unknown"
)


def _misbehave(kind: str, *, what: str, policy: str = "resend", **more: Any) -> Fault:
    held = policy == "hold"
    unknown = Expect(duplicates=_UNKNOWN, why=_AGAIN)
    return Fault(
        what=what + ("; the channel holds what is not known" if held else ""),
        ends="the provider answers properly again",
        policy=policy,
        inject=lambda scene: scene.provider.behave(kind=kind),
        **{
            "name": f"provider_{kind}" + ("_hold" if held else ""),
            "heal": lambda scene: scene.provider.behave(),
            "expect": Expect(why="none: 'hold' sends nothing again", ends=frozenset({"held"})) if held else unknown,
            "timeout_s": 1.0,
            "lasts_s": 4.0,
            **more,
        },
    )


SILENT = _misbehave("silence", what="the provider accepts every message and never answers")
SILENT_HOLD = _misbehave("silence", what="the provider accepts every message and never answers", policy="hold")
LATE = _misbehave("late", what="the provider answers properly, two seconds after the timeout")
GARBAGE = _misbehave("garbage", what="the provider answers with bytes that are no HTTP")
NONSENSE = _misbehave("nonsense", what="the provider answers 200 with a page where JSON was agreed")
CUT = _misbehave("cut", what="the provider resets the connection in mid-body")
RESET = _misbehave("reset", what="the provider resets the connection instead of answering")
ERROR_INSIDE = _misbehave(
    "error_inside",
    what="the provider answers 200, and the body says that it failed",
    expect=Expect(why="none: the answer says that it was not taken"),
)


def _let_the_hour_pass(scene: Scene) -> None:
    """In place of an hour's wait: what the provider put off is made due now."""
    scene.provider.behave()
    asked = [entry["id"] for entry in scene.provider.entries() if entry["kind"] == "hour"]
    under_way = "SELECT 1 FROM notify_delivery WHERE id = ANY (%s::uuid[]) AND status = 'sending' LIMIT 1"
    wait_until(lambda: not scene.rows(under_way, asked), limit_s=20, what="every refusal is written down")
    found = scene.rows(
        "WITH put_off AS (UPDATE notify_delivery d SET due_at = now() FROM notify_application a"
        " WHERE a.id = d.application_id AND a.name = %s AND d.status = 'queued'"
        " AND d.due_at > now() + interval '50 min' RETURNING d.id) SELECT count(*) FROM put_off",
        scene.company.name,
    )
    scene.notes["put off for an hour"] = found[0][0]


HOUR = _misbehave(
    "hour",
    what="the provider answers 429 with Retry-After: 3600",
    expect=Expect(why="none: a refusal is not a taking"),
    heal=_let_the_hour_pass,
)


def _receipts_missing(scene: Scene) -> str:
    answer = scene.company.call("POST", f"receipts/{PROVIDER}", {})
    return "the product has no POST /api/v1/receipts/{provider} yet" if answer.status == 404 else "not written yet"


RECEIPTS = _misbehave(
    "answer",
    name="provider_receipts",
    what="the provider sends its receipts twice and out of order",
    expect=Expect(),
    missing=_receipts_missing,
)
