"""A person at the portal without a browser: signed in by the same form, pressing the same buttons, many times."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

import urllib3

_REQUESTS: Final = "admin_portal/degradationrequest/"


class Visitor:
    """Somebody of a live stack."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self._base = f"{url}/admin/"
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30))
        self._cookies: dict[str, str] = {}
        self._token = self._token_of(self._call("GET", "login/").data.decode())
        answer = self.post("login/", username=name, password=password, next="/admin/")
        assert answer.status == 302, answer.data.decode()[-2000:]
        self._token = self._token_of(self._call("GET", f"{_REQUESTS}add/").data.decode())

    def ask(self, kind: str, target: str, **fields: str) -> int:
        """Sends a request for approval; gives its number."""
        form = {"token": str(uuid4()), "kind": kind, "target": target, "severity": "medium", "lasts": "15"}
        answer = self.post(f"{_REQUESTS}add/", **form, step="send", **fields)
        found = re.search(r"/(\d+)/change/", answer.headers.get("Location", ""))
        assert found, answer.data.decode()[-4000:]
        return int(found[1])

    def approve(self, number: int) -> None:
        """Says yes to the first version of a request."""
        answer = self.post(f"{_REQUESTS}{number}/do/approve/", version="1")
        assert answer.status == 302, answer.data.decode()[-2000:]

    def post(self, path: str, **fields: str) -> urllib3.BaseHTTPResponse:
        """Sends a form."""
        return self._call("POST", path, {"csrfmiddlewaretoken": self._token, **fields})

    def _call(self, method: str, path: str, form: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        answer = self._http.request(
            method,
            self._base + path,
            body=urlencode(form) if form else None,
            headers={
                "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            redirect=False,
        )
        for line in answer.headers.getlist("Set-Cookie"):
            self._cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return answer

    @staticmethod
    def _token_of(page: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert found, page[-2000:]
        return found[1]
