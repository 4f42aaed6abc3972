"""What the contents of a template may be: ``{channel: {locale: {"subject", "text", "html"}}}``, checked before anything
is stored, down to the line of a template that does not parse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from liquid.exceptions import LiquidError, ResourceLimitError

from channels.names import CHANNELS
from notify import liquid
from notify.errors import FieldError, InvalidRequest
from notify.models import TemplateVersion

Part: TypeAlias = Mapping[str, str]
Contents: TypeAlias = Mapping[str, Mapping[str, Part]]
Variables: TypeAlias = dict[str, dict[str, list[str]]]

PARTS: Final = ("subject", "text", "html")
_LIMITS: Final = {"subject": 998, "text": 100_000, "html": 200_000}
_MAX_LOCALES: Final = 50
_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def is_locale(name: str) -> bool:
    """Whether ``name`` is written as locales are: ``zh-CN``, ``en``."""
    return len(name) <= 35 and _LOCALE.fullmatch(name) is not None


def slot(channel: str, locale: str) -> str:
    """How the variables of one channel and locale are found again: ``sms/zh-CN``."""
    return f"{channel}/{locale}"


def spread(version: TemplateVersion) -> dict[str, Any]:
    """A version with each of its texts by a name of its own (``email/en.subject``), to be compared with another."""
    texts = {
        f"{slot(channel, locale)}.{part}": text
        for channel, locales in version.contents.items()
        for locale, parts in locales.items()
        for part, text in parts.items()
    }
    return {"version": version.number, "default_locale": version.default_locale, **texts}


def compiled_parts(parts: Part) -> dict[str, liquid.Compiled]:
    """Each part that is there, parsed. Raises LiquidError."""
    return {name: liquid.compile_source(parts[name], html=name == "html") for name in PARTS if parts.get(name)}


def _channel_faults(contents: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for channel, locales in contents.items():
        here = f"{path}.{str(channel)[:32]}"
        if channel not in CHANNELS:
            yield FieldError(here, "unknown_channel", f"The channels are {', '.join(CHANNELS)}.")
        elif not isinstance(locales, Mapping) or not locales:
            yield FieldError(here, "wrong_type", "Write an object with a content for each locale.")
        elif len(locales) > _MAX_LOCALES:
            yield FieldError(here, "too_long", f"At most {_MAX_LOCALES} locales.")
        else:
            yield from _locale_faults(channel, locales, here)


def _locale_faults(channel: str, locales: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for locale, parts in locales.items():
        here = f"{path}.{str(locale)[:35]}"
        if not isinstance(locale, str) or not is_locale(locale):
            yield FieldError(here, "wrong_format", "Write a locale such as en or zh-CN.")
        elif locale.lower().replace("_", "-") in seen:
            yield FieldError(here, "duplicate", "This locale is here twice.")
        elif not isinstance(parts, Mapping):
            yield FieldError(here, "wrong_type", "Write an object with subject, text and html.")
        else:
            yield from _part_faults(channel, parts, here)
        seen.add(str(locale).lower().replace("_", "-"))


def _part_faults(channel: str, parts: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for name, source in parts.items():
        here = f"{path}.{str(name)[:32]}"
        if name not in PARTS:
            yield FieldError(here, "unknown_field", "A content has subject, text and html.")
        elif not isinstance(source, str):
            yield FieldError(here, "wrong_type", "Write a text.")
        elif len(source) > _LIMITS[name]:
            yield FieldError(here, "too_long", f"At most {_LIMITS[name]} characters.")
        elif _CONTROL.search(source) or (name == "subject" and "\n" in source):
            yield FieldError(here, "control_character", "Control characters are not allowed here.")
        else:
            yield from _source_faults(source, html=name == "html", path=here)
    if not parts.get("text") and not (channel == "email" and parts.get("html")):
        yield FieldError(f"{path}.text", "required", "Say something: a text (for email, an html will do).")


def _source_faults(source: str, *, html: bool, path: str) -> Iterator[FieldError]:
    try:
        liquid.compile_source(source, html=html)
        liquid.try_out(source)
    except ResourceLimitError as error:
        yield _liquid_fault(path, "template_too_costly", error)
    except LiquidError as error:
        yield _liquid_fault(path, "template_error", error)


def _liquid_fault(path: str, code: str, error: LiquidError) -> FieldError:
    line = liquid.line_of(error)
    where = f"line {line}: " if line is not None else ""
    return FieldError(path, code, f"{where}{str(error.message)[:200]}")


def faults_of(contents: object, *, path: str = "contents") -> list[FieldError]:
    """Everything that is wrong with ``contents``."""
    if not isinstance(contents, Mapping) or not contents:
        return [FieldError(path, "required", "Write an object with contents for at least one channel.")]
    return list(_channel_faults(contents, path))


def variables_of(contents: Contents) -> Variables:
    """The variables of contents that are known to be good: ``{"sms/zh-CN": {"required": […], "optional": […]}}``."""
    found: Variables = {}
    for channel, locales in contents.items():
        for locale, parts in locales.items():
            required, optional = liquid.names_in(list(compiled_parts(parts).values()))
            found[slot(channel, locale)] = {"required": sorted(required), "optional": sorted(optional)}
    return found


def check_contents(contents: object, *, path: str = "contents") -> Variables:
    """The variables of ``contents``, by channel and locale. Raises InvalidRequest with the path of every fault.

    A variable is *required* unless every use of it is behind ``default`` or inside an ``if``, ``unless`` or ``case``
    that tests it.
    """
    faults = faults_of(contents, path=path)
    if faults:
        raise InvalidRequest("The template has faults; see errors.", errors=faults)
    return variables_of(contents)  # type: ignore[arg-type]
