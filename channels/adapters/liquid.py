"""Liquid in a provider's configuration: what an administrator writes, filled with what an application sent.

The text around a value decides how it has to be escaped, and forgetting it lets a message's text add a recipient to a
request. So values are escaped by default for the place the template is for (JSON, a URL or form, XML), unless their
last filter is one that already did it (``json``, ``url_encode``, ``escape``).
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TextIO
from urllib.parse import quote

from django.core.serializers.json import DjangoJSONEncoder
from liquid import Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate
from liquid.token import TOKEN_OUTPUT
from liquid.undefined import FalsyStrictUndefined, is_undefined

Escape = Callable[[str], str]

#: What a request needs. Nothing that reads files, and nothing that prints past the escaping.
_TAGS: Final = ("content", "illegal", "if", "unless", "case", "for", "break", "continue", "assign", "comment", "#")


class TemplateError(ValueError):
    """A template can't be parsed, or not filled in with what this message has."""


class _Finished(str):
    """Text that a filter has already made fit for its place."""

    __slots__ = ()


class _EscapedNode(OutputNode):
    """``{{ … }}``, escaped as its environment says."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if isinstance(value, _Finished):
            return buffer.write(value)
        escape: Escape = context.env.escape  # type: ignore[attr-defined]
        return buffer.write(escape(to_liquid_string(value, autoescape=False)))


class _EscapedOutput(Output):
    node_class = _EscapedNode


class _Environment(Environment):
    """No loading of files, strict about unknown names, and bounded."""

    loop_iteration_limit = 10_000
    output_stream_limit = 256 * 1024
    local_namespace_limit = 256 * 1024
    context_depth_limit = 12
    block_nesting_limit = 12

    def __init__(self, escape: Escape) -> None:
        super().__init__(undefined=FalsyStrictUndefined, strict_filters=True)
        self.escape = escape

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS}
        self.tags[TOKEN_OUTPUT] = _EscapedOutput(self)
        self.filters.update(
            {
                "json": to_json,
                "url_encode": _filter(_quote),
                "escape": _filter(html.escape),
                "md5": _filter(lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()),
                "sha256": _filter(lambda text: hashlib.sha256(text.encode()).hexdigest()),
                "hmac_sha256": _hmac_sha256,
            }
        )


def to_json(value: object) -> _Finished:
    """The filter ``json``: any value as a JSON literal, quotes included."""
    if is_undefined(value):
        str(value)  # the strict kind raises, and names the variable
        value = None
    return _Finished(json.dumps(_plain(value), cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False))


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) and not isinstance(value, dict) else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else to_liquid_string(value, autoescape=False)


def _filter(function: Escape) -> Callable[[object], _Finished]:
    return lambda value: _Finished(function(_text(value)))


def _hmac_sha256(value: object, key: object) -> _Finished:
    return _Finished(hmac.new(_text(key).encode(), _text(value).encode(), hashlib.sha256).hexdigest())


def _quote(text: str) -> str:
    return quote(text, safe="")


def _json_inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _as_is(text: str) -> str:
    return text


def escape_for(content_type: str) -> Escape:
    """How values are escaped in a body of ``content_type``."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return _json_inside
    if kind == "application/x-www-form-urlencoded":
        return _quote
    if kind.endswith("xml") or kind == "text/html":
        return html.escape
    return _as_is


ESCAPE_URL: Final[Escape] = _quote
ESCAPE_NOTHING: Final[Escape] = _as_is


@lru_cache(maxsize=8)
def _environment(escape: Escape) -> _Environment:
    return _Environment(escape)


def parse(source: str, *, escape: Escape, names: Iterable[str]) -> BoundTemplate:
    """``source`` parsed, every name in it being one of ``names``. Raises TemplateError, which quotes nothing of the
    source but names and line numbers: it may hold secrets."""
    try:
        template = _environment(escape).from_string(source)
        used = template.analyze().globals
        filters = template.filter_names()
    except LiquidError as error:
        line = source.count("\n", 0, error.token.start_index) + 1 if error.token else 1
        raise TemplateError(f"this is not valid Liquid (line {line}): {type(error).__name__}") from None
    strange = sorted(set(filters) - set(template.env.filters))
    if strange:
        raise TemplateError(f"there is no filter {', '.join(strange)}")
    unknown = sorted(set(used) - set(names))
    if unknown:
        raise TemplateError(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    return template


def render(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    """The template filled in. Raises TemplateError when a value is missing, or a limit is passed."""
    try:
        return template.render(values)
    except LiquidError as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise TemplateError(str(reason)) from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise TemplateError(f"a value does not fit where the template puts it ({type(error).__name__})") from None
