"""The desk in the browser: a dead letter is sent again."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chromium import BROWSER_TESTS
from tests.browser.people import Person
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.gateways import Gateways

pytestmark = BROWSER_TESTS


def test_a_group_of_dead_letters_is_replayed_by_a_job_and_arrives(
    company: Company, gateways: Gateways, wang: Person, wait_for: WaitFor
) -> None:
    gateways.error_rates.update({"/a": 1.0, "/b": 1.0})
    sms = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}, "ttl_s": 1}
    dead = [company.send(**sms) for _ in range(3)]
    wait_for(lambda: all(company.status(one) == "dead" for one in dead), timeout=20)
    gateways.error_rates.clear()

    page = wang.open("notify/deadletter/groups/")
    expect(page.get_by_text("3 open dead letters")).to_be_visible()
    for _ in range(page.locator(".portal-group").count()):  # each provider that was the last to be tried has its own
        wang.open("notify/deadletter/groups/").get_by_role("button", name=re.compile("Replay")).first.click()
        expect(page.get_by_text("Send these dead letters again?").first).to_be_visible()
        page.get_by_role("button", name="Replay", exact=True).click()
        expect(page.locator("#job-progress")).to_contain_text("100 %")

    wait_for(lambda: all(company.status(one) == "sent" for one in dead), timeout=20)
    deliveries = {one["deliveries"][0]["id"] for one in dead}
    assert deliveries <= set(gateways.taken())
    expect(wang.open("notify/deadletter/groups/").get_by_text("There is no open dead letter.")).to_be_visible()
