"""Processes that die or freeze."""

from __future__ import annotations

import signal
import time
from typing import Any, Final

import psutil

from tests.chaos.fault import Cause, Expect, Fault
from tests.chaos.scene import Child, Scene, wait_until

_LEASE: Final = frozenset({Cause.LEASE})
_RESENT: Final = (
    "what was handed over and not yet recorded is not known; its lease runs out, and under 'resend' it goes again: at "
    "most what was under way (16 conversations)"
)
_HELD: Final = "none: under 'hold' what is not known waits for a person"
#: Leases of a stack for chaos last five seconds.
_PAST_THE_LEASE_S: Final = 9.0


def _kill_worker(scene: Scene) -> None:
    scene.signal("sms", signal.SIGKILL)


def _freeze_worker(scene: Scene) -> None:
    scene.kept["frozen"] = scene.pid("sms")
    scene.signal("sms", signal.SIGSTOP)


def _thaw_worker(scene: Scene) -> None:
    psutil.Process(scene.kept["frozen"]).send_signal(signal.SIGCONT)


WORKER_KILLED = Fault(
    name="worker_killed",
    what="kill -9 of the sms worker while it sends",
    ends="the supervisor starts another; until then the lifeboat drains",
    expect=Expect(duplicates=_LEASE, why=_RESENT),
    inject=_kill_worker,
)
WORKER_KILLED_HOLD = Fault(
    name="worker_killed_hold",
    what="kill -9 of the sms worker while it sends; the channel holds what is not known",
    ends="the supervisor starts another; until then the lifeboat drains",
    expect=Expect(why=_HELD, ends=frozenset({"held"})),
    inject=_kill_worker,
    policy="hold",
)
WORKER_FROZEN = Fault(
    name="worker_frozen",
    what="SIGSTOP of the sms worker until its leases have run out",
    ends="SIGCONT: it goes on with what it had in hand",
    expect=Expect(duplicates=_LEASE, why=_RESENT),
    inject=_freeze_worker,
    heal=_thaw_worker,
    lasts_s=_PAST_THE_LEASE_S,
)
WORKER_FROZEN_HOLD = Fault(
    name="worker_frozen_hold",
    what="SIGSTOP of the sms worker until its leases have run out; the channel holds what is not known",
    ends="SIGCONT: it goes on with what it had in hand",
    expect=Expect(why=_HELD, ends=frozenset({"held"})),
    inject=_freeze_worker,
    heal=_thaw_worker,
    lasts_s=_PAST_THE_LEASE_S,
    policy="hold",
)


# --- the OOM killer ---------------------------------------------------------------------------------------------------


def _kill_web_child(scene: Scene) -> None:
    children = psutil.Process(scene.pid("web")).children(recursive=True)
    scene.notes["children of the web"] = len(children)
    max(children, key=lambda child: child.memory_info().rss).kill()


WEB_CHILD_KILLED = Fault(
    name="web_child_killed",
    what="kill -9, as of the OOM killer, of the largest child of the web (workers are threads in one process: there it "
    "takes the whole worker, and is worker_killed)",
    ends="the web starts another",
    expect=Expect(refusals=True),
    inject=_kill_web_child,
    lasts_s=4.0,
)


# --- the web, beat, the supervisor -----------------------------------------------------------------------------------


def _kill_web(scene: Scene) -> None:
    scene.signal("web", signal.SIGKILL)


WEB_KILLED = Fault(
    name="web_killed",
    what="kill -9 of the web",
    ends="the supervisor starts another",
    expect=Expect(refusals=True),
    inject=_kill_web,
    lasts_s=4.0,
)


def _beat_runs(scene: Scene) -> float:
    """When beat last had the lanes swept, by the schedule it keeps in Valkey."""
    with scene.valkey() as client:
        raw: Any = client.zscore("redbeat:goutong::schedule", "redbeat:goutong:sweep")
        return float(raw or 0)


def _kill_beat(scene: Scene) -> None:
    """With the lifeboat away, retries leave only when a beat has the lanes swept: a second one waits for its turn."""
    scene.stop("lifeboat")
    scene.kept["second beat"] = Child(
        "celery",
        *("-A", "config.celery", "--quiet", "beat", "-S", "redbeat.RedBeatScheduler"),
        folder=scene.folder,
        environment={**scene.live.env, "PROCESS_NAME": "beat2"},
    )
    scene.provider.behave(kind="unavailable", share=0.05, latency_s=0.1)
    scene.signal("beat", signal.SIGKILL)
    scene.stop("beat")
    scene.kept["last run"], scene.kept["killed at"] = _beat_runs(scene), time.time()


def _look_for_beat(scene: Scene) -> None:
    took = wait_until(
        lambda: _beat_runs(scene) > scene.kept["last run"] + 6, limit_s=60, what="another beat has the lanes swept"
    )
    scene.notes["another beat after"] = round(took, 1)


def _bring_beat_back(scene: Scene) -> None:
    try:
        _look_for_beat(scene)
    finally:
        scene.kept["second beat"].end()
        scene.provider.behave()
        scene.start("beat", "lifeboat")


BEAT_KILLED = Fault(
    name="beat_killed",
    what="kill -9 of the beat that holds the lock, while another waits; the lifeboat is stopped, one answer in twenty "
    "is 503, so that only a beat's sweep brings the retries",
    ends="the other takes over when the lock has run out (30 s)",
    expect=Expect(moves_within_s=45.0),
    inject=_kill_beat,
    heal=_bring_beat_back,
    lasts_s=1.0,
)


def _kill_supervisor(scene: Scene) -> None:
    supervisor = next(process for process in scene.live.remains() if "supervisor.supervisord" in process.cmdline())
    supervisor.kill()
    scene.notes["make run ended with"] = scene.live.process.wait(60)


def _run_again(scene: Scene) -> None:
    scene.live.start()
    scene.live.wait_until_ready()


SUPERVISOR_KILLED = Fault(
    name="supervisor_killed",
    what="kill -9 of supervisord: everything goes, PostgreSQL included",
    ends="`make run` again, on the same data",
    expect=Expect(duplicates=_LEASE, why=_RESENT, refusals=True, moves_within_s=60.0),
    inject=_kill_supervisor,
    heal=_run_again,
    lasts_s=1.0,
)
