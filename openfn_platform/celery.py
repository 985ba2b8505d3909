"""The Celery application. Loaded by `-A openfn_platform.celery` and by `RunsConfig.ready()`, nowhere else:
pure modules share this package and must not pull in Celery."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openfn_platform.settings")

app = Celery("openfn_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def _give_workers_their_step(sender: Celery, **_: object) -> None:
    from runs.bootstep import RunsStep

    sender.steps["worker"].add(RunsStep)
