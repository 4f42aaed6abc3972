"""What the audit calls what was done: every action that is written down has words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils import translation

from admin_portal.audit.naming import NOUNS, VERBS, named
from admin_portal.audit.rows import WATCHED
from admin_portal.plans.running import _VERBS as STEPS
from admin_portal.request_page import DEEDS

_ROOMS: Final = ("admin_portal", "notify", "channels")


def _written(keyword: str) -> Iterator[str]:
    """Every text that some code passes as ``keyword``."""
    for room in _ROOMS:
        for path in (Path(settings.BASE_DIR) / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == keyword and isinstance(node.value, ast.Constant):
                    yield str(node.value.value)


def test_every_verb_that_is_written_down_has_words() -> None:
    verbs = {*_written("verb"), *DEEDS, *STEPS.values(), "created", "changed", "deleted"}
    assert len(verbs) > 30
    assert verbs - set(VERBS) == set()


def test_every_noun_that_is_written_down_has_words() -> None:
    nouns = {action.rpartition(".")[0] for action in _written("action") if "." in action}
    assert len(nouns) > 5
    assert (nouns | {watch.kind for watch in WATCHED.values()}) - set(NOUNS) == set()


def test_an_action_is_read_in_the_reader_s_language() -> None:
    assert named("degradation.approved") == "degradation · approved"
    with translation.override("zh-hans"):
        assert named("degradation.approved") == "降级申请 · 已批准"
        assert named("logout") == "登录 · 退出"
        assert [one for one in (*NOUNS.values(), *VERBS.values()) if str(one).isascii()] == []


def test_what_nobody_has_a_word_for_stays() -> None:
    assert named("moon.landed") == "moon · landed"
