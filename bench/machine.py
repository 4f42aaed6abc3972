"""What the figures were measured on."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from bench.rig import Rig

_PACKAGES: Final = ("django", "djangorestframework", "celery", "granian", "psycopg2-binary", "redis")


def describe(rig: Rig) -> dict[str, Any]:
    """Cores, memory, versions."""
    with rig.database() as cursor:
        cursor.execute("SHOW server_version")
        (postgres,) = cursor.fetchone()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": psutil.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": postgres,
        "valkey": _valkey(rig),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _valkey(rig: Rig) -> str:
    import redis

    with redis.Redis.from_url(rig.redis_url) as client:
        told = client.info("server")
    return str(told.get("valkey_version") or told.get("redis_version"))
