"""How many approvers an action takes: the administrators' rules, and where they have none, the defaults."""

from __future__ import annotations

from admin_portal.models import ApprovalRule
from admin_portal.steering import approval
from admin_portal.steering.actions import Kind
from admin_portal.steering.approval import Severity


def needed(*, severity: Severity, kind: Kind) -> int:
    """0, 1 or 2."""
    own = ApprovalRule.objects.filter(severity=severity, kind=kind).values_list("approvals", flat=True).first()
    return approval.needed_by_default(severity=severity, kind=kind) if own is None else own
