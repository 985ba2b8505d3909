"""Django app "runs": what happened."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        # `shared_task` finds its application here in web processes and commands; workers load it by `-A`.
        from openfn_platform import celery  # noqa: F401
        from runs import receivers  # noqa: F401
