"""Runbooks: Markdown as people write it, as HTML that holds nothing of theirs but text."""

from __future__ import annotations

from typing import Final

from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

#: Raw HTML stays text, and links with a scheme that runs scripts are none (the library's own rule). No pictures: they
#: would be fetched from somewhere by whoever looks.
_READER: Final = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def render(source: str) -> SafeString:
    """The runbook as HTML."""
    return SafeString(_READER.render(source))
