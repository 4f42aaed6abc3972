"""Templates: found by key, published in versions, and rendered for a channel and a language.

A version never changes, so what was once loaded and parsed is kept by its id and never stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Max, Q
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError

from channels import signals
from notify import liquid, prepared
from notify.errors import Conflict, FieldError, InvalidRequest, TemplateError
from notify.models import Application, Template, TemplateVersion
from notify.prepared import Prepared
from notify.template_contents import Contents, check_contents, compiled_parts, is_locale, slot, spread, variables_of
from notify.template_params import value_faults

__all__ = [
    "Rendered",
    "check_contents",
    "check_params",
    "choose_locale",
    "find_template",
    "find_version",
    "publish",
    "render",
]

_MAX_SUBJECT: Final = 998
_LINE_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message, ready to be sent."""

    subject: str
    text: str
    html: str


# --- language ---------------------------------------------------------------------------------------------------------


def _fallbacks(locale: str) -> Iterator[str]:
    parts = locale.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        yield "-".join(parts[:length])


def choose_locale(locales: Mapping[str, object], locale: str, default_locale: str) -> str:
    """The locale of ``locales`` that serves best: the one asked for, its language (``zh-CN``, ``zh``), a region of that
    language, the default in the same way, and at last the first by name. Letter case and ``_`` for ``-`` do not matter.
    """
    known = {name.lower().replace("_", "-"): name for name in sorted(locales, reverse=True)}
    for wanted in (locale, default_locale):
        if not wanted:
            continue
        for candidate in _fallbacks(wanted):
            if candidate in known:
                return known[candidate]
        language = candidate + "-"
        regional = [name for name in known if name.startswith(language)]
        if regional:
            return known[min(regional)]
    return min(locales)


# --- versions, kept by id ---------------------------------------------------------------------------------------------


class _Kept:
    """A version with what is worked out from it once: its parsed parts, and what its variables are."""

    def __init__(self, version: TemplateVersion) -> None:
        self.version = version
        self._parts: dict[tuple[str, str], dict[str, liquid.Compiled]] = {}
        self._names: dict[tuple[tuple[str, ...], str], frozenset[str]] = {}
        self.variables = version.variables or variables_of(version.contents)
        self.every_name = frozenset(
            name for found in self.variables.values() for kind in ("required", "optional") for name in found[kind]
        )

    def locale(self, channel: str, locale: str) -> str:
        """The locale that serves ``locale`` best. Raises TemplateError when there is no content for ``channel``."""
        locales = self.version.contents.get(channel)
        if not locales:
            raise TemplateError(f"The template has no content for {channel}.")
        return choose_locale(locales, locale, self.version.default_locale)

    def parts(self, channel: str, locale: str) -> dict[str, liquid.Compiled]:
        """The parsed parts of one content. Raises TemplateError or LiquidError."""
        found = self._parts.get((channel, locale))
        if found is None:
            chosen = self.locale(channel, locale)
            found = compiled_parts(self.version.contents[channel][chosen])
            self._remember(self._parts, (channel, locale), found)
        return found

    def required(self, channels: tuple[str, ...], locale: str) -> frozenset[str]:
        """What the contents for ``channels`` need; channels without a content need nothing."""
        found = self._names.get((channels, locale))
        if found is None:
            names: set[str] = set()
            for channel in channels:
                if self.version.contents.get(channel):
                    names.update(self.variables[slot(channel, self.locale(channel, locale))]["required"])
            found = frozenset(names)
            self._remember(self._names, (channels, locale), found)
        return found

    @staticmethod
    def _remember(kept: dict[Any, Any], key: Any, value: Any) -> None:
        if len(kept) > 500:  # locales come from outside
            kept.clear()
        kept[key] = value


@lru_cache(maxsize=512)
def _kept(version_id: int) -> _Kept:
    return _Kept(TemplateVersion.objects.select_related("template").get(pk=version_id))


def _keep(version: TemplateVersion | None, version_id: int | None) -> _Kept:
    wanted = version.pk if version is not None else version_id
    if wanted is None:
        raise TemplateError("A template is needed.")
    try:
        return _kept(wanted)
    except TemplateVersion.DoesNotExist:
        raise TemplateError("This version of the template is gone.") from None


@lru_cache(maxsize=1)
def _lookup() -> str:
    # As in api_keys: the ORM's SQL, written once. An application's own template goes before the company's.
    columns = [field.attname for field in Template._meta.concrete_fields]
    query = Template.objects.filter(Q(key="?") & (Q(application_id=0) | Q(application_id=None)))
    ordered = query.order_by(F("application_id").asc(nulls_last=True)).values_list(*columns)
    sql, _parameters = ordered.query.sql_with_params()
    return sql


_TEMPLATE: Final = Prepared("template", _lookup)


def find_template(*, application: Application, key: str) -> tuple[Template, TemplateVersion]:
    """The template ``key`` as ``application`` sees it (its own before the company's), at its current version. One
    query; two for a version that this process has not seen. Raises InvalidRequest."""
    row = None
    if "\0" not in key:
        with connection.cursor() as cursor:
            prepared.run(cursor, (_TEMPLATE, [key, application.pk]))
            row = cursor.fetchone()
    if row is not None:
        template = Template.from_db("default", [field.attname for field in Template._meta.concrete_fields], row)
        if template.current_id is not None:
            return template, _kept(template.current_id).version
    fault = FieldError("template", "unknown_template", "There is no template with this key.")
    raise InvalidRequest(fault.detail, errors=[fault])


def find_version(*, template: Template, number: int | None) -> TemplateVersion | None:
    """The version ``number`` of ``template``, the current one without a number; None when there is none."""
    if number is None:
        return template.current
    return TemplateVersion.objects.select_related("template").filter(template=template, number=number).first()


# --- parameters -------------------------------------------------------------------------------------------------------


def check_params(
    version: TemplateVersion, *, channels: Sequence[str], locale: str, params: Mapping[str, Any]
) -> list[FieldError]:
    """What is wrong with ``params`` for ``version`` on ``channels``: a required variable that is missing or null, one
    that no content of this version knows, or a value that no message should hold."""
    kept = _keep(version, None)
    missing = kept.required(tuple(channels), locale) - {name for name, value in params.items() if value is not None}
    faults = [FieldError(f"params.{name}", "missing_variable", "The template needs it.") for name in sorted(missing)]
    values = value_faults(params)
    if values:
        return faults + values
    unknown = params.keys() - kept.every_name
    return faults + [
        FieldError(f"params.{name}", "unknown_variable", "The template has no such variable.")
        for name in sorted(unknown)
    ]


# --- rendering --------------------------------------------------------------------------------------------------------


def _failure(error: Exception) -> TemplateError:
    line = liquid.line_of(error) if isinstance(error, LiquidError) else None
    where = f"line {line}: " if line is not None else ""
    if isinstance(error, UndefinedError):
        return TemplateError(f"{where}{str(error.message)[:200]}")
    if isinstance(error, ResourceLimitError):
        return TemplateError(f"{where}the template does too much work with these values")
    return TemplateError(f"{where}the template can't work with these values")


def render(
    *,
    version: TemplateVersion | None = None,
    version_id: int | None = None,
    channel: str,
    locale: str,
    params: Mapping[str, Any],
) -> Rendered:
    """The message of a version for ``channel``, in the locale that serves ``locale`` best. HTML escapes what comes from
    ``params``; a subject is one line. Raises TemplateError, whose detail never quotes a value."""
    kept = _keep(version, version_id)
    try:
        parts = {name: liquid.run(part, params) for name, part in kept.parts(channel, locale).items()}
    except (LiquidError, *liquid.VALUE_ERRORS) as error:
        raise _failure(error) from None
    subject = _LINE_BREAKS.sub(" ", parts.get("subject", "")).strip()[:_MAX_SUBJECT]
    return Rendered(subject=subject, text=parts.get("text", ""), html=parts.get("html", ""))


# --- publishing -------------------------------------------------------------------------------------------------------


def _same(version: TemplateVersion | None, contents: Contents, default_locale: str) -> bool:
    return version is not None and version.contents == contents and version.default_locale == default_locale


def _locked(*, application: Application | None, key: str, category: str) -> Template:
    """The row of the template, made when it is missing, locked until the transaction ends: versions are numbered one
    after the other."""
    owner = {"application": application, "key": key}
    Template.objects.bulk_create([Template(category=category, **owner)], ignore_conflicts=True)
    return Template.objects.select_for_update(of=("self",)).select_related("current").get(**owner)


def publish(
    *,
    application: Application | None,
    key: str,
    category: str,
    contents: Contents,
    default_locale: str,
    author: str,
    now: datetime,
    only_new: bool = False,
) -> TemplateVersion:
    """Makes ``contents`` what the template ``key`` says from now on: a new version, unless it says the same already.
    Without an application the template is the whole company's. Raises InvalidRequest, and Conflict where it has to be
    ``only_new`` and is not."""
    if not is_locale(default_locale):
        fault = FieldError("default_locale", "wrong_format", "Write a locale such as en or zh-CN.")
        raise InvalidRequest(fault.detail, errors=[fault])
    variables = check_contents(contents)
    with transaction.atomic():
        template = _locked(application=application, key=key, category=category)
        current = template.current
        if only_new and current is not None:
            raise Conflict("There is a template with this key; PUT makes a new version of it.")
        if current is not None and _same(current, contents, default_locale):
            if template.category != category:
                Template.objects.filter(pk=template.pk).update(category=category, updated_at=now)
                _tell(template, author, before={"category": template.category}, after={"category": category})
            return current
        last = template.versions.aggregate(last=Max("number"))["last"] or 0
        version = TemplateVersion.objects.create(
            template=template,
            number=last + 1,
            contents=contents,
            default_locale=default_locale,
            variables=variables,
            author=author,
        )
        Template.objects.filter(pk=template.pk).update(current=version, category=category, updated_at=now)
        before = None if current is None else {"category": template.category, **spread(current)}
        _tell(template, author, before=before, after={"category": category, **spread(version)})
        return version


def _tell(template: Template, author: str, *, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
    owner = f"{template.application.name}/" if template.application is not None else ""
    target = f"template:{owner}{template.key}"
    signals.send_changed(action="template.published", target=target, before=before, after=after, actor=author)
