"""The hot SQL of ``notify.lanes``, one statement a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def statement(name: str) -> str:
    """The text of ``<name>.sql``."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
