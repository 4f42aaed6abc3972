"""Degrading by hand, in the browser, on a live stack: who asks, who says yes, and what the messages do."""

from __future__ import annotations

import time

from playwright.sync_api import expect

from tests.browser.chromium import BROWSER_TESTS
from tests.browser.conftest import A
from tests.browser.pages import (
    REQUESTS,
    ask_for,
    expect_state,
    number_of,
    open_request,
    press,
    send_for_approval,
)
from tests.browser.people import Person
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import leave_only
from tests.journeys.gateways import Gateways, SteadyLoad, wait_seconds

pytestmark = BROWSER_TESTS
PER_SECOND = 30
SMS = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}, "ttl_s": 60}
GENTLY = {"reason": "the campaign is too quick", "on_channel": "sms", "rate_per_s": "50"}


def is_quiet(gateways: Gateways, since: float) -> bool:
    """Whether nothing has come to the first gateway for a second, of the twenty that would; not before ``since``."""
    arrivals = [one.at for one in list(gateways.asked) if one.path == "/a"]
    return time.time() - max([since, *arrivals]) > 1


def test_what_another_approved_moves_the_traffic_and_its_end_gives_it_back(
    company: Company, gateways: Gateways, wang: Person, li: Person, wait_for: WaitFor
) -> None:
    with SteadyLoad(company, SMS, PER_SECOND, connections=4) as load:
        wait_for(lambda: len(gateways.asked) > PER_SECOND, timeout=30)
        before = gateways.share("/a", since=0)
        page = ask_for(wang, "disable_provider", f"provider:{A}", reason="sms-a loses every third message")
        expect(page.get_by_role("cell", name="sms-b")).to_be_visible()
        number = send_for_approval(page)
        expect_state(page, "waiting for approval")

        press(open_request(li, number), "Approve")
        approved_at = time.time()
        expect_state(li.page, "in force")
        expect_state(page, "in force")  # wang's, by itself
        expect(page.get_by_role("button", name="End it now")).to_be_visible()
        expect(li.open("").locator("#board-degradations")).to_contain_text("sms-a loses every third message")
        wait_for(lambda: is_quiet(gateways, approved_at), timeout=20, message="nothing comes to sms-a any more")
        moved = time.time()
        ends_at = leave_only(company.live, number, seconds=3)
        wait_seconds(wait_for, ends_at - time.time())
        under = gateways.share("/a", since=moved, until=ends_at)

        expect_state(page, "ended")
        expect(page.get_by_text("its time was over", exact=False).first).to_be_visible()
        wait_for(lambda: gateways.share("/a", since=ends_at) > 0.2, timeout=20, message="sms-a has its share again")
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=20, message="nothing is lost")
    assert before > 0.5
    assert under == 0
    assert len(gateways.taken()) == len(set(gateways.taken()))


def test_nobody_approves_their_own_request_nor_does_a_form_that_they_forge(li: Person, zhao: Person) -> None:
    page = ask_for(li, "throttle", "priority:bulk", **GENTLY)
    number = send_for_approval(page)
    expect(page.get_by_text("You asked for it yourself: others have to approve it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)

    said = li.forge(f"{REQUESTS}{number}/do/approve/", version="1")

    assert "Nobody approves a request of their own." in said
    expect_state(open_request(zhao, number), "waiting for approval")
    press(open_request(li, number), "Withdraw")


def test_an_approval_of_what_was_withdrawn_meanwhile_is_refused_in_words(wang: Person, li: Person) -> None:
    number = send_for_approval(ask_for(wang, "throttle", "priority:bulk", **GENTLY))
    page = open_request(li, number)
    page.route("**/standing/**", lambda route: route.abort())  # it has not heard of it when the button is pressed
    press(wang.page, "Withdraw")

    press(page, "Approve")

    expect(li.page.get_by_text("It has been withdrawn.")).to_be_visible()
    expect_state(li.page, "withdrawn")


def test_who_breaks_the_glass_is_reviewed_by_another_and_reverted_where_it_was_not_right(
    li: Person, zhao: Person
) -> None:
    page = ask_for(li, "disable_provider", f"provider:{A}", reason="codes do not arrive")
    page.get_by_text("It can't wait: break the glass").click()
    page.locator("[name=break_reason]").fill("customers get no codes, nobody answers the phone")
    page.get_by_role("button", name="Apply now, without approval").click()
    number = number_of(page)
    expect_state(page, "in force")
    expect(page.get_by_role("button", name="It was right")).to_have_count(0)

    board = zhao.open("")
    board.get_by_role("link", name="Break-glass to review").click()
    board.get_by_role("link", name=f"#{number}", exact=True).click()
    press(board, "It was not right", reason="sms-b was down as well")

    expect_state(board, "ended")
    expect(board.locator("#standing")).to_contain_text("sms-b was down as well")
