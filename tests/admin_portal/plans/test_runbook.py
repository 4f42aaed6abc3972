"""Runbooks: what people write is shown, and never run."""

from __future__ import annotations

import pytest

from admin_portal.plans import runbook


def test_markdown_becomes_html() -> None:
    assert "<h2>Call</h2>" in runbook.render("## Call\n\n- the *provider*")


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)>",
        "[here](javascript:alert(1))",
        "![x](https://example.com/seen.png)",
        "[here](data:text/html;base64,PHNjcmlwdD4=)",
        "<javascript:alert(1)>",
    ],
)
def test_nothing_that_people_write_is_run_or_fetched(source: str) -> None:
    shown = runbook.render(source)
    assert "<script" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown
    assert 'href="data' not in shown
