"""Pages in a real browser, where there is one: they need nothing from outside, and their scripts run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack.live import LiveStack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.xdist_group("live_stack"),
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need a Chromium (Debian: apt-get install chromium)"),
]


def rendered(url: str, profile: Path) -> str:
    """The page as the browser has it once its scripts have run."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={profile}",
            "--virtual-time-budget=8000",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.stdout


def test_the_api_s_documentation_is_drawn_with_every_operation(live_stack: LiveStack, tmp_path: Path) -> None:
    page = rendered(f"{live_stack.url}/api/docs/", tmp_path)
    assert "/api/v1/notifications/batch" in page
    assert page.count('class="opblock ') >= 15


def test_the_admin_asks_who_is_there(live_stack: LiveStack, tmp_path: Path) -> None:
    page = rendered(f"{live_stack.url}/admin/", tmp_path)
    assert 'name="password"' in page
    assert "Goutong" in page
