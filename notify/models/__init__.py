"""What this room stores."""

from notify.models.application import ApiKey, Application
from notify.models.batch import Batch
from notify.models.dead_letter import DeadLetter
from notify.models.delivery import Attempt, Delivery, DeliveryKind, DeliveryStatus
from notify.models.event import Event
from notify.models.idempotency import IdempotencyRecord
from notify.models.load import LaneLoad
from notify.models.notification import Notification, Route
from notify.models.pulse import LanePulse
from notify.models.receipt import EarlyReceipt
from notify.models.template import Template, TemplateVersion

__all__ = [
    "ApiKey",
    "Application",
    "Attempt",
    "Batch",
    "DeadLetter",
    "Delivery",
    "DeliveryKind",
    "DeliveryStatus",
    "EarlyReceipt",
    "Event",
    "IdempotencyRecord",
    "LaneLoad",
    "LanePulse",
    "Notification",
    "Route",
    "Template",
    "TemplateVersion",
]
