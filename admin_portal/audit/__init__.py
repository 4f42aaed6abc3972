"""The audit: who changed what, from where, when and why; append-only, each entry chained to the one before."""

from admin_portal.audit.recording import record

__all__ = ["record"]
