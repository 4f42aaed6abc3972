"""Adapter names and where they live. Dotted paths, so that loading models imports no provider's code, and a new
adapter needs one line here and no migration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from channels.errors import ConfigurationError
from channels.names import CHANNELS
from channels.types import MAX_CONCURRENCY

if TYPE_CHECKING:
    from channels.adapters.base import Adapter


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """Where an adapter lives and which channels it can serve. ``most``: more calls at once than this no provider of it
    gets, whatever its configuration says."""

    path: str
    channels: tuple[str, ...]
    most: int = MAX_CONCURRENCY


ADAPTERS: Final[dict[str, AdapterEntry]] = {
    "smtp": AdapterEntry("channels.adapters.smtp.SmtpAdapter", ("email",)),
    "http_sms": AdapterEntry("channels.adapters.http_sms.HttpSmsAdapter", ("sms", "voice", "push", "im")),
    "webhook": AdapterEntry("channels.adapters.webhook.WebhookAdapter", ("webhook",)),
    # Each of its calls holds a connection to PostgreSQL, in every process that drains its lanes, for as long as the
    # process lives. Four, with 200 messages a statement, are more than PostgreSQL takes.
    "inapp": AdapterEntry("channels.adapters.inapp.InappAdapter", ("inapp",), most=4),
    "sandbox": AdapterEntry("channels.adapters.sandbox.SandboxAdapter", CHANNELS),
}


@lru_cache(maxsize=64)
def adapter_class(name: str) -> type[Adapter]:
    """The class behind ``name``. Raises ConfigurationError for a name nobody registered."""
    try:
        entry = ADAPTERS[name]
    except KeyError:
        known = ", ".join(sorted(ADAPTERS))
        raise ConfigurationError([("adapter", f"“{name}” is not an adapter; there are: {known}")]) from None
    module, _, attribute = entry.path.rpartition(".")
    return cast("type[Adapter]", getattr(import_module(module), attribute))


def most_places(adapter: str) -> int:
    """How many calls at once a provider of ``adapter`` may get at most."""
    entry = ADAPTERS.get(adapter)
    return entry.most if entry is not None else MAX_CONCURRENCY


def build(*, adapter: str, provider: str, config: dict[str, Any], concurrency: int | None = None) -> Adapter:
    """An adapter for the provider named ``provider``, which will be called by ``concurrency`` threads at once at most.
    Raises ConfigurationError when ``config`` does not fit."""
    limits = {} if concurrency is None else {"concurrency": concurrency}
    return adapter_class(adapter)(provider=provider, config=config, **limits)


def check(*, adapter: str, channel: str, config: dict[str, Any]) -> None:
    """Raises ConfigurationError unless ``adapter`` exists, serves ``channel`` and accepts ``config``."""
    cls = adapter_class(adapter)
    if channel not in ADAPTERS[adapter].channels:
        raise ConfigurationError([("adapter", f"“{adapter}” does not serve the channel {channel}")])
    cls(provider="check", config=config).close()


def secret_keys(adapter: str) -> frozenset[str]:
    """The top-level keys of an adapter's configuration that must never be shown again."""
    fields = adapter_class(adapter).config_schema.model_fields
    return frozenset(name for name, field in fields.items() if "SecretStr" in str(field.annotation))
