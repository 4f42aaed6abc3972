"""How things are set up and how they are, as far as actions are checked against it: plain data, read in
``surroundings``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from admin_portal.kept_words import Sayable


@dataclass(frozen=True, slots=True)
class Carrier:
    """A configured provider, as far as it matters here."""

    channel: str
    enabled: bool = True
    weight: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an action is checked against. ``out``: providers that carry nothing now, by the engine or by a pin;
    ``fallback``: the configured stand-ins of each channel; ``switched``: channels that send their messages elsewhere
    now, and whither; ``impaired``: channels that are degraded, and how, in words."""

    providers: Mapping[str, Carrier] = field(default_factory=dict)
    applications: frozenset[str] = frozenset()
    out: frozenset[str] = frozenset()
    fallback: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    switched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    impaired: Mapping[str, Sayable] = field(default_factory=dict)

    def carriers(self, channel: str) -> list[str]:
        """The enabled providers of ``channel``, by name."""
        return sorted(name for name, one in self.providers.items() if one.channel == channel and one.enabled)

    def carrying(self, channel: str) -> list[str]:
        """Those of them that carry something now."""
        return [name for name in self.carriers(channel) if name not in self.out]
