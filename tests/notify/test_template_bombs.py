"""Templates that mean harm cost nothing: refused when they are made, stopped when they are rendered."""

from __future__ import annotations

from typing import Any

import pytest
from liquid.exceptions import LiquidError

from notify import liquid
from notify.template_contents import faults_of

LARGE = "a" * 60_000


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..100000000) %}{% for j in (1..100000000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..100000000) reversed %}x{% endfor %}",
        "{% tablerow i in (1..100000000) %}x{% endtablerow %}",
        "{{ (1..100000000) | join: ',' }}",
        "{% assign x = (1..100000000) | reverse %}",
        "{% if (1..100000000000) contains 'a' %}x{% endif %}",
        "{% for i in (1..9999) %}{% endfor %}" * 900,
        "{% for i in (1..9999) %}" + "{{ '' }}" * 5000 + "{% endfor %}",
        "{% assign a = 'xxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40,
        "{% assign n = 99999 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
        "{% capture a %}{% for i in (1..9000) %}" + "x" * 200 + "{% endfor %}{% endcapture %}",
        "{% for i in (1..9999) %}{% assign s = 'x' %}" + "{% assign s = s | append: s %}" * 17 + "{% endfor %}",
    ],
)
def test_a_bomb_is_refused_when_it_is_made(text: str) -> None:
    (fault,) = faults_of({"sms": {"en": {"text": text}}})

    assert (fault.path, fault.code) == ("contents.sms.en.text", "template_too_costly")


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("{% for i in (1..n) reversed %}x{% endfor %}", {"n": 10**12}),
        ("{% for i in (a..b) %}x{% endfor %}", {"a": "-99999999999", "b": "99999999999"}),
        ("{{ (1..n) | join: ',' }}", {"n": "99999999999"}),
        ("{{ s | replace: 'a', s }}", {"s": LARGE}),
        ("{{ l | join: s }}", {"l": ["a"] * 5000, "s": LARGE}),
        ("{% assign l = s | split: '' %}{{ l | join: s }}", {"s": LARGE}),
        ("{% for i in (1..9999) %}{{ s | upcase | downcase | size }}{% endfor %}", {"s": LARGE}),
        ("{% for x in l %}{% for y in l %}{% for z in l %}{% endfor %}{% endfor %}{% endfor %}", {"l": [1] * 1000}),
        ("{% for i in (1..9999) %}{{ s }}{% endfor %}", {"s": LARGE}),
    ],
)
def test_a_bomb_that_only_values_light_is_stopped(text: str, params: dict[str, Any]) -> None:
    compiled = liquid.compile_source(text, html=False)
    with pytest.raises(LiquidError):
        liquid.run(compiled, params)


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 50_000,
        "{%" * 50_000,
        "{% raw %}" * 10_000,
        "{% comment %}" * 5_000,
        "{{" + " " * 50_000 + "}}",
        "{{ a" + ".b" * 40_000 + " }}",
        "{{ a" + "[" * 5_000 + "]" * 5_000 + " }}",
        "{% if " + "(" * 5_000 + "a" + ")" * 5_000 + " %}{% endif %}",
        "{% if a or " + " or ".join(["a"] * 20_000) + " %}{% endif %}",
        "{% if a %}" * 50 + "{% endif %}" * 50,
    ],
)
def test_markup_that_would_choke_the_parser_is_refused_unparsed(text: str) -> None:
    with pytest.raises(LiquidError):
        liquid.compile_source(text, html=False)


def test_a_long_honest_template_is_no_bomb() -> None:
    text = "".join(f"<tr><td>{{{{ row{n} }}}}</td></tr>\n" for n in range(300))
    text += "{% for item in items %}{{ item.name | upcase }}: {{ item.price | times: 2 }}\n{% endfor %}"

    assert faults_of({"email": {"en": {"html": text}}}) == []
    params = {f"row{n}": "x" for n in range(300)} | {"items": [{"name": "n", "price": 1}] * 1000}
    assert liquid.run(liquid.compile_source(text, html=True), params).count("N: 2") == 1000
