"""The admin's pages, a module for each noun. Importing this registers them."""

from admin_portal.admin import (  # noqa: F401
    applications,
    audit,
    batches,
    channels,
    dead_letters,
    drill_runs,
    drills,
    held,
    jobs,
    keys,
    notifications,
    plan_runs,
    plans,
    policies,
    providers,
    requests,
    rules,
    templates,
    users,
)
