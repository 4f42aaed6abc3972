"""Who may do what in the admin: the matrix itself. ``test_matrix.py`` asks every page of it, as every role.

A line is a page (the name of its URL), who gets it (GET), and who gets something done there (POST). Roles are letters:

    N staff without a role   V viewer   O operator   P approver   A administrator   U auditor   S superuser   - nobody
    signed in

Whoever is not named is refused: sent to the sign-in page, or answered 403, 404 or 405. A page that no line names, an
action that no line names, and a line without a page make the test fail. To add a page, add a line; to add a model's
five pages, add a line to ``MODELS``; if it needs something to look at, add that to ``test_matrix.OBJECTS`` or ``ARGS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Line(NamedTuple):
    """Who gets a page, and who gets something done there."""

    get: str
    post: str


class Model(NamedTuple):
    """Who sees a model's list, pages and history; who adds, changes, deletes. ``{app}_{model}`` as in URLs' names."""

    see: str
    add: str = ""
    change: str = ""
    delete: str = ""


EVERY_ROLE: Final = "VOPAUS"
STAFF: Final = "NVOPAUS"

MODELS: Final[Mapping[str, Model]] = {
    "notify_notification": Model(EVERY_ROLE),
    "notify_batch": Model(EVERY_ROLE),
    "notify_deadletter": Model(EVERY_ROLE),
    "notify_template": Model(EVERY_ROLE, add="OAS", change="OAS"),
    "notify_application": Model(EVERY_ROLE, add="AS", change="AS"),
    "notify_apikey": Model(EVERY_ROLE),
    "channels_channel": Model(EVERY_ROLE, add="AS", change="AS", delete="AS"),
    "channels_provider": Model(EVERY_ROLE, add="AS", change="AS", delete="AS"),
    "channels_policy": Model(EVERY_ROLE, add="AS", change="AS", delete="AS"),
    "auth_user": Model("AUS", add="AS", change="AS", delete="S"),
    "auth_group": Model("AUS", add="S", change="S", delete="S"),
    "axes_accessattempt": Model("AS", delete="AS"),
    "admin_portal_auditentry": Model("AUS"),
    "admin_portal_helddelivery": Model(EVERY_ROLE),
    "admin_portal_deskjob": Model(EVERY_ROLE),
    "admin_portal_degradationrequest": Model(EVERY_ROLE, add="OPAS"),
    "admin_portal_drill": Model(EVERY_ROLE, add="OAS"),
    "admin_portal_drillrun": Model(EVERY_ROLE),
    "admin_portal_approvalrule": Model(EVERY_ROLE, add="AS", change="AS", delete="AS"),
    "admin_portal_plan": Model(EVERY_ROLE, add="AS"),
    "admin_portal_planrun": Model(EVERY_ROLE),
}

PAGES: Final[Mapping[str, Line]] = {
    "admin:index": Line(STAFF, STAFF),
    "admin:search": Line(STAFF, STAFF),
    "admin:login": Line("-" + STAFF, "-" + STAFF),
    "admin:logout": Line("-", "-" + STAFF),
    "admin:password_change": Line(STAFF, STAFF),
    "admin:password_change_done": Line(STAFF, ""),
    "admin:autocomplete": Line("", ""),
    "admin:jsi18n": Line(STAFF, ""),
    "admin:view_on_site": Line("", ""),
    "admin:app_list": Line(EVERY_ROLE, EVERY_ROLE),
    "board": Line(EVERY_ROLE, EVERY_ROLE),
    # a person's own access
    "account:overview": Line(STAFF, STAFF),
    "account:enrol": Line(STAFF, STAFF),
    "account:verify": Line(STAFF, STAFF),
    "account:codes": Line(STAFF, STAFF),
    "account:remove": Line(STAFF, STAFF),
    "account:end_other_sessions": Line("", STAFF),
    # applications, keys, people
    "admin:notify_application_new_key": Line("AS", "AS"),
    "admin:notify_application_rotate_signing_secret": Line("AS", "AS"),
    "admin:notify_apikey_revoke": Line("AS", "AS"),
    "admin:auth_user_password_change": Line("AS", "AS"),
    "admin:auth_user_remove_second_factor": Line("S", "S"),
    "admin:admin_portal_auditentry_export": Line("", "US"),
    # templates
    "admin:notify_template_preview": Line(EVERY_ROLE, EVERY_ROLE),
    # the desk
    "admin:notify_deadletter_groups": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_deskjob_progress": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_deskjob_cancel": Line("", "OAS"),
    # steering
    "admin:admin_portal_degradationrequest_standing": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_degradationrequest_edit": Line("O", "O"),  # its author alone
    "admin:admin_portal_degradationrequest_do": Line("", "PS"),
    # plans
    "admin:admin_portal_plan_edit": Line("AS", "AS"),
    "admin:admin_portal_plan_run": Line("OPAS", "OPAS"),
    "admin:admin_portal_plan_retire": Line("", "AS"),
    "admin:admin_portal_plan_dismiss": Line("", "OPAS"),
    "admin:admin_portal_plan_version": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_planrun_standing": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_planrun_do": Line("", "PS"),
    # drills
    "admin:admin_portal_drill_edit": Line("OAS", "OAS"),
    "admin:admin_portal_drill_start": Line("", "OAS"),
    "admin:admin_portal_drill_retire": Line("", "OAS"),
    "admin:admin_portal_drillrun_standing": Line(EVERY_ROLE, EVERY_ROLE),
    "admin:admin_portal_drillrun_abort": Line("", "OAS"),
    "admin:admin_portal_drillrun_follow_ups": Line("", "OAS"),
}

#: Actions of lists, each tried by a forged POST: ``model!action``, and who gets it done.
ACTIONS: Final[Mapping[str, str]] = {
    "notify_deadletter!replay": "OAS",
    "notify_deadletter!discard": "OAS",
    "admin_portal_helddelivery!resend": "OAS",
    "admin_portal_helddelivery!mark_sent": "OAS",
    "channels_provider!enable": "AS",
    "channels_provider!disable": "AS",
    "channels_provider!delete_selected": "AS",
    "channels_channel!delete_selected": "AS",
    "channels_policy!delete_selected": "AS",
    "auth_user!delete_selected": "S",
    "auth_group!delete_selected": "S",
    "axes_accessattempt!delete_selected": "AS",
}


def lines() -> dict[str, Line]:
    """Every page and who gets it, those of models too."""
    found = dict(PAGES)
    for name, model in MODELS.items():
        found[f"admin:{name}_changelist"] = Line(model.see, model.see)
        found[f"admin:{name}_history"] = Line(model.see, model.see)
        found[f"admin:{name}_change"] = Line(model.see, model.change)
        found[f"admin:{name}_add"] = Line(model.add, model.add)
        found[f"admin:{name}_delete"] = Line(model.delete, model.delete)
    return found
