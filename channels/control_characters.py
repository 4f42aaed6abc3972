"""Line breaks and other control characters where a provider's configuration must not have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from channels.errors import ConfigurationError

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Keys of an adapter's configuration whose text may span lines.
_OF_MANY_LINES: Final = frozenset({"body"})


def check(config: Mapping[str, object]) -> None:
    """Raises ConfigurationError for line breaks and other control characters in an adapter's configuration: in a
    header, an address or a login they would begin another line of the protocol."""
    if found := list(_faults(config)):
        raise ConfigurationError(found)


def _faults(config: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(config, str):
        if _CONTROL.search(config) if path not in _OF_MANY_LINES else "\0" in config:
            yield path, "line breaks and control characters are not allowed here"
    elif isinstance(config, Mapping):
        for key, value in config.items():
            here = f"{path}.{str(key)[:64]}".lstrip(".")
            if _CONTROL.search(str(key)):
                yield path, "the name of a key holds a line break or a control character"
            else:
                yield from _faults(value, here)
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _faults(value, f"{path}[{index}]")
