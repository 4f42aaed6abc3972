"""How the admin looks: django-unfold's settings."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "Goutong 沟通",
    "SITE_HEADER": "Goutong 沟通",
    "SITE_SUBHEADER": _("Notifications that arrive"),
    "SITE_SYMBOL": "forum",
    "SITE_URL": "/api/docs/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "admin_portal.navigation.favicon"},
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "admin_portal.navigation.environment",
    "DASHBOARD_CALLBACK": "admin_portal.board.page.extend_context",
    "STYLES": ["admin_portal.navigation.stylesheet"],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(66% .128 184)",
            "600": "oklch(53.5% .105 185.5)",
            "700": "oklch(47% .09 186.4)",
            "800": "oklch(41% .073 188.2)",
            "900": "oklch(36.5% .059 188.4)",
            "950": "oklch(27.7% .046 192.5)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "admin_portal.navigation.sidebar",
    },
    "ACCOUNT": {"navigation": "admin_portal.navigation.account"},
}
