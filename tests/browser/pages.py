"""Pages of the portal, by what somebody does on them."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

from tests.browser.people import Person

REQUESTS: Final = "admin_portal/degradationrequest/"
PLANS: Final = "admin_portal/plan/"
RUNS: Final = "admin_portal/planrun/"
DRILLS: Final = "admin_portal/drill/"
DRILL_RUNS: Final = "admin_portal/drillrun/"


def fill_in(form: Locator, **fields: str) -> None:
    """Chooses or writes what each field of a form is to hold, by their names."""
    for name, value in fields.items():
        field = form.locator(f"[name={name}]")
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def ask_for(person: Person, kind: str, target: str, *, reason: str, severity: str = "medium", **fields: str) -> Page:
    """Fills in the form of a degradation and goes on to what it would do. ``fields``: the others, by their names."""
    page = person.open(f"{REQUESTS}add/")
    form = page.locator("#steering-form")
    fill_in(form, kind=kind, target=target, severity=severity, reason=reason, **{"lasts": "15", **fields})
    page.get_by_role("button", name="Show what it would do").click()
    expect(page.get_by_text("Step 2 of 2")).to_be_visible()
    return page


def send_for_approval(page: Page) -> int:
    """Presses the button under the predicted effect; gives the number of the request."""
    page.get_by_role("button", name="Send for approval").click()
    return number_of(page)


def number_of(page: Page) -> int:
    """The number of the request that is shown."""
    return _number(page, REQUESTS)


def _number(page: Page, kind: str) -> int:
    page.wait_for_url(re.compile(rf"/{kind}\d+/change/"))
    return int(page.url.rstrip("/").split("/")[-2])


def open_request(person: Person, number: int) -> Page:
    """The page of a request."""
    return person.open(f"{REQUESTS}{number}/change/")


def press(page: Page, button: str, *, reason: str = "") -> None:
    """Presses a button of a request, with its reason where it wants one, and waits for what is said of it."""
    verb = page.locator("form.steering-verb", has=page.get_by_role("button", name=button, exact=True))
    if reason:
        verb.locator("[name=reason]").fill(reason)
    with page.expect_navigation():
        verb.get_by_role("button", name=button, exact=True).click()


def expect_state(page: Page, state: str) -> None:
    """Waits until the request's page shows this state, which it does by itself."""
    expect(page.locator("#standing h2 .portal-side")).to_contain_text(state)


def ask_for_run(page: Page, *, reason: str, lasts: str = "15") -> int:
    """Asks for a run on the page that a plan's button leads to; leaves its page open, and gives its number."""
    page.locator("#run-form [name=reason]").fill(reason)
    page.locator("#run-form [name=lasts]").select_option(lasts)
    page.get_by_role("button", name="Ask for this run").click()
    return _number(page, RUNS)


def save_drill(page: Page, **fields: str) -> None:
    """Fills in the form of a drill and saves it; its page follows."""
    button = page.get_by_role("button", name="Save", exact=True)
    fill_in(page.locator("form", has=button), **fields)
    button.click()
    page.wait_for_url(re.compile(rf"/{DRILLS}\d+/change/"))
