"""Tells a drill's owner that it did not pass: by the platform's own application, into their inbox."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from admin_portal.models import DrillRun
from admin_portal.steering import pager
from channels import gateway
from notify import submission
from notify.errors import NotifyError
from notify.orders import Order, Recipient

logger = logging.getLogger(__name__)

#: Where a report is read. Written out: whoever resolves URLs loads all pages, and workers do without them.
_PAGE = "/admin/admin_portal/drillrun/{}/change/"


def raise_for(run: DrillRun, *, now: datetime) -> None:
    """Sends it, in the caller's transaction. One that can't be sent is logged: the report stands on its page anyway."""
    owner = User.objects.filter(username=run.drill.owner, is_active=True).first()
    if owner is None:
        logger.warning("a drill's owner is nobody any more: %s", run.drill.owner, extra={"drill": str(run.pk)})
        return
    addresses = {"inapp": ("user_id", owner.username), "email": ("email", owner.email)}
    usable = {name: given for name, given in addresses.items() if given[1] and gateway.is_usable(name)}
    if not usable:
        logger.warning("no channel is left to tell a drill's owner", extra={"drill": str(run.pk)})
        return
    with override(settings.LANGUAGE_CODE):
        subject = _("A drill did not pass: %(drill)s") % {"drill": run.drill}
        words = _("Outcome: %(outcome)s\nIts report: %(link)s")
        link = settings.PAGER["PUBLIC_URL"].rstrip("/") + _PAGE.format(run.pk)
        text = words % {"outcome": run.get_outcome_display(), "link": link}
    order = Order(channels=list(usable), route="all", content={"subject": subject, "text": text}, category="operations")
    try:
        with transaction.atomic():
            submission.accept(
                key=pager.key(),
                order=order,
                recipient=Recipient(to=dict(usable.values())),
                request_id=f"drill-{run.pk}",
                now=now,
            )
    except NotifyError as error:
        logger.warning("a drill's owner could not be told: %s", error, extra={"drill": str(run.pk)})
