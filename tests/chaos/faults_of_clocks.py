"""Clocks that are set while messages wait, are under way, or are due later. See ``tests.chaos.clock.sitecustomize``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.chaos.fault import Expect, Fault
from tests.chaos.judge import Evidence
from tests.chaos.scene import Scene

#: Farther than a lease, and than the messages below are scheduled ahead.
_JUMP_S: Final = 60.0
_AHEAD_S: Final = 20.0
_SCHEDULED: Final = 10


def _set(scene: Scene, *names: str, by: float) -> None:
    scene.clock.write_text(json.dumps(dict.fromkeys(names, by)))


def _inject(*names: str, by: float) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        due = datetime.now(UTC) + timedelta(seconds=_AHEAD_S)
        scene.kept["due"] = due.timestamp()
        for number in range(_SCHEDULED):
            scene.company.send(
                to={"phone": f"+86139{number:08d}"},
                channels=["sms"],
                content={"text": f"scheduled-{number}"},
                send_at=due.isoformat(),
            )
        _set(scene, *names, by=by)

    return inject


def _set_right(scene: Scene) -> None:
    scene.clock.write_text("{}")


def _check_scheduled(scene: Scene, evidence: Evidence) -> list[str]:
    """Scheduled messages left, and not early by the right time."""
    moments = [taking.at for taking in evidence.takings if taking.text.startswith("scheduled-") and taking.at]
    early = [scene.kept["due"] - at for at in moments if at < scene.kept["due"] - 1]
    scene.notes["scheduled"] = {"left": len(moments), "early": len(early), "by_s": round(max(early, default=0.0), 1)}
    missing = _SCHEDULED - len({t.id for t in evidence.takings if t.text.startswith("scheduled-")})
    return [
        words
        for speaks, words in (
            (missing > 0, f"{missing} scheduled messages never left"),
            (bool(early), f"{len(early)} scheduled messages left up to {max(early, default=0.0):.0f} s early"),
        )
        if speaks
    ]


def _jump(name: str, *processes: str, what: str, by: float = _JUMP_S) -> Fault:
    return Fault(
        name=f"clock_{name}",
        what=what,
        ends="the clock is set right",
        expect=Expect(why="none: leases are dated and judged by the database's clock"),
        inject=_inject(*processes, by=by),
        heal=_set_right,
        check=_check_scheduled,
        lasts_s=6.0,
        with_clock=True,
    )


WORKER_AHEAD = _jump("worker_ahead", "sms", what="the sms worker's clock jumps a minute ahead")
WORKER_BEHIND = _jump("worker_behind", "sms", what="the sms worker's clock jumps a minute back", by=-_JUMP_S)
SWEEPERS_AHEAD = _jump(
    "sweepers_ahead", "lifeboat", "control", what="the clocks of the lifeboat and of control jump a minute ahead"
)
ALL_AHEAD = _jump("all_ahead", "*", what="the clocks of all processes jump a minute ahead, and back again")
ALL_BEHIND = _jump(
    "all_behind", "*", what="the clocks of all processes jump a minute back, and ahead again", by=-_JUMP_S
)
