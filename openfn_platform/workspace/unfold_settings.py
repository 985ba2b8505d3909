"""How the admin site looks. Read by settings.py; what the sidebar holds is in navigation.py."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _static(path: str) -> Any:
    return lambda request: static(path)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "OpenFn platform",
    "SITE_HEADER": "OpenFn platform",
    "SITE_SUBHEADER": "openfn_platform.workspace.navigation.subheader",
    "SITE_DROPDOWN": "openfn_platform.workspace.navigation.project_switch",
    "SITE_URL": None,
    "SITE_ICON": _static("workspace/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("workspace/logo.svg")},
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "openfn_platform.workspace.navigation.environment",
    "DASHBOARD_CALLBACK": "openfn_platform.workspace.dashboard.dashboard",
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": reverse_lazy("account")}]},
    "STYLES": [_static("workspace/workspace.css")],
    "SCRIPTS": [_static("workspace/workspace.js"), _static("workspace/signing.js")],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {  # teal: calm, and none of the colours that say how a run ended
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(65% .13 182.503)",
            "600": "oklch(54% .104 184.704)",
            "700": "oklch(47% .09 186.391)",
            "800": "oklch(43.7% .078 188.216)",
            "900": "oklch(38.6% .063 188.416)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "openfn_platform.workspace.navigation.sidebar",
    },
}
