"""The admin's pages, a module for each noun. Importing this registers them."""

from admin_portal.admin import (  # noqa: F401
    applications,
    audit,
    batches,
    channels,
    dead_letters,
    held,
    jobs,
    keys,
    notifications,
    policies,
    providers,
    requests,
    rules,
    templates,
    users,
)
