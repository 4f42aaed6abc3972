"""The browser: a Chromium that the system has. Playwright brings none along, and nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: What every file of browser tests is marked with: one worker has them all, with one browser and one stack.
BROWSER_TESTS: Final = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need a Chromium (Debian: apt-get install chromium)"),
]


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=Path(str(CHROMIUM)),
            # The tests may be root's, in a container with a small /dev/shm; nothing else than our own pages is opened.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        try:
            yield browser
        finally:
            browser.close()
