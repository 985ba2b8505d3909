"""Django app "triggers": what asks for it."""

from django.apps import AppConfig


class TriggersConfig(AppConfig):
    name = "triggers"
    verbose_name = "Triggers"

    def ready(self) -> None:
        from triggers import receivers  # noqa: F401  # connects them
