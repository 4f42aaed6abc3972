"""A provider that does what providers do on their worst day. Its kinds are described in ``tests.chaos.provider``."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from tests.chaos.fault import Cause, Expect, Fault
from tests.chaos.judge import Evidence
from tests.chaos.scene import PROVIDER, SECRET, Scene, Stuck, wait_until

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
        policy=policy,
        **{
            "ends": "the provider answers properly again",
            "inject": lambda scene: scene.provider.behave(kind=kind),
            "name": f"provider_{kind}" + ("_hold" if held else ""),
            "heal": lambda scene: scene.provider.behave(),
            "expect": Expect(why="none: 'hold' sends nothing again", ends=frozenset({"held"})) if held else unknown,
            "timeout_s": 1.0,
            "lasts_s": 4.0,
            **more,
        },
    )


def _address(scene: Scene) -> dict[str, str]:
    """Where the provider's reports go, and what signs them."""
    return {"url": f"{scene.live.url}/api/v1/receipts/{PROVIDER}", "secret": SECRET}


SILENT = _misbehave("silence", what="the provider accepts every message and never answers")
SILENT_HOLD = _misbehave("silence", what="the provider accepts every message and never answers", policy="hold")
LATE = _misbehave("late", what="the provider answers properly, two seconds after the timeout")
GARBAGE = _misbehave("garbage", what="the provider answers with bytes that are no HTTP")
NONSENSE = _misbehave("nonsense", what="the provider answers 200 with a page where JSON was agreed")
CUT = _misbehave("cut", what="the provider resets the connection in mid-body")
RESET = _misbehave("reset", what="the provider resets the connection instead of answering")
SILENT_REPORTED = _misbehave(
    "silence",
    name="provider_silence_reported",
    what="the provider accepts every message, never answers, and reports each two seconds later",
    inject=lambda scene: scene.provider.behave(kind="silence", reports=_address(scene)),
    expect=Expect(why="none: what it did not answer waits for its report, and that comes"),
    receipts=True,
    report_within_s=5.0,
)
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


_EVENTS: Final = """
SELECT d.id::text, d.status, count(e.id)
  FROM notify_delivery d LEFT JOIN notify_event e ON e.delivery_id = d.id AND e.type = 'receipt' AND e.id >= %s::uuid
 WHERE d.id >= %s::uuid AND d.provider = %s
 GROUP BY d.id, d.status
"""


def _report_badly(scene: Scene) -> None:
    scene.provider.behave(kind="answer", receipts=_address(scene))


def _untrue(scene: Scene) -> dict[str, str]:
    """Deliveries that do not say what their provider reported: how they stand."""
    told = scene.provider.receipts()
    found = {row[0]: row[1:] for row in scene.rows(_EVENTS, str(scene.floor), str(scene.floor), PROVIDER)}
    untrue = {}
    for identifier, said in told.items():
        status, events = found.get(identifier, ("", 0))
        right = "delivered" if said[-1] == "DELIVRD" else "failed"
        # One entry in the history for each thing that changed something, however often it was said.
        if status != right or not 1 <= events <= len(said):
            untrue[identifier] = f"{said}: {status}, {events} receipts in its history"
    return untrue


def _check_receipts(scene: Scene, _evidence: Evidence) -> list[str]:
    with contextlib.suppress(Stuck):
        wait_until(lambda: not _untrue(scene), limit_s=30, what="every delivery says what was reported of it")
    told, untrue = scene.provider.receipts(), _untrue(scene)
    scene.notes["reported"] = len(told)
    if not told:
        return ["nothing was reported"]
    return [f"{len(untrue)} deliveries are not what was reported: {sorted(untrue.values())[:3]}"] if untrue else []


RECEIPTS = _misbehave(
    "answer",
    name="provider_receipts",
    what="the provider sends its receipts twice and out of order, some before it answers, some contrary to each other",
    inject=_report_badly,
    expect=Expect(ends=frozenset({"failed"})),
    receipts=True,
    check=_check_receipts,
    ends="the provider reports nothing any more",
)
