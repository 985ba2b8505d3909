"""Pages of other packages that nobody here shall use: groups and the scheduler's rows, which the platform keeps itself.

Their admin modules are imported first, so that the admin's own search for them does not register them again.
"""

from __future__ import annotations

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401 - likewise
import django.contrib.auth.admin  # noqa: F401 - imported for what it registers
import django_celery_beat.admin  # noqa: F401 - likewise
from django.apps import apps
from django.contrib import admin

for app in ("auth", "django_celery_beat", "account", "mfa", "socialaccount"):
    for model in apps.get_app_config(app).get_models():
        if admin.site.is_registered(model):
            admin.site.unregister(model)
