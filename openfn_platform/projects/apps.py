"""Django app "projects": tenants, people, roles, tokens, audit."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "openfn_platform.projects"
    label = "projects"
    verbose_name = "Projects and people"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from openfn_platform.projects import log_ins  # noqa: F401  # hears of log-ins
