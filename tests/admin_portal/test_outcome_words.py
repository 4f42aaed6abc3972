"""What came of it, in words: every code that a conversation can end with."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import translation

from admin_portal.outcome_words import OUTCOMES, outcome
from channels.errors import ProviderError


def _kinds(of: type[ProviderError] = ProviderError) -> Iterator[type[ProviderError]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


def test_every_error_of_a_provider_has_words() -> None:
    assert {kind.code for kind in _kinds()} <= set(OUTCOMES)


def test_they_are_the_reader_s() -> None:
    with translation.override("zh-hans"):
        assert outcome("attempts_used_up") == "尝试次数用尽"
        assert [code for code in OUTCOMES if outcome(code).isascii()] == []


def test_a_code_that_nobody_knows_stays() -> None:
    assert outcome("teapot") == "teapot"
