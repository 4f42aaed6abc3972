"""Configuration as a file: YAML in, checked whole, applied in one transaction, and a list of what changed out.

The file is trusted as little as any other input: duplicate keys and merge keys are refused, and so is a file that grows
beyond reason through its aliases.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import yaml
from django.db import connection, transaction
from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from channels import configuration as channels_configuration
from channels.configuration import Change, ChannelsConfiguration, Fault, read_entries, write
from channels.entries import ChannelNames, Entry, Rate
from channels.errors import ConfigurationError
from notify import api_keys, template_contents, templating
from notify.models import Application, Template

MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_NODES: Final = 200_000
_MAX_DEPTH: Final = 40
_SECTIONS: Final = ("applications", "channels", "providers", "policies", "templates")
_VARIABLE: Final = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AUTHOR: Final = "apply_config"
#: The advisory lock under which a file is applied: "conf" in ASCII.
_LOCK: Final = 0x636F6E66


class ApplicationEntry(Entry):
    """An application and its limits."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    tier: Literal["vip", "standard"] = "standard"
    rate_limit: Rate = ""
    daily_quota: Annotated[int, Field(ge=0, le=10**15)] | None = None
    channels: ChannelNames = Field(default_factory=list)
    allowed_ips: list[str] = Field(default_factory=list)

    @field_validator("allowed_ips")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        try:
            return api_keys.check_networks(networks)
        except ValueError:
            raise PydanticCustomError("wrong_format", "write IP addresses or networks, such as 10.0.0.0/8") from None


class TemplateEntry(Entry):
    """A template of the whole company, or of one application."""

    key: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
    application: str | None = None
    category: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    default_locale: str = "en"
    contents: dict[str, Any]

    @property
    def identity(self) -> tuple[str | None, str]:
        """What may be in the file once."""
        return self.application, self.key


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file that was found good."""

    applications: Sequence[ApplicationEntry]
    channels: ChannelsConfiguration
    templates: Sequence[TemplateEntry]


# --- YAML -------------------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML's safe subset, less what makes a file say something else than it seems to."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _value in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "merge keys are not allowed", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, "this key is here twice", key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> object:
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ConfigurationError([("", f"the file is larger than {MAX_BYTES} bytes")])
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise ConfigurationError([("", f"{place}{error.problem}")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigurationError([("", f"this is not YAML ({type(error).__name__})")]) from None


class _Expansion:
    """Puts the environment's values where the file names them, and counts what the file amounts to."""

    def __init__(self, environ: Mapping[str, str], faults: list[Fault]) -> None:
        self.environ = environ
        self.faults = faults
        self.nodes = 0

    def expand(self, value: Any, path: str, depth: int = 0) -> Any:
        """``value`` with every ``${NAME}`` replaced; ``$${NAME}`` stands for ``${NAME}`` itself."""
        self.nodes += 1
        if self.nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise ConfigurationError([("", "the file is too large or too deep once its aliases are followed")])
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, dict):
            return {key: self.expand(inner, f"{path}.{key}".lstrip("."), depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.expand(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
        return value

    def text(self, value: str, path: str) -> str:
        """One string, expanded; a variable that is not set is a fault."""

        def replace(found: re.Match[str]) -> str:
            escaped, name = found.groups()
            if escaped:
                return f"${{{name}}}"
            if name not in self.environ:
                self.faults.append((path, f"the environment variable {name} is not set"))
            return self.environ.get(name, "")

        return _VARIABLE.sub(replace, value)


# --- checking ---------------------------------------------------------------------------------------------------------


def _template_faults(path: str, entry: TemplateEntry, applications: set[str]) -> list[Fault]:
    faults: list[Fault] = [
        (fault.path, fault.detail) for fault in template_contents.faults_of(entry.contents, path=f"{path}.contents")
    ]
    if not template_contents.is_locale(entry.default_locale):
        faults.append((f"{path}.default_locale", "write a locale such as en or zh-CN"))
    owner = entry.application
    if owner is not None and owner not in applications and not Application.objects.filter(name=owner).exists():
        faults.append((f"{path}.application", f"there is no application “{owner}”"))
    return faults


def load(text: str, *, environ: Mapping[str, str]) -> Configuration:
    """The configuration in ``text``, known to be good in every part. Changes nothing. Raises ConfigurationError with
    every fault and its path in the file."""
    raw = _parse(text)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigurationError([("", f"write a mapping with {', '.join(_SECTIONS)}")])
    faults: list[Fault] = []
    sections = _Expansion(environ, faults).expand(raw, "")
    faults += [(str(name)[:64], "there is no such section") for name in sections if name not in _SECTIONS]
    applications = read_entries(
        sections.get("applications"), ApplicationEntry, path="applications", identity="name", faults=faults
    )
    channels = channels_configuration.check(sections, faults)
    templates = read_entries(
        sections.get("templates"), TemplateEntry, path="templates", identity="identity", faults=faults
    )
    names = {entry.name for _path, entry in applications}
    for path, entry in templates:
        faults += _template_faults(path, entry, names)
    if faults:
        raise ConfigurationError(faults)
    return Configuration(
        applications=[entry for _path, entry in applications],
        channels=channels,
        templates=[entry for _path, entry in templates],
    )


# --- applying ---------------------------------------------------------------------------------------------------------


def _publish(entry: TemplateEntry, now: datetime) -> list[Change]:
    owner = Application.objects.get(name=entry.application) if entry.application is not None else None
    before = Template.objects.select_related("current").filter(application=owner, key=entry.key).first()
    version = templating.publish(
        application=owner,
        key=entry.key,
        category=entry.category,
        contents=entry.contents,
        default_locale=entry.default_locale,
        author=_AUTHOR,
        now=now,
    )
    name = entry.key if owner is None else f"{owner.name}/{entry.key}"
    if before is None or before.current is None:
        return [Change("template", name, created=True)]
    fields = [
        field for field in ("contents", "default_locale") if getattr(before.current, field) != getattr(version, field)
    ]
    if before.category != entry.category:
        fields.append("category")
    return [Change("template", name, created=False, fields=tuple(fields))] if fields else []


def apply(configuration: Configuration, *, now: datetime, dry_run: bool = False) -> list[Change]:
    """Makes the database agree with ``configuration``, whole or not at all, and tells what changed: nothing, the second
    time. What the file does not name is left alone. ``dry_run`` takes everything back."""
    changes: list[Change] = []
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two files at once would lock the same rows, each in its own order.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # Whoever publishes one of these now waits before it changes anything, or is waited for: what is changed here
        # holds the audit from the first row on.
        keys = [template.key for template in configuration.templates]
        list(Template.objects.select_for_update(of=("self",)).filter(key__in=keys).order_by("pk"))
        for entry in configuration.applications:
            changes += write(
                model=Application, kind="application", identity="name", values=entry.model_dump(mode="json")
            )
        changes += channels_configuration.apply(configuration.channels)
        for template in configuration.templates:
            changes += _publish(template, now)
        if dry_run:
            transaction.set_rollback(True)
    return changes
