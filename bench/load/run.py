"""Starts load and reads what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from bench.load.http import Plan
from bench.rig import BASE_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a load saw."""

    statuses: dict[int, int]
    latencies_s: list[float]
    begun_at: list[float]
    bodies: list[str]
    seconds: float

    def per_second(self, status: int) -> float:
        """Answers of ``status`` a second. Raises AssertionError when there were others."""
        assert set(self.statuses) == {status}, f"answers: {self.statuses}"
        return self.statuses[status] / self.seconds


class Load:
    """A load under way, in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load.http"],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(plan)))
        self._process.stdin.close()

    def wait(self) -> Answers:
        """Waits for its end."""
        assert self._process.stdout is not None
        told = self._process.stdout.read()
        if self._process.wait() != 0:
            raise RuntimeError("the load has failed; see above")
        data = json.loads(told)
        data["statuses"] = {int(status): count for status, count in data["statuses"].items()}
        return Answers(**data)

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_rest: object) -> None:
        self.stop()


def ask(plan: Plan) -> Answers:
    """A load from beginning to end."""
    with Load(plan) as load:
        return load.wait()
