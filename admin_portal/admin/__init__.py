"""The admin's pages, a module for each noun. Importing this registers them."""

from admin_portal.admin import (  # noqa: F401
    applications,
    batches,
    channels,
    dead_letters,
    keys,
    notifications,
    policies,
    providers,
    templates,
    users,
)
