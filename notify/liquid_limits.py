"""Liquid for text that tenants write: the language of python-liquid, with a bill for every render.

The library limits output, namespace and loops. That is not enough against a template that means harm: a range can be
materialised before its loop is counted, one filter can multiply its input, a loop body can be as large as the template,
and unclosed markup takes the lexer quadratic time. So markup is looked over before it is parsed, everything a render
does costs units (an evaluated node or expression: one; text through a filter: by its length), and a render that has
spent ``BUDGET`` units ends. Partials, inheritance and files do not exist here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.exceptions import (
    LiquidSyntaxError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
)
from liquid.expression import Expression
from liquid.limits import to_int
from liquid.token import Token

BUDGET: Final = 200_000
MAX_OUTPUT: Final = 1024 * 1024
MAX_LOOP: Final = 10_000
_CHARACTERS_A_UNIT: Final = 32
_MAX_INTEGER_BITS: Final = 4096
#: The longest text that may be taken for a date: the parser behind the filter is thorough, and slow.
_MAX_DATE: Final = 64
#: Limits of what may stand between {{ and }} or {% and %}.
_MAX_EXPRESSION: Final = 1_000
_MAX_BRACKETS: Final = 40
_LONG_SPACE: Final = re.compile(r"\s{64}")
_CLOSERS: Final = {"{{": "}}", "{%": "%}"}
_OPENER: Final = re.compile(r"\{\{|\{%")
_VERBATIM: Final = re.compile(r"\{%-?\s*(raw|doc)\s*-?%\}")


class BudgetExceeded(ResourceLimitError):
    """The render costs more than any message should."""


class MeteredContext(RenderContext):
    """A render's variables, and what it has spent."""

    __slots__ = ("iterations", "spent")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spent = 0
        self.iterations = 0

    def spend(self, units: int) -> None:
        """Charges ``units``. Raises BudgetExceeded."""
        self.spent += units
        if self.spent > BUDGET:
            raise BudgetExceeded("the template does too much work", token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Counts every iteration of every loop, one after the other as well as one inside the other."""
        super().raise_for_loop_limit(length)
        self.iterations += length
        if self.iterations > MAX_LOOP:
            raise LoopIterationLimitError("loop iteration limit reached", token=None)


class MeteredTemplate(BoundTemplate):
    """A parsed template whose renders are metered."""

    context_class = MeteredContext


class Meter(Node):
    """Stands first in every block and charges what the block costs each time it is rendered."""

    __slots__ = ("units",)

    def __init__(self, token: Any, units: int) -> None:
        super().__init__(token)
        self.units = units

    def __str__(self) -> str:
        return ""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Charges the render; writes nothing."""
        context.spend(self.units)  # type: ignore[attr-defined]
        return 0


class BoundedStop(Expression):
    """The end of a range that is not longer than a loop may be."""

    __slots__ = ("start", "stop")

    def __init__(self, start: Expression, stop: Expression) -> None:
        super().__init__(stop.token)
        self.start = start
        self.stop = stop

    def evaluate(self, context: RenderContext) -> object:
        """The end, as it is. Raises LoopIterationLimitError when it is too far from the start."""
        stop = self.stop.evaluate(context)
        try:
            length = to_int(stop) - to_int(self.start.evaluate(context))
        except (ValueError, TypeError):
            length = to_int(stop) if isinstance(stop, int) else 0
        if length >= MAX_LOOP:
            raise LoopIterationLimitError("range is too long", token=self.token)
        return stop

    def children(self) -> list[Expression]:
        """The expression of the end: the start has its own place in the tree."""
        return [self.stop]


# --- filters ----------------------------------------------------------------------------------------------------------


def _weight(value: object) -> int:
    if isinstance(value, (str, list, tuple, dict)):
        return len(value)
    return value.bit_length() // 4 if isinstance(value, int) else 0


def _product(name: str, value: object, arguments: tuple[object, ...]) -> int:
    """How long the result of a filter that multiplies will be."""
    first = str(arguments[0]) if arguments else ""
    if name == "replace":
        times = str(value).count(first)
        return times * len(str(arguments[1])) if len(arguments) > 1 else 0
    items = len(value) if isinstance(value, (list, tuple, str, dict)) else 1
    return items * (len(first) or 1)


_MULTIPLYING: Final = frozenset({"replace", "join"})


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    passes_context = getattr(function, "with_context", False)

    @functools.wraps(function)
    def metered(value: object, *arguments: object, context: Any, **keywords: Any) -> Any:
        weight = _weight(value) + sum(map(_weight, arguments))
        if name in _MULTIPLYING:
            product = _product(name, value, arguments)
            if product > MAX_OUTPUT:
                raise OutputStreamLimitError(f"the result of “{name}” is too long", token=None)
            weight += product
        if name == "date" and isinstance(value, str) and len(value) > _MAX_DATE:
            return value
        context.spend(1 + weight // _CHARACTERS_A_UNIT)
        if passes_context:
            keywords["context"] = context
        result = function(value, *arguments, **keywords)
        too_large = isinstance(result, int) and result.bit_length() > _MAX_INTEGER_BITS
        if too_large or _weight(result) > MAX_OUTPUT:
            raise OutputStreamLimitError(f"the result of “{name}” is too long", token=None)
        return result

    metered.with_context = True  # type: ignore[attr-defined]
    return metered


class SafeEnvironment(Environment):
    """Where templates are parsed. ``autoescape`` is for HTML."""

    template_class = MeteredTemplate
    loop_iteration_limit = MAX_LOOP
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_OUTPUT
    context_depth_limit = 30
    block_nesting_limit = 20

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Every standard tag and filter, metered, but for those that reach for other templates."""
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        self.filters = {name: _metered(name, function) for name, function in self.filters.items()}


# --- before the lexer -------------------------------------------------------------------------------------------------


def _refuse(source: str, start: int, message: str) -> NoReturn:
    raise LiquidSyntaxError(message, token=Token("", source[start : start + 2], start_index=start, source=source))


def _check_expression(source: str, start: int, end: int) -> None:
    inner = source[start:end]
    if len(inner) > _MAX_EXPRESSION or inner.count("(") + inner.count("[") > _MAX_BRACKETS:
        _refuse(source, start, "this expression is too large")
    if _LONG_SPACE.search(inner):
        _refuse(source, start, "this expression has too much white space")


def check_markup(source: str) -> None:
    """Raises LiquidSyntaxError for markup that is never closed or unreasonably large. Linear, as the lexer is not."""
    position = 0
    while (opener := _OPENER.search(source, position)) is not None:
        start = opener.start()
        closer = _CLOSERS[opener[0]]
        end = source.find(closer, opener.end())
        if end < 0:
            _refuse(source, start, f"“{opener[0]}” without “{closer}”")
        _check_expression(source, start, end)
        position = end + 2
        verbatim = _VERBATIM.match(source, start)
        if verbatim is not None:
            closing = re.compile(rf"\{{%-?\s{{0,64}}end{verbatim[1]}\s{{0,64}}-?%\}}").search(source, position)
            if closing is None:
                _refuse(source, start, f"“{verbatim[1]}” without “end{verbatim[1]}”")
            position = closing.end()
