"""Plans in the browser, on a live stack: written, approved by another, watched step by step, and aborted."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chromium import BROWSER_TESTS
from tests.browser.conftest import A, B, Meet
from tests.browser.pages import PLANS, ask_for_run
from tests.browser.people import Person
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import rows

pytestmark = BROWSER_TESTS
STEPS = f"""
- do: shed_bulk
  target: channel:sms
- wait: 1s
- do: set_weights
  target: channel:sms
  with: {{weights: {{{A}: 20, {B}: 80}}}}
- ask: Is the provider well again?
- undo: 3
"""


def pins(company: Company) -> list[str]:
    found = rows(company.live, "SELECT action FROM channels_pin WHERE ended_at IS NULL AND ends_at > now() ORDER BY 1")
    return [str(action) for (action,) in found]


def test_a_plan_is_run_as_another_approved_it_and_an_abort_reverts_it(
    company: Company, meet: Meet, wang: Person, li: Person, wait_for: WaitFor
) -> None:
    page = meet("chen").open(f"{PLANS}add/")
    for name, words in {"name": "slow-sms", "title": "The large SMS provider is slow", "owner": "li"}.items():
        page.locator(f"#plan-form [name={name}]").fill(words)
    page.locator("#plan-form [name=steps]").fill(STEPS)
    page.locator("#plan-form [name=runbook]").fill("Call **their desk** first.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("strong").filter(has_text="their desk")).to_be_visible()

    page = wang.open(PLANS)
    page.get_by_role("link", name=re.compile("slow-sms|The large SMS provider is slow")).first.click()
    page.get_by_role("link", name="Run this plan").click()
    ask_for_run(page, reason="every third message fails")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    path = page.url.split("/admin/")[1]

    li.open(path).locator("#run-buttons").get_by_role("button", name="Approve").click()

    # Wang's page goes on by itself, up to the step that asks.
    expect(page.locator("#pause-reason")).to_contain_text("Is the provider well again?", timeout=20_000)
    expect(page.locator("#run-steps > li[data-step='4']")).to_have_attribute("aria-current", "step")
    assert pins(company) == ["set_weights", "shed_bulk"]

    wang.open(path).locator("#reason-abort").fill("their desk says it is over")
    page.get_by_role("button", name="Abort").click()
    expect(page.locator("#standing")).to_contain_text("aborted and reverted", timeout=20_000)
    assert pins(company) == []
