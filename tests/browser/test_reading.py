"""Reading the portal: in both languages, on a phone, and without anything for the browser to complain of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, expect

from tests.browser.chromium import BROWSER_TESTS
from tests.browser.people import PHONE, Person
from tests.journeys.client import Company

pytestmark = BROWSER_TESTS
#: What people open most: the board, what is asked for, the desk, what is looked up.
PAGES = (
    "",
    "admin_portal/degradationrequest/",
    "admin_portal/degradationrequest/add/",
    "admin_portal/plan/",
    "admin_portal/plan/add/",
    "admin_portal/planrun/",
    "admin_portal/drill/",
    "admin_portal/drill/add/",
    "admin_portal/drillrun/",
    "notify/deadletter/groups/",
    "notify/deadletter/",
    "notify/notification/",
    "channels/provider/",
    "admin_portal/auditentry/",
)
#: How many pixels of a page lie beyond its window's edge.
_TOO_WIDE_BY = "() => document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture
def chen(browser: Browser, company: Company) -> Iterator[Person]:
    """Sees everything, from a browser of his own that nobody else's language or width is set in."""
    person = Person(browser, company.live.url, name="chen").sign_in()
    yield person
    person.leave()


def test_every_page_is_read_in_the_language_that_was_chosen(chen: Person) -> None:
    page = chen.open("")
    chen.speak("zh-hans")
    with translation.override("zh-hans"):
        expect(page.get_by_role("link", name=gettext("Live board"))).to_be_visible()
    for path in PAGES:
        chen.open(path)
        assert re.search("[\u4e00-\u9fff]", page.title()), f"{path} has the title {page.title()!r}"
    chen.speak("en")
    expect(page.get_by_role("link", name="Live board")).to_be_visible()


def test_the_pages_keep_the_browser_s_rules(chen: Person) -> None:
    for path in PAGES:
        chen.open(path)
    assert chen.complaints == []


def test_no_page_is_wider_than_a_phone(browser: Browser, company: Company) -> None:
    phone = Person(browser, company.live.url, name="chen", **PHONE).sign_in()
    wide = {path: phone.open(path).evaluate(_TOO_WIDE_BY) for path in PAGES}
    phone.leave()
    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}


def test_on_a_phone_a_request_is_asked_for_from_the_board_s_menu(browser: Browser, company: Company) -> None:
    phone = Person(browser, company.live.url, name="wang", **PHONE).sign_in()
    page = phone.page
    page.locator("[x-on\\:click*=sidebarMobileOpen]:visible").first.click()
    page.get_by_role("link", name="Degradations").click()
    page.get_by_title("Add degradation request").click()
    expect(page.get_by_role("button", name="Show what it would do")).to_be_visible()
    phone.leave()
