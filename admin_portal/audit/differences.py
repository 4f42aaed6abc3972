"""What differs between two states of a thing, without its secrets. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from channels.masking import mask_url

#: What stands for a secret, and for the one that replaces it.
SET: Final = "•••"
REPLACED: Final = "••• (new)"
#: Longer texts are cut: the audit says what was changed, and is no archive of templates.
_LONGEST: Final = 20_000

State = Mapping[str, Any]


def difference(
    before: State | None, after: State | None, *, secret: Collection[str] = ()
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The fields of ``before`` and ``after`` that differ; all of one when there is no other (made, removed). Of those
    in ``secret`` only whether they are set, and that they were replaced."""
    if before is None or after is None:
        return _shown(before, secret), _shown(after, secret)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    old = _shown({name: before[name] for name in names if name in before}, secret) or {}
    new = _shown({name: after[name] for name in names if name in after}, secret) or {}
    for name in secret:
        if old.get(name) == SET and new.get(name) == SET:
            new[name] = REPLACED
    return old, new


def _shown(state: State | None, secret: Collection[str]) -> dict[str, Any] | None:
    if state is None:
        return None
    return {name: _secret(value) if name in secret else _cut(value) for name, value in state.items()}


def _secret(value: Any) -> Any:
    return SET if value else value


def _cut(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("https://", "http://")):
        return mask_url(value) if "@" in value or "?" in value else value
    return f"{value[:_LONGEST]}…" if isinstance(value, str) and len(value) > _LONGEST else value
