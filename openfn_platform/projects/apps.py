"""Django app "projects": tenants, people, roles, tokens, audit."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "openfn_platform.projects"
    label = "projects"
    verbose_name = "Projects and people"
    default_auto_field = "django.db.models.BigAutoField"
