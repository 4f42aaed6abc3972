"""One company on one live stack, and one browser, for all of this folder.

They end with its last test: while Playwright runs, Django takes its thread for one of asyncio's and refuses the
database to every other test of the same process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium, people
from tests.browser.people import Person
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.gateways import Gateways
from tests.stack.live import LiveStack

A, B = "sms-a", "sms-b"
#: What steers, and what one channel and the calls to approvers need: less than the whole, for the sake of time.
_PROCESSES = "web,lifeboat,sms,inapp,control,beat"
#: Nobody is judged here, so that only people move traffic; what comes back does so in two quick steps.
_POLICY = {"target": "channel:sms", "min_samples": 1_000_000, "ramp": {"steps": [50, 100], "hold_s": 1}}

Meet = Callable[..., Person]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def gateways() -> Iterator[Gateways]:
    """Where messages end: ``/a`` and ``/b``."""
    made = Gateways(latency_s=0.02)
    yield made
    made.close()


@pytest.fixture(scope="package")
def company(gateways: Gateways, wait_for: WaitFor) -> Iterator[Company]:
    """A live stack with two SMS gateways, and people in every role."""
    with LiveStack(only=_PROCESSES) as live:
        live.start()
        live.wait_until_ready()
        company = Company(
            live,
            "shop",
            configuration={
                "channels": [{"name": "sms"}, {"name": "inapp"}],
                "providers": [
                    gateways.provider("/a", A, 70),
                    gateways.provider("/b", B, 30),
                    {"name": "inbox", "channel": "inapp", "adapter": "inapp"},
                ],
                "policies": [_POLICY],
            },
        )
        hired = live.manage("shell", "-v", "0", "-c", people.HIRING)
        assert hired.returncode == 0, hired.stderr
        first = company.send(to={"phone": "+8613800001234"}, channels=["sms"], content={"text": "Hi"})
        wait_for(lambda: company.status(first) == "sent", timeout=60, message="the workers are there")
        yield company


@pytest.fixture(scope="package")
def meet(browser: Browser, company: Company) -> Iterator[Meet]:
    """Somebody by name, signed in; the same person, at the same browser, whenever asked."""
    met: dict[str, Person] = {}

    def meet(name: str) -> Person:
        if name not in met:
            met[name] = Person(browser, company.live.url, name=name).sign_in()
        return met[name]

    yield meet
    for person in met.values():
        person.leave()


@pytest.fixture(autouse=True)
def _see_what_they_saw(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints, beside a test that failed, what its people had before them."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        for person in request.node.funcargs.values():
            if isinstance(person, Person) and not person.page.is_closed():
                print(f"\n{person.name} at {person.page.url}:\n{person.page.locator('#main, body').last.inner_text()}")


@pytest.fixture(scope="package")
def wang(meet: Meet) -> Person:
    """Asks."""
    return meet("wang")


@pytest.fixture(scope="package")
def li(meet: Meet) -> Person:
    """May say yes."""
    return meet("li")


@pytest.fixture(scope="package")
def zhao(meet: Meet) -> Person:
    """May say yes as well."""
    return meet("zhao")
