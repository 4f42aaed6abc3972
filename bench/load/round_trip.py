"""Empty Celery tasks one after the other, each with its result waited for: ``python -m bench.load.round_trip COUNT
EVERY_S`` prints their latencies in seconds (JSON)."""

from __future__ import annotations

import json
import sys
import time

from bench.baselines.empty_task import echo


def main(count: int, every_s: float) -> None:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        echo.apply_async().get(timeout=10)
        took.append(time.perf_counter() - began)
        time.sleep(max(0.0, every_s - took[-1]))
    json.dump(took, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
