"""The audit: who changed what, from where, when and why; append-only, each entry chained to the one before."""

from admin_portal.audit.recording import PLATFORM, record

__all__ = ["PLATFORM", "record"]
