"""Templates of text and plain names are joined by hand: the same, letter for letter, as Liquid makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify import liquid

VALUES = st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.floats(allow_nan=False), st.none())
PIECES = st.lists(
    st.sampled_from(["Hello ", "{{ a }}", "{{b}}", " <b>&", "\n", "验证码 ", "{{ a }}{{ b }}"]), max_size=6
)


@given(pieces=PIECES, params=st.fixed_dictionaries({"a": VALUES, "b": VALUES}), html=st.booleans())
def test_it_is_what_liquid_makes_of_it(pieces: list[str], params: dict[str, Any], html: bool) -> None:
    template = liquid.compile_source("".join(pieces), html=html)
    assert liquid.run(template, params) == liquid.run(replace(template, plain=None), params)


@pytest.mark.parametrize("source", ["{{ a | upcase }}", "{% if a %}x{% endif %}", "{{ a.b }}", "{{ 'a' }}"])
def test_whatever_is_more_than_that_is_left_to_liquid(source: str) -> None:
    assert liquid.compile_source(source, html=False).plain is None


@pytest.mark.parametrize("value", ["\r", "a\r\nb", "\n\r"])
def test_ends_of_lines_are_what_liquid_makes_of_them(value: str) -> None:
    template = liquid.compile_source("{{ a }}\n{{ a }}", html=False)
    assert liquid.run(template, {"a": value}) == liquid.run(replace(template, plain=None), {"a": value})
