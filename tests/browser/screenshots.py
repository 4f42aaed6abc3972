"""``make screenshots``: the pictures of the README, taken from the demo, in both languages, in the dark and on a phone.

Starts the demo, lets it work for a while, does what people do (a degradation, a plan, a drill), and photographs the
pages. In a ``--data-dir`` that stays, what was done there is not done again, and the curves go back as far.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg2
from PIL import Image
from playwright.sync_api import Browser

from tests.browser import chromium, pages
from tests.browser.people import PHONE, Person
from tests.stack.live import REPOSITORY, LiveStack

FOLDER: Final = REPOSITORY / "docs" / "pictures"
_COLOURS: Final = 128
_TALLEST: Final = 1300
_DESK: Final[Mapping[str, Any]] = {"viewport": {"width": 1280, "height": 900}, "device_scale_factor": 1.5}
#: How people look at it: the folder of the pictures, with the language and the browser.
LOOKS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "en": ("en", _DESK),
    "zh": ("zh-hans", _DESK),
    "dark": ("en", {**_DESK, "color_scheme": "dark"}),
    "phone": ("en", {**PHONE, "device_scale_factor": 2}),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A page worth a picture: what it is called, and whose page it is."""

    name: str
    whose: str
    path: str


class Demo:
    """The demo's company, on a live stack, with its people at their browsers."""

    def __init__(self, live: LiveStack, browser: Browser) -> None:
        self._live = live
        self._browser = browser
        self._met: dict[str, Person] = {}
        self._passwords = json.loads((live.data_dir / "demo.json").read_text())["passwords"]

    def meet(self, name: str) -> Person:
        """Somebody, signed in."""
        if name not in self._met:
            person = Person(self._browser, self._live.url, name=name)
            self._met[name] = person.sign_in(self._passwords[name])
        return self._met[name]

    def look(self, name: str, look: str) -> Person:
        """The same person, looking at it in another way."""
        language, device = LOOKS[look]
        state = self.meet(name).context.storage_state()
        person = Person(self._browser, self._live.url, name=name, state=state, **device)
        cookie = {"name": "django_language", "value": language, "url": self._live.url}
        person.context.add_cookies([cookie])  # type: ignore[list-item]
        return person

    def query(self, sql: str) -> Any:
        """The first value that the database answers with."""
        connection = psycopg2.connect(self._live.addresses()["database_url"])
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                found = cursor.fetchone()
                return found and found[0]
        finally:
            connection.close()


def degraded(demo: Demo) -> list[Scene]:
    """One degradation is in force, and one waits for its second approver."""
    asked = "SELECT id FROM admin_portal_degradationrequest WHERE state = '%s' AND target = '%s'"
    if demo.query(asked % ("active", "channel:sms")) is None:
        page = pages.ask_for(
            demo.meet("operator"), "set_weights", "channel:sms", weights="sms-a 20, sms-b 80", lasts="120",
            reason="sms-a is slow since 09:40, their desk knows of it. Most goes over sms-b until they are well again.",
        )  # fmt: skip
        pages.press(pages.open_request(demo.meet("approver"), pages.send_for_approval(page)), "Approve")
    number = demo.query(asked % ("pending", "channel:push"))
    if number is None:
        page = pages.ask_for(
            demo.meet("operator"), "switch_channel", "channel:push", to="inapp", lasts="120", severity="high",
            reason="Half of the phones get no push since the update. People shall find it in their inbox meanwhile.",
        )  # fmt: skip
        number = pages.send_for_approval(page)
        pages.press(pages.open_request(demo.meet("approver2"), number), "Approve")
    return [Scene("request", "approver", f"{pages.REQUESTS}{number}/change/")]


def planned(demo: Demo) -> list[Scene]:
    """A plan that has come to the question it asks."""
    plan = demo.query("SELECT id FROM admin_portal_plan WHERE name = 'slow-mail'")
    number = demo.query(f"SELECT id FROM admin_portal_planrun WHERE plan_id = {plan} AND state = 'active'")
    if number is None:
        page = demo.meet("operator").open(f"{pages.PLANS}{plan}/change/")
        page.get_by_role("link", name="Run this plan").click()
        number = pages.ask_for_run(page, reason="mail-east refuses every third message since 09:40", lasts="120")
        page = demo.meet("approver").open(f"{pages.RUNS}{number}/change/")
        page.locator("#run-buttons").get_by_role("button", name="Approve", exact=True).click()
        page.locator("#pause-reason").wait_for()
    run, page_of_plan = f"{pages.RUNS}{number}/change/", f"{pages.PLANS}{plan}/change/"
    return [Scene("plan_run", "operator", run), Scene("plan", "operator", page_of_plan)]


def drilled(demo: Demo) -> list[Scene]:
    """A drill of the demo that was played to its end, with its report."""
    drill = demo.query("SELECT id FROM admin_portal_drill WHERE name = 'push-north-comes-back'")
    over = f"SELECT id FROM admin_portal_drillrun WHERE drill_id = {drill} AND NOT is_live ORDER BY asked_at DESC"
    if demo.query(over) is None:
        page = demo.meet("operator").open(f"{pages.DRILLS}{drill}/change/")
        page.get_by_role("button", name="Start the drill").click()
        page.wait_for_url("**/drillrun/**")
        page.locator("#follow-ups-text").wait_for(timeout=300_000)
    return [Scene("drill_report", "operator", f"{pages.DRILL_RUNS}{demo.query(over)}/change/")]


def story(demo: Demo) -> list[Scene]:
    """The message that went the longest way of all that arrived."""
    longest = demo.query(
        "SELECT d.notification_id FROM notify_delivery d JOIN notify_attempt a ON a.delivery_id = d.id"
        " WHERE d.batch_id IS NULL GROUP BY 1 HAVING bool_or(d.status IN ('sent', 'delivered'))"
        " ORDER BY count(DISTINCT d.id) DESC, count(*) DESC LIMIT 1"
    )
    return [Scene("timeline", "operator", f"notify/notification/{longest}/change/")]


def desk(demo: Demo) -> list[Scene]:
    """What could not be delivered."""
    return [Scene("dead_letters", "operator", "notify/deadletter/groups/")]


def board(demo: Demo) -> list[Scene]:
    """All of it at a glance, as the approver has it who is waited for."""
    return [Scene("board", "approver", "")]


#: By name, in their order: what is done for some pictures.
ACTS: Final[Mapping[str, Callable[[Demo], list[Scene]]]] = {
    "drill": drilled,
    "request": degraded,
    "plan": planned,
    "timeline": story,
    "desk": desk,
    "board": board,
}


def photograph(person: Person, path: str, file: Path) -> None:
    """The page as it is once everything is there, as tall as it is, in few colours: pictures are for the README."""
    page = person.open(path)
    page.evaluate("() => document.fonts.ready")
    page.wait_for_load_state("networkidle")
    width = page.viewport_size["width"] if page.viewport_size else 0
    height = page.evaluate("() => Math.max(document.documentElement.scrollHeight, document.body.scrollHeight)")
    page.set_viewport_size({"width": width, "height": min(height, _TALLEST)})
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(REPOSITORY)}: {file.stat().st_size // 1000} kB", flush=True)


def work_for(minutes: float, live: LiveStack) -> None:
    """Lets the demo's applications work; its curves are made of minutes."""
    until = time.monotonic() + minutes * 60
    while time.monotonic() < until:
        if live.process.poll() is not None:
            raise SystemExit(f"the demo has stopped: see {live.output}")
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the demo works first (%(default)s)")
    parser.add_argument("--data-dir", type=Path, help="a folder for the demo's data, which stay there; else they go")
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(ACTS), help=f"of {', '.join(ACTS)}")
    arguments = parser.parse_args()
    if chromium.CHROMIUM is None:
        sys.stderr.write("make screenshots needs a Chromium (Debian: apt-get install chromium)\n")
        return 1
    with LiveStack(demo=True, data_dir=arguments.data_dir) as live:
        live.data_dir.mkdir(parents=True, exist_ok=True)
        live.start()
        live.wait_until_ready()
        work_for(arguments.minutes, live)
        with chromium.launched() as browser:
            demo = Demo(live, browser)
            scenes = [scene for name in arguments.only for scene in ACTS[name](demo)]
            for look in LOOKS:
                for scene in scenes:
                    person = demo.look(scene.whose, look)
                    photograph(person, scene.path, FOLDER / look / f"{scene.name}.png")
                    person.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
