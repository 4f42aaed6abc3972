"""A drill in the browser, on a live stack: written, started, watched, read as a report. Nobody real is written to."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chromium import BROWSER_TESTS
from tests.browser.conftest import A
from tests.browser.pages import DRILLS, save_drill
from tests.browser.people import Person
from tests.journeys.gateways import Gateways

pytestmark = BROWSER_TESTS


def test_a_drill_ends_with_its_report_and_asks_no_real_provider(gateways: Gateways, wang: Person) -> None:
    page = wang.open(f"{DRILLS}add/")
    save_drill(
        page, name="sms-a-fails", title="sms-a fails", owner="li", channel="sms", fault="errors", provider=A,
        rate_per_s="10", warm_s="2", fault_s="6", recover_s="2",
        detect_within_s="", switch_within_s="", recover_within_s="",
    )  # fmt: skip
    asked = len(gateways.asked)
    page.get_by_role("button", name="Start the drill").click()
    page.wait_for_url(re.compile("/drillrun/"))
    expect(page.locator("#drill-standing")).to_be_visible()

    # The page goes on by itself, to the report.
    expect(page.locator("#drill-outcome")).to_have_text(re.compile("passed|failed", re.IGNORECASE), timeout=100_000)
    expect(page.locator("svg.drill-plot")).to_be_visible()
    for figure, words in {"sent": "100", "lost": "0", "duplicated": "0"}.items():
        expect(page.locator(f"[data-figure={figure}]")).to_contain_text(words)
    assert len(gateways.asked) == asked

    page.locator("#follow-ups-text").fill("Ask sms-a for a second line.")
    page.get_by_role("button", name="Save follow-ups").click()
    expect(page.locator("#follow-ups")).to_contain_text("Ask sms-a for a second line.")
