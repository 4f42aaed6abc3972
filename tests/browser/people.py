"""People of the company, each at a browser of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Page

#: Who is who: the role of each. Names are what the audit writes down.
ROLES: Final[Mapping[str, str]] = {
    "wang": "Operator",
    "li": "Approver",
    "zhao": "Approver",
    "chen": "Administrator",
}
PASSWORD: Final = "a-long-pass-phrase-7"
#: Makes them on a stack: `manage.py shell -c …`.
HIRING: Final = f"""
from django.contrib.auth.models import Group, User
for name, role in {dict(ROLES)!r}.items():
    user = User.objects.create_user(name, password={PASSWORD!r}, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
"""
PHONE: Final[Mapping[str, Any]] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


class Person:
    """Somebody with a browser. ``complaints``: what the browser wrote to its console about our pages."""

    def __init__(self, browser: Browser, url: str, *, name: str = "", state: Any = None, **device: Any) -> None:
        self.name = name
        self.url = url
        self.complaints: list[str] = []
        self.context = browser.new_context(base_url=url, storage_state=state, **device)
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("console", self._note)

    def sign_in(self, password: str = PASSWORD) -> Person:
        """Comes in by the front door."""
        self.page.goto("/admin/login/")
        self.page.locator("[name=username]").fill(self.name)
        self.page.locator("[name=password]").fill(password)
        self.page.locator("button[type=submit]", has_text="Log in").click()
        self.page.wait_for_url("**/admin/")
        return self

    def open(self, path: str) -> Page:
        """Goes to a page of the portal."""
        self.page.goto(f"/admin/{path}")
        return self.page

    def speak(self, language: str) -> None:
        """Chooses a language in the menu under their name."""
        menu = self.page.locator("[x-data*=openUserLinks]")
        menu.get_by_text(self.name, exact=True).click()
        menu.locator(f"form:has([name=language][value={language}]) button").click()
        self.page.wait_for_function("wanted => document.documentElement.lang === wanted", arg=language)

    def forge(self, path: str, **fields: str) -> str:
        """Posts a form that no page offered, with this person's own session and token; gives the page that follows."""
        token = self.page.locator("[name=csrfmiddlewaretoken]").first.get_attribute("value") or ""
        answer = self.page.request.post(
            f"{self.url}/admin/{path}", form={"csrfmiddlewaretoken": token, **fields}, max_redirects=5
        )
        return answer.text()

    def leave(self) -> None:
        """Closes the browser's window."""
        self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{self.page.url}: {message.text}")
