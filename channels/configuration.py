"""The part of a configuration file that is this room's: channels, providers and policies.

``check`` finds every fault before anything is touched; ``apply`` then writes what differs, and says what that was. The
transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db.models import Model
from pydantic import ValidationError

from channels import control_characters, registry
from channels.entries import ChannelEntry, Entry, PolicyEntry, ProviderEntry
from channels.errors import ConfigurationError
from channels.models import Channel, Policy, Provider
from channels.names import CHANNELS

Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one object; ``fields`` are the names of those that changed, never their values."""

    kind: str
    name: str
    created: bool
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"created {self.kind} {self.name}" if self.created else f"updated {self.kind} {self.name}: {self.what}"

    @property
    def what(self) -> str:
        """The changed fields, in words."""
        return ", ".join(self.fields)


# --- reading ----------------------------------------------------------------------------------------------------------

EntryType = TypeVar("EntryType", bound=Entry)
_MAX_KEY: Final = 64


def join_path(prefix: str, parts: Iterable[int | str]) -> str:
    """``providers[2]`` and ``("config", "url")`` as ``providers[2].config.url``."""
    path = prefix
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{str(part)[:_MAX_KEY]}"
    return path


def _words(message: str) -> str:
    """pydantic's message in the words of somebody who edits a file."""
    known = {"Extra inputs are not permitted": "there is no such key here", "Field required": "this key is missing"}
    return known.get(message, message.removeprefix("Value error, ").replace("Input should be", "this should be", 1))


def read_entries(
    raw: object, model: type[EntryType], *, path: str, identity: str, faults: list[Fault]
) -> list[tuple[str, EntryType]]:
    """The good entries of one section, each with its path; what is wrong with the others is added to ``faults``."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        faults.append((path, "write a list"))
        return []
    found: list[tuple[str, EntryType]] = []
    seen: set[object] = set()
    for index, item in enumerate(raw):
        here = f"{path}[{index}]"
        try:
            entry = model.model_validate(item)
        except ValidationError as error:
            faults += [
                (join_path(here, fault["loc"]), _words(fault["msg"]))
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            continue
        name = getattr(entry, identity)
        if name in seen:
            faults.append((f"{here}.{identity}", f"“{name}” is here twice"))
        seen.add(name)
        found.append((here, entry))
    return found


@dataclass(frozen=True, slots=True)
class ChannelsConfiguration:
    """The entries of this room, known to be good."""

    channels: Sequence[ChannelEntry]
    providers: Sequence[ProviderEntry]
    policies: Sequence[PolicyEntry]


def _adapter_faults(path: str, entry: ProviderEntry) -> list[Fault]:
    try:
        control_characters.check(entry.config)
        registry.check(adapter=entry.adapter, channel=entry.channel, config=entry.config)
    except ConfigurationError as error:
        return [
            (f"{path}.adapter" if where == "adapter" else f"{path}.config.{where}".rstrip("."), _words(what))
            for where, what in error.errors
        ]
    return []


def _target_faults(path: str, entry: PolicyEntry, providers: set[str]) -> list[Fault]:
    kind, _, name = entry.target.partition(":")
    if name in (CHANNELS if kind == "channel" else providers):
        return []
    if kind == "provider" and Provider.objects.filter(name=name).exists():
        return []
    return [(f"{path}.target", f"there is no {kind} “{name}”")]


def check(sections: Mapping[str, object], faults: list[Fault]) -> ChannelsConfiguration:
    """The ``channels``, ``providers`` and ``policies`` of a file; every fault is added to ``faults``."""
    channels = read_entries(sections.get("channels"), ChannelEntry, path="channels", identity="name", faults=faults)
    providers = read_entries(sections.get("providers"), ProviderEntry, path="providers", identity="name", faults=faults)
    policies = read_entries(sections.get("policies"), PolicyEntry, path="policies", identity="target", faults=faults)
    for path, provider in providers:
        faults += _adapter_faults(path, provider)
    names = {provider.name for _path, provider in providers}
    for path, policy in policies:
        faults += _target_faults(path, policy, names)
    return ChannelsConfiguration(
        channels=[entry for _path, entry in channels],
        providers=[entry for _path, entry in providers],
        policies=[entry for _path, entry in policies],
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def write(*, model: type[Model], kind: str, identity: str, values: Mapping[str, Any]) -> list[Change]:
    """Makes the row of ``model`` whose ``identity`` is in ``values`` have these values; nothing is written when it has
    them already."""
    manager = model._default_manager
    name = str(values[identity])
    row = manager.select_for_update().filter(**{identity: values[identity]}).first()
    if row is None:
        manager.create(**values)
        return [Change(kind, name, created=True)]
    changed = tuple(field for field, value in values.items() if getattr(row, field) != value)
    if not changed:
        return []
    for field in changed:
        setattr(row, field, values[field])
    stamps = ["updated_at"] if any(field.name == "updated_at" for field in model._meta.get_fields()) else []
    row.save(update_fields=[*changed, *stamps])
    return [Change(kind, name, created=False, fields=changed)]


def apply(configuration: ChannelsConfiguration) -> list[Change]:
    """Writes what differs. What the file does not name is left alone."""
    changes: list[Change] = []
    for channel in configuration.channels:
        changes += write(model=Channel, kind="channel", identity="name", values=channel.model_dump(mode="json"))
    for provider in configuration.providers:
        changes += write(model=Provider, kind="provider", identity="name", values=provider.model_dump(mode="json"))
    for policy in configuration.policies:
        values = {"target": policy.target, "rules": policy.rules}
        changes += write(model=Policy, kind="policy", identity="target", values=values)
    return changes
