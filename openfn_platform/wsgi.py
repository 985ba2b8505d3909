"""The WSGI entry point for web servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openfn_platform.settings")

application = get_wsgi_application()


def _load_everything() -> None:
    """Views and forms are loaded now and not by the first one who asks."""
    from django.urls import get_resolver

    from openfn_platform.common.garbage import settle

    len(get_resolver().reverse_dict)
    settle()


_load_everything()
