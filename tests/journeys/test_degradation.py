"""Channels that heal themselves, on a live stack: a provider dies, traffic leaves it, and comes back by itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import WaitFor
from tests.journeys.client import Company, Load
from tests.stack.live import LiveStack

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(180)]
POLICY = {
    "window_s": 20,
    "min_samples": 10,
    "probe": {"interval_s": 1, "successes": 2},
    "ramp": {"steps": [30, 100], "hold_s": 2},
}


class Gateways:
    """Two SMS gateways on one port, ``/a`` and ``/b``; each may be well or dead."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.asked: list[tuple[float, str, str, bool]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken = self.path not in outer.dead
                outer.asked.append((time.monotonic(), self.path, body["id"], taken))
                answer = b'{"code": 0}'
                self.send_response(200 if taken else 503)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends both."""
        self._server.shutdown()
        self._server.server_close()

    def provider(self, path: str, name: str, weight: int) -> dict[str, Any]:
        """Its configuration."""
        return {
            "name": name,
            "channel": "sms",
            "adapter": "http_sms",
            "weight": weight,
            "timeout_s": 2,
            "config": {
                "url": f"http://127.0.0.1:{self._server.server_port}{path}",
                "body": '{"id": {{ id | json }}, "to": {{ to | json }}}',
                "success": {"path": "code", "equals": 0},
            },
        }

    def share(self, path: str, *, since: float) -> float:
        """What part of the requests since a moment went there."""
        paths = [where for at, where, _id, _taken in list(self.asked) if at >= since]
        return paths.count(path) / len(paths) if paths else 0.0

    def taken(self) -> list[str]:
        """Every message that was taken, as often as it was."""
        return [identifier for _at, _path, identifier, taken in list(self.asked) if taken]


@pytest.fixture
def gateways() -> Iterator[Gateways]:
    made = Gateways()
    yield made
    made.close()


@pytest.fixture
def company(live_stack: LiveStack, gateways: Gateways) -> Iterator[Company]:
    name = f"d{uuid4().hex[:8]}"
    names = [f"sms-a-{name}", f"sms-b-{name}"]
    made = Company(
        live_stack,
        name,
        configuration={
            "channels": [{"name": "sms", "fallback": ["inapp"], "step_deadline_s": 20}],
            "providers": [gateways.provider("/a", names[0], 70), gateways.provider("/b", names[1], 30)],
            "policies": [{"target": "channel:sms", **POLICY}],
        },
    )
    yield made
    code = f"from channels.models import Policy, Provider; Provider.objects.filter(name__in={names}).delete()"
    live_stack.manage("shell", "-c", f"{code}; Policy.objects.filter(target='channel:sms').delete()")


def state(company: Company, name: str) -> str:
    for channel in company.get("channels")["results"]:
        for provider in channel["providers"]:
            if provider["name"] == name:
                return str(provider["state"])
    return ""


def test_traffic_leaves_a_dead_provider_in_moments_and_comes_back_by_itself(
    gateways: Gateways, company: Company, wait_for: WaitFor
) -> None:
    a = f"sms-a-{company.name}"
    body = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}, "ttl_s": 60}
    with Load(company, body) as load:
        wait_for(lambda: len(gateways.asked) > 150, timeout=40)
        assert gateways.share("/a", since=0) > 0.5
        gateways.dead.add("/a")
        wait_for(lambda: state(company, a) == "open", timeout=10)
        opened_at = time.monotonic() + 1.5  # other processes look at the standings once a second
        wait_for(lambda: time.monotonic() > opened_at + 3, timeout=6)
        assert gateways.share("/a", since=opened_at) <= 0.05  # probes
        gateways.dead.clear()
        wait_for(lambda: state(company, a) == "healthy", timeout=40)
        well_at = time.monotonic() + 1.5
        wait_for(lambda: time.monotonic() > well_at + 3, timeout=6)
        assert gateways.share("/a", since=well_at) > 0.5
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=30)
    assert len(gateways.taken()) == len(set(gateways.taken()))
    assert company.reconcile()["unaccounted"] == 0


def test_when_the_whole_channel_is_dead_messages_arrive_by_the_fallback_and_bulk_waits(
    gateways: Gateways, company: Company, wait_for: WaitFor
) -> None:
    inbox = f"inbox-{company.name}"
    company.configure({"providers": [{"name": inbox, "channel": "inapp", "adapter": "inapp", "config": {}}]})
    to = {"phone": "+8613800001234", "user_id": "u1"}
    gateways.dead |= {"/a", "/b"}
    first = [
        company.send(to=to, channels=["sms", "inapp"], route="first", content={"text": "Hi"}, ttl_s=120)
        for _ in range(60)
    ]
    bulk = [company.send(to=to, channels=["sms"], content={"text": "Hi"}, priority="bulk") for _ in range(30)]
    wait_for(lambda: all(company.status(one) == "delivered" for one in first), timeout=60)
    gateways.dead.clear()
    wait_for(lambda: all(company.status(one) == "sent" for one in bulk), timeout=90)
    ids = {one["deliveries"][0]["id"] for one in bulk}
    assert sorted(one for one in gateways.taken() if one in ids) == sorted(ids)
    assert not set(gateways.taken()) & {one["deliveries"][0]["id"] for one in first}
    assert company.reconcile()["unaccounted"] == 0
