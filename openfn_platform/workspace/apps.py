"""Django app "workspace": the admin site, its dashboard, navigation and widgets."""

from django.apps import AppConfig


class WorkspaceConfig(AppConfig):
    name = "openfn_platform.workspace"
    label = "workspace"
    verbose_name = "Workspace"
