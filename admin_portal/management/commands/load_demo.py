"""``manage.py load_demo``: the demo's company, people and keys. Prints one JSON object on stdout."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from admin_portal import demo
from admin_portal.drills import starters as drills
from admin_portal.plans import starters as plans
from channels.errors import ConfigurationError
from notify import configuration

logger = logging.getLogger(__name__)

FILE: Final = Path(settings.BASE_DIR) / "deploy" / "demo.yaml"
VARIABLES: Final = ("SANDBOX_URL", "SANDBOX_SMTP_PORT")
#: The first message of somebody who has just started the stack.
FIRST_MESSAGE: Final[dict[str, Any]] = {
    "to": {"email": "you@example.com"},
    "channels": ["email"],
    "template": "otp",
    "locale": "zh-CN",
    "params": {"code": "482913"},
    "priority": "critical",
}


class Command(BaseCommand):
    help = "Loads the demo: deploy/demo.yaml, logins and API keys. Run again, it changes nothing and prints the same."

    def handle(self, *args: Any, **options: Any) -> None:
        keepsake = demo.Keepsake.read(settings.DATA_DIR)
        text = FILE.read_text(encoding="utf-8")
        with transaction.atomic():
            self._apply(text, keepsake)
            logins = demo.make_logins(keepsake)
            keys = demo.make_keys(keepsake)
            admin, now = User.objects.get(username="admin"), timezone.now()
            plans.load(author=admin, now=now)
            drills.load(author=admin, now=now)
            # Before the commit: a key that nobody kept can never be found out again.
            keepsake.write(settings.DATA_DIR)
        answer = {
            "api_key": keys[demo.FIRST_APPLICATION],
            "logins": [asdict(login) for login in logins],
            "curl": FIRST_MESSAGE,
        }
        self.stdout.write(json.dumps(answer, ensure_ascii=False))

    def _apply(self, text: str, keepsake: demo.Keepsake) -> None:
        """Applies the file, unless this very file was applied before to this very sandbox: what people changed since
        then in the admin is theirs."""
        environ = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        environ.setdefault("SANDBOX_URL", settings.SANDBOX_URL)
        mark = hashlib.sha256(json.dumps([text, environ], sort_keys=True).encode()).hexdigest()
        if keepsake.applied == mark and demo.is_loaded():
            return
        try:
            changes = configuration.apply(configuration.load(text, environ=environ), now=timezone.now())
        except ConfigurationError as error:
            faults = "\n".join(f"  {path}: {detail}" for path, detail in error.errors)
            raise CommandError(f"{FILE.name} was not applied:\n{faults}") from None
        for change in changes:
            logger.info("demo: %s", change)
        keepsake.applied = mark
