"""The plans that the demo comes with, for the providers of ``deploy/demo.yaml``."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from admin_portal.models import Plan
from admin_portal.plans import editing
from admin_portal.plans.editing import Draft

_EMAIL_RUNBOOK: Final = """\
## When

The large mail provider is slow, and bulk mail piles up in front of one-time codes.

## What it does

1. Holds bulk mail back, so that what is urgent has the line to itself.
2. Waits until the queue is short, two minutes at most.
3. Moves all mail to the smaller provider. **It has four connections**: look at the predicted effect.
4. Asks before anything else happens: call the provider.

## Afterwards

Resume once the provider confirms that it is well; the weights go back first, bulk last.
"""
_SMS_RUNBOOK: Final = """\
## When

No SMS provider gets through: both are open, or an operator has an outage.

## What it does

1. Looks whether voice is well itself.
2. Sends SMS as voice calls until it is ended. **Calls cost ten times as much**: end it as soon as SMS is back.
3. Asks after two minutes if fewer than nine calls of ten get through, or if there were none to judge by.
"""
_RUSH_RUNBOOK: Final = """\
## When

One application sends far more than it announced, and others wait behind it.

## What it does

Slows that application down, looks whether the lane recovers, and holds bulk back if it does not.
"""

#: By name.
STARTERS: Final[dict[str, tuple[str, str, str, str]]] = {
    "slow-mail": (
        "The large mail provider is slow",
        """\
- do: shed_bulk
  target: channel:email
- wait: {until: {metric: depth, target: "channel:email", below: 5000}, at_most: 2m, otherwise: go_on}
- do: set_weights
  target: channel:email
  with: {weights: {mail-east: 0, mail-smtp: 100}}
- ask: Has the provider confirmed that it is well again? Resuming gives it its share back.
- undo: 3
- wait: 5m
- undo: 1
""",
        '{metric: p95_ms, target: "provider:mail-east", above: 2000, for: 1m}',
        _EMAIL_RUNBOOK,
    ),
    "sms-to-voice": (
        "SMS is down: call people instead",
        """\
- check: {metric: state, target: "channel:voice", is: normal, otherwise: pause}
- do: switch_channel
  target: channel:sms
  with: {to: voice}
- wait: 2m
- check: {metric: success_rate, target: "channel:voice", above: 0.9, otherwise: pause}
""",
        '{metric: success_rate, target: "channel:sms", below: 0.5, for: 30s}',
        _SMS_RUNBOOK,
    ),
    "shop-rush": (
        "The shop sends too much",
        """\
- do: throttle
  target: application:shop
  with: {rate_per_s: 50}
- wait: {until: {metric: oldest_age_s, target: "lane:email.normal", below: 60}, at_most: 10m, otherwise: go_on}
- do: shed_bulk
  target: channel:email
""",
        "",
        _RUSH_RUNBOOK,
    ),
}


def load(*, author: User, now: datetime) -> list[Plan]:
    """Writes the starter plans that are not there; returns those. What people changed since is theirs. Raises
    InvalidAction where the demo's providers are not."""
    known = set(Plan.objects.filter(name__in=STARTERS).values_list("name", flat=True))
    return [
        editing.create(
            name=name,
            draft=Draft(title=title, owner=author.username, source=source, trigger=trigger, runbook=runbook),
            by=author,
            origin="load_demo",
            now=now,
        )
        for name, (title, source, trigger, runbook) in STARTERS.items()
        if name not in known
    ]
