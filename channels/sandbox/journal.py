"""What the sandbox's providers really took, on disk: so that losses and duplicates can be counted message by message,
also after everything was killed.

One JSON line a message, ``<directory>/<name>.jsonl``: ``at`` (ISO, UTC), ``provider``, ``id`` (the delivery's),
``channel``, ``to_hash`` (the beginning of the address's SHA-256) and ``pid``. A batch is one ``write`` to a file opened
for appending, so that lines of several processes never mix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that was taken."""

    id: str
    channel: str
    to: str


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one provider."""

    path: Path
    provider: str

    @classmethod
    def of(cls, directory: Path, provider: str, *, prefix: str = "") -> Journal:
        """The journal of ``provider`` in ``directory``, which is made when it is missing at the first entry."""
        return cls(directory / f"{prefix}{provider}.jsonl", provider)

    def append(self, entries: Iterable[Entry]) -> None:
        """Writes ``entries`` down; they are with the kernel when this returns. Raises OSError."""
        at = datetime.now(UTC).isoformat()
        pid = os.getpid()
        lines = b"".join(
            orjson.dumps(
                {
                    "at": at,
                    "provider": self.provider,
                    "id": entry.id,
                    "channel": entry.channel,
                    "to_hash": hash_address(entry.to),
                    "pid": pid,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for entry in entries
        )
        if not lines:
            return
        descriptor = self._open()
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        # Opened for each write: whoever measures may take the file away and start afresh.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o600)


def hash_address(address: str) -> str:
    """Sixteen hex digits that stand for an address without telling it."""
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
