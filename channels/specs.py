"""What is known of who carries a channel's messages: frozen, and the same for as long as nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from channels.degradation import pin
from channels.degradation.pin import PinSpec
from channels.degradation.standing import ChannelStanding, ProviderStanding
from channels.degradation.thresholds import Thresholds
from channels.names import is_staged

#: Providers that need no configuration, under names that none of those configured can have: test keys only ever reach
#: the sandbox, and status callbacks are signed with their application's secret.
TEST_PROVIDER: Final = "builtin:sandbox"
CALLBACK_PROVIDER: Final = "builtin:callbacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A provider's configuration. ``fingerprint`` changes whenever anything in it does; ``version`` says which of two
    is the newer, and those that need no configuration have none."""

    name: str
    channel: str
    adapter: str
    weight: int = 100
    rate_limit: str = ""
    max_concurrency: int = 16
    timeout_s: float = 10.0
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fingerprint: str = ""
    version: datetime | None = None
    #: When nobody plays it any more, of one on a stage: its line is of no use from then on.
    ends_at: datetime | None = None

    @property
    def report_within_s(self) -> float:
        """Within so many seconds after a message was handed over it reports it, by our ids; 0: nobody has said so."""
        return float(self.config.get("report_within_s") or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec:
    """A channel's standing orders and its enabled providers."""

    name: str
    #: What may have arrived is not sent again by itself; with ``await_report`` not before its provider should have
    #: reported it, where its provider reports.
    hold_unknown: bool = False
    await_report: bool = False
    step_deadline_s: int = 60
    fallback: tuple[str, ...] = ()
    providers: tuple[ProviderSpec, ...] = ()
    #: How the channel and its enabled providers stand; who is missing is well.
    standing: ChannelStanding | None = None
    standings: Mapping[str, ProviderStanding] = field(default_factory=dict)
    #: By which rules each provider is judged.
    rules: Mapping[str, Thresholds] = field(default_factory=dict)
    #: What people have ordered and is in force. All of the above is as it is under these.
    pins: tuple[PinSpec, ...] = ()
    #: What of the messages waits with a provider that is held, from 0 to 1.
    held_share: float = 0.0

    @property
    def at_rest(self) -> bool:
        """Whether nothing is known against the channel or any of its providers."""
        well = (self.standing is None or self.standing.at_rest) and all(one.at_rest for one in self.standings.values())
        return well and not self.pins

    def is_pinned(self, provider: str) -> bool:
        """Whether people, not figures, say what this provider carries."""
        return provider in pin.removed(self.pins) or pin.reweighting(self.pins) is not None


_BUILT_IN: Final[dict[str, ProviderSpec]] = {
    TEST_PROVIDER: ProviderSpec(
        name=TEST_PROVIDER, channel="", adapter="sandbox", config={"receipts": "instant"}, fingerprint="built-in"
    ),
    CALLBACK_PROVIDER: ProviderSpec(
        name=CALLBACK_PROVIDER, channel="webhook", adapter="webhook", max_concurrency=16, fingerprint="built-in"
    ),
}


def built_in(name: str) -> ProviderSpec:
    """The provider ``name`` of those that need no configuration."""
    return _BUILT_IN[name]


def is_built_in(name: str) -> bool:
    """Whether ``name`` is one of those."""
    return name in _BUILT_IN


def takes_tests(spec: ProviderSpec) -> bool | None:
    """Whose messages ``spec`` may be handed: those of test keys, if it reaches nobody, or all others. None: nobody's.
    Who has a name that says so, and is not the sandbox in this process, might reach somebody all the same."""
    if spec.name != TEST_PROVIDER and not is_staged(spec.name):
        return False
    return True if spec.adapter == "sandbox" and not spec.config.get("base_url") else None
