"""Templates parsed, understood and rendered: which variables they have, and what they make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError, ResourceLimitError, UnknownFilterError
from liquid.expression import Expression
from liquid.undefined import FalsyStrictUndefined
from markupsafe import escape

from notify.liquid_limits import MAX_OUTPUT, BoundedStop, Meter, SafeEnvironment, check_markup

#: What filters raise, beside LiquidError, at values that they can't take.
VALUE_ERRORS: Final = (ValueError, TypeError, ArithmeticError, LookupError)
#: Names that Liquid itself provides.
BUILT_IN: Final = frozenset({"now", "today"})

_PLAIN: Final = SafeEnvironment(undefined=FalsyStrictUndefined)
_HTML: Final = SafeEnvironment(undefined=FalsyStrictUndefined, autoescape=True)
#: For trying a template out before anybody knows its variables: what is not there is empty.
_LENIENT: Final = SafeEnvironment()


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
        nodes.insert(0, Meter(token, units))

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
                part.stop = BoundedStop(part.start, part.stop)
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
class Plain:
    """A template of nothing but text and ``{{ name }}``, as most are: ``names[i]`` stands behind ``texts[i]``, and the
    last text behind them all. Joining it is a tenth of the work of rendering it."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    escapes: bool

    def fill(self, params: Mapping[str, Any]) -> str | None:
        """The text, the same as Liquid's; None where a value, or the length of it all, is for Liquid to judge."""
        pieces = [self.texts[0]]
        for name, text in zip(self.names, self.texts[1:], strict=True):
            value = params.get(name)
            if value.__class__ is int:
                value = str(value)
            elif value.__class__ is not str:
                return None
            pieces.append(str(escape(value)) if self.escapes else value)
            pieces.append(text)
        filled = "".join(pieces)
        if "\r" in filled:  # Liquid ends lines with a line feed, whatever they ended with
            return None
        return filled if len(filled) < MAX_OUTPUT // 4 else None  # no character takes more than four bytes


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to render: its parse, or its text where there is nothing to render."""

    template: BoundTemplate | None
    text: str
    required: frozenset[str]
    optional: frozenset[str]
    plain: Plain | None = None


def _plain(template: BoundTemplate, environment: Environment) -> Plain | None:
    """``template`` as a Plain, before anything was put into it; None when it is more than that."""
    texts, names = [""], []
    for node in template.nodes:
        if isinstance(node, ContentNode):
            texts[-1] += node.text
        elif isinstance(node, OutputNode) and (name := _variable(node.expression)):
            names.append(name)
            texts.append("")
        else:
            return None
    return Plain(tuple(texts), tuple(names), environment.autoescape)


def _variable(expression: Expression) -> str:
    """The name, where ``expression`` is one and no more; empty where it is not."""
    if not isinstance(expression, FilteredExpression) or expression.filters or not isinstance(expression.left, Path):
        return ""
    path = expression.left.path
    return path[0] if len(path) == 1 and isinstance(path[0], str) and path[0] not in BUILT_IN else ""


def _compile(source: str, environment: Environment) -> Compiled:
    if "{{" not in source and "{%" not in source:
        return Compiled(None, source, frozenset(), frozenset())
    check_markup(source)
    template = environment.from_string(source)
    plain = _plain(template, environment)
    walk = _Walk(template)
    walk.block(template.nodes, template.nodes[0].token, frozenset(), frozenset())
    required = frozenset(walk.found.required)
    return Compiled(template, source, required, frozenset(walk.found.optional) - required, plain)


@lru_cache(maxsize=2048)
def compile_source(source: str, *, html: bool) -> Compiled:
    """``source`` parsed, from memory where it was parsed before. Raises LiquidError."""
    return _compile(source, _HTML if html else _PLAIN)


def run(compiled: Compiled, params: Mapping[str, Any]) -> str:
    """The text that ``compiled`` makes of ``params``. Optional variables that are not there are nil. Raises LiquidError
    or, where a filter gets a value that it can't take, one of ``VALUE_ERRORS``."""
    if compiled.template is None:
        return compiled.text
    if compiled.plain is not None and (filled := compiled.plain.fill(params)) is not None:
        return filled
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
