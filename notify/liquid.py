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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NoReturn, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import (
    LiquidError,
    LiquidSyntaxError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
    UnknownFilterError,
)
from liquid.expression import Expression
from liquid.limits import to_int
from liquid.token import Token
from liquid.undefined import FalsyStrictUndefined

BUDGET: Final = 200_000
MAX_OUTPUT: Final = 1024 * 1024
MAX_LOOP: Final = 10_000
_CHARACTERS_A_UNIT: Final = 32
#: The longest text that may be taken for a date: the parser behind the filter is thorough, and slow.
_MAX_DATE: Final = 64
#: What filters raise, beside LiquidError, at values that they can't take.
VALUE_ERRORS: Final = (ValueError, TypeError, ArithmeticError, LookupError)
#: Limits of what may stand between {{ and }} or {% and %}.
_MAX_EXPRESSION: Final = 1_000
_MAX_BRACKETS: Final = 40
_LONG_SPACE: Final = re.compile(r"\s{64}")
_CLOSERS: Final = {"{{": "}}", "{%": "%}"}
_OPENER: Final = re.compile(r"\{\{|\{%")
_VERBATIM: Final = re.compile(r"\{%-?\s*(raw|doc)\s*-?%\}")
#: Names that Liquid itself provides.
BUILT_IN: Final = frozenset({"now", "today"})


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


class _Meter(Node):
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


class _BoundedStop(Expression):
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
        if _weight(result) > MAX_OUTPUT:
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


_PLAIN: Final = SafeEnvironment(undefined=FalsyStrictUndefined)
_HTML: Final = SafeEnvironment(undefined=FalsyStrictUndefined, autoescape=True)
#: For trying a template out before anybody knows its variables: what is not there is empty.
_LENIENT: Final = SafeEnvironment()


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


# --- reading a template -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Findings:
    """What a walk through a template found."""

    required: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)
    local: set[str] = field(default_factory=set)


_CONDITIONS: Final = (IfNode, UnlessNode, CaseNode, ConditionalBlockNode, MultiExpressionBlockNode)


def _expressions(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _expressions(child)


def _roots(expression: Expression) -> set[str]:
    return {
        str(part.path[0])
        for part in _expressions(expression)
        if isinstance(part, Path) and isinstance(part.path[0], str)
    }


def _defaulted(expression: Expression) -> set[str]:
    """The variable of ``{{ name | default: … }}``: a plain name, the filter first."""
    if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return set()
    if expression.filters and expression.filters[0].name == "default" and isinstance(expression.left.path[0], str):
        return {expression.left.path[0]}
    return set()


class _Walk:
    """Goes through a parsed template once: meters it, and finds its variables."""

    def __init__(self, template: BoundTemplate) -> None:
        self.context = RenderContext(template)
        self.env = template.env
        self.found = _Findings()

    def block(self, nodes: list[Node], token: Any, scope: frozenset[str], tested: frozenset[str]) -> None:
        """A list of nodes that is rendered in one go."""
        units = 1 + sum(self.node(node, scope, tested) for node in nodes)
        nodes.insert(0, _Meter(token, units))

    def node(self, node: Node, scope: frozenset[str], tested: frozenset[str]) -> int:
        """Visits one node; returns what it costs by itself."""
        units = 1
        is_condition = isinstance(node, _CONDITIONS)
        for expression in node.expressions():
            units += self.expression(expression, scope, tested, is_condition=is_condition)
            if is_condition:
                tested |= _roots(expression)
        self.found.local.update(str(name) for name in node.template_scope())
        scope |= {str(name) for name in node.block_scope()}
        for child in node.children(self.context, include_partials=False):
            if isinstance(child, ConditionalBlockNode):
                tested |= _roots(child.expression)
            if isinstance(child, BlockNode):
                self.block(child.nodes, child.token, scope, tested)
            else:
                units += self.node(child, scope, tested)
        return units

    def expression(
        self, expression: Expression, scope: frozenset[str], tested: frozenset[str], *, is_condition: bool
    ) -> int:
        """Visits one expression; returns what it costs."""
        units = 0
        for part in list(_expressions(expression)):
            units += 1
            if isinstance(part, RangeLiteral):
                part.stop = _BoundedStop(part.start, part.stop)
            if isinstance(part, FilteredExpression):
                units += len(part.filters or ())
                self.check_filters(part)
        names = _roots(expression) - scope - self.found.local - BUILT_IN
        optional = names if is_condition else names & (tested | _defaulted(expression))
        self.found.optional |= optional
        self.found.required |= names - optional
        return units

    def check_filters(self, expression: FilteredExpression) -> None:
        """Raises UnknownFilterError: the library only looks a filter up when it is about to be applied."""
        for used in expression.filters or ():
            if used.name not in self.env.filters:
                raise UnknownFilterError(f"unknown filter “{used.name}”", token=used.token)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to render: its parse, or its text where there is nothing to render."""

    template: BoundTemplate | None
    text: str
    required: frozenset[str]
    optional: frozenset[str]


def _compile(source: str, environment: Environment) -> Compiled:
    if "{{" not in source and "{%" not in source:
        return Compiled(None, source, frozenset(), frozenset())
    check_markup(source)
    template = environment.from_string(source)
    walk = _Walk(template)
    walk.block(template.nodes, template.nodes[0].token, frozenset(), frozenset())
    required = frozenset(walk.found.required)
    return Compiled(template, source, required, frozenset(walk.found.optional) - required)


@lru_cache(maxsize=2048)
def compile_source(source: str, *, html: bool) -> Compiled:
    """``source`` parsed, from memory where it was parsed before. Raises LiquidError."""
    return _compile(source, _HTML if html else _PLAIN)


def run(compiled: Compiled, params: Mapping[str, Any]) -> str:
    """The text that ``compiled`` makes of ``params``. Optional variables that are not there are nil. Raises LiquidError
    or, where a filter gets a value that it can't take, one of ``VALUE_ERRORS``."""
    if compiled.template is None:
        return compiled.text
    missing = compiled.optional - params.keys()
    return compiled.template.render({**dict.fromkeys(missing), **params} if missing else params)


def try_out(source: str) -> None:
    """Renders ``source`` once with every variable a short text. Raises ResourceLimitError when that alone exceeds the
    limits; every other failure may be the fault of the made-up values, and is none here."""
    compiled = _compile(source, _LENIENT)
    try:
        run(compiled, dict.fromkeys(compiled.required | compiled.optional, "x"))
    except ResourceLimitError:
        raise
    except (LiquidError, *VALUE_ERRORS):
        return


def line_of(error: LiquidError) -> int | None:
    """The line of the template that ``error`` is about, where it knows."""
    token = error.token
    if token is None or token.start_index < 0:
        return None
    return token.source.count("\n", 0, token.start_index) + 1


def names_in(sources: Sequence[Compiled]) -> tuple[frozenset[str], frozenset[str]]:
    """What several parts of one message need: required and optional variables."""
    required = frozenset[str]().union(*(part.required for part in sources))
    optional = frozenset[str]().union(*(part.optional for part in sources))
    return required, optional - required
