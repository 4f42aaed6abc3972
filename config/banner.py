"""What `make run` prints when the stack can accept: where to look, and a first call to paste."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def render(*, web_url: str, flower_url: str, flower_login: str, data_dir: str, demo: Mapping[str, Any] | None) -> str:
    """The banner. ``demo`` is what ``load_demo`` printed: ``api_key``, ``logins`` and ``curl`` (the body to send)."""
    flower_user, _, flower_password = flower_login.partition(":")
    logins = demo["logins"] if demo else ()
    rows = [
        ("API docs", f"{web_url}/api/docs/"),
        ("Admin", f"{web_url}/admin/"),
        *((f"  as {login['role']}", f"{login['username']} / {login['password']}") for login in logins),
        ("Flower", flower_url),
        ("  login", f"{flower_user} / {flower_password}"),
        ("Logs", f"{data_dir}/logs/"),
    ]
    lines = ["", "  Goutong 沟通 is ready", "", *(f"  {label:<18} {value}" for label, value in rows), ""]
    if demo:
        lines += ["  A first message:", "", _indent(curl(web_url=web_url, demo=demo)), ""]
    lines += ["  Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def curl(*, web_url: str, demo: Mapping[str, Any]) -> str:
    """A command that works when pasted into a shell."""
    body = demo["curl"] if isinstance(demo["curl"], str) else json.dumps(demo["curl"], ensure_ascii=False)
    return " \\\n  ".join(
        [
            f"curl -sS {web_url}/api/v1/notifications",
            f"-H {shlex.quote('Authorization: Bearer ' + demo['api_key'])}",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(body)}",
        ]
    )


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
