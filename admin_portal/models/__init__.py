"""What this room keeps, a module for each noun."""

from admin_portal.models.audit import AuditEntry
from admin_portal.models.desk import DeskJob, HeldDelivery
from admin_portal.models.drills import Drill, DrillRun
from admin_portal.models.plans import Plan, PlanProposal, PlanRun, PlanVersion, RunApproval, RunStep
from admin_portal.models.privilege import VIEW_PERSONAL_DATA, Privilege
from admin_portal.models.requests import Approval, ApprovalRule, DegradationRequest, Summons
from admin_portal.models.role import Role
from admin_portal.models.session import PersonSession
from admin_portal.models.two_factor import Authenticator, RecoveryCodes

__all__ = [
    "VIEW_PERSONAL_DATA",
    "Approval",
    "ApprovalRule",
    "AuditEntry",
    "Authenticator",
    "DegradationRequest",
    "DeskJob",
    "Drill",
    "DrillRun",
    "HeldDelivery",
    "PersonSession",
    "Plan",
    "PlanProposal",
    "PlanRun",
    "PlanVersion",
    "Privilege",
    "RecoveryCodes",
    "Role",
    "RunApproval",
    "RunStep",
    "Summons",
]
