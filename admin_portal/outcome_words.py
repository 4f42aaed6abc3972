"""What came of a conversation with a provider, or of a message, in words instead of the code that programs go by.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from channels import errors
from notify.models import DeliveryStatus
from notify.models.event import EventType
from notify.receipt_rules import UNDELIVERED

OUTCOMES: Final[Mapping[str, Any]] = {
    **dict(EventType.choices),
    **dict(DeliveryStatus.choices),
    errors.ProviderError.code: _("refused by the provider"),
    errors.Throttled.code: _("the provider asks for patience"),
    errors.NoProvider.code: _("no provider could be asked"),
    errors.Unavailable.code: _("the provider was not well"),
    errors.OutcomeUnknown.code: _("outcome unknown"),
    errors.ReportAwaited.code: _("outcome unknown, its report is awaited"),
    errors.Misconfigured.code: _("the provider refuses us"),
    errors.InternalFault.code: _("a defect of ours"),
    errors.RecipientRejected.code: _("no such recipient"),
    errors.MessageRejected.code: _("the content was refused"),
    errors.EndpointUnavailable.code: _("the recipient's server was not well"),
    errors.LeaseLost.code: _("handed to another worker"),
    errors.TooLate.code: _("too late to be sent"),
    errors.ChannelHeld.code: _("held back on its channel"),
    UNDELIVERED: _("not delivered, by its receipt"),
    "attempts_used_up": _("attempts used up"),
    "deadline": _("no time left"),
    "step_deadline": _("its channel's time was over"),
    "orphaned": _("its notification is gone"),
}


def outcome(code: str) -> str:
    """``code`` in words; one that nobody knows stays as it is."""
    return str(OUTCOMES.get(code, code))
