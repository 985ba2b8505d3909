"""What the browser tests look at: the whole product on servers of its own, with some jobs and people.

with stage_set() as stage:
    stage.url("/admin/"), stage.jobs["greet"], stage.post({"kind": "greeting"})

`python -m tests.flows.browser_stage` makes the rows, in the environment of the product, and prints what they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from openfn_platform.local.servers import temporary_servers
from openfn_platform.workspace.editor_bundle import BundleNotBuilt, build
from tests.faults.product import ROOT, Product, free_port

PASSWORD = "tall-trees-by-the-lake-7"
FINISHED = frozenset({"success", "failed", "crashed", "killed", "exception", "cancelled", "skipped", "lost"})

WATCHED = """
print("the first line")
partner.get("/")
print("the last line")
note(f"greeted {value('name')}")
state.data = {"greeted": value("name")}
"""
WEIGHS = """
weight = value("visit.weight")
note(f"weighs {weight} kg")
state.data = {"weight": weight}
"""
GREETS = """
print(f"hello {value('name')}")
note("greeted")
"""
# key: (name, code)
JOBS = {
    "edited": ("Visit report", "state.data = {}"),
    "edited-plainly": ("Vaccination report", "state.data = {}"),
    "watched": ("Watched from afar", WATCHED),
    "weighs": ("Record the weight", WEIGHS),
    "greet": ("Greet", GREETS),
    "alert": ("Tell the nurse what was measured, and the supervisor if nothing was", "pass"),
}
PEOPLE = ("superuser", "editor", "viewer", "outsider")


class Gate(ThreadingHTTPServer):
    """A partner system that answers when the test says so: what stands between two lines of a log."""

    daemon_threads = True

    def __init__(self) -> None:
        self.opened = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert isinstance(self.server, Gate)
                self.server.opened.wait(timeout=30)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@contextmanager
def gate_running() -> Iterator[Gate]:
    gate = Gate()
    thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield gate
    finally:
        gate.opened.set()
        gate.shutdown()
        thread.join()
        gate.server_close()


@dataclass(frozen=True, kw_only=True)
class Stage:
    product: Product
    gate: Gate
    jobs: dict[str, str]  # key: id
    people: dict[str, str]  # name: e-mail address
    inbox: str  # its path
    inbox_key: str
    api_token: str

    def url(self, path: str) -> str:
        return f"{self.product.url}{path}"

    def job_url(self, key: str) -> str:
        return self.url(f"/admin/jobs/job/{self.jobs[key]}/change/")

    def run_url(self, run: str) -> str:
        return self.url(f"/admin/runs/run/{run}/change/")

    def post(self, body: Any) -> list[str]:
        """The runs that a message started."""
        headers = {"X-API-Key": self.inbox_key}
        answer = httpx.post(self.url(self.inbox), json=body, headers=headers, timeout=20, trust_env=False)
        assert answer.status_code == 202, answer.text
        return [run for order in answer.json()["work_orders"] for run in order["runs"]]

    def run_ended(self, run: str, *, seconds: float = 30) -> dict[str, Any]:
        """The run as the API tells it, once it is over."""
        headers = {"Authorization": f"Bearer {self.api_token}"}
        deadline = time.monotonic() + seconds
        while True:
            answer = httpx.get(self.url(f"/api/v1/runs/{run}"), headers=headers, timeout=20, trust_env=False)
            found: dict[str, Any] = answer.raise_for_status().json()
            if found["state"] in FINISHED:
                return found
            assert time.monotonic() < deadline, f"{found}\n{self.product.log('worker')[-3000:]}"
            time.sleep(0.1)


@contextmanager
def stage_set() -> Iterator[Stage]:
    with contextlib.suppress(BundleNotBuilt):  # without it there are plain text areas
        # Before the server looks at what files there are: a script that another test makes meanwhile it would not have.
        build(say=lambda _line: None)
    with (
        temporary_servers() as servers,
        tempfile.TemporaryDirectory(prefix="openfn-browser-", dir="/tmp") as name,
        gate_running() as gate,
    ):
        folder, port = Path(name), free_port()
        environment = os.environ | servers.environment | {
            "DJANGO_SETTINGS_MODULE": "openfn_platform.settings",
            "PLATFORM_ENV": "development",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "RUN_SWEEP_SECONDS": "1",
            "RUN_GRACE_SECONDS": "1",
            "MAIL_DIR": str(folder),
            "GATE": gate.url,
        }  # fmt: skip
        with Product(environment, folder, port=port) as product:
            with rows_made(environment) as made:
                product.start_web()
                rows = made()
            product.start_worker("worker")
            product.start_beat()
            yield Stage(product=product, gate=gate, **rows)


@contextmanager
def rows_made(environment: dict[str, str]) -> Iterator[Callable[[], dict[str, Any]]]:
    """Begins at once; calling it waits for the end."""
    command = [sys.executable, "-m", "tests.flows.browser_stage"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def made() -> dict[str, Any]:
            output, said = process.communicate(timeout=90)
            assert process.returncode == 0, said
            rows: dict[str, Any] = json.loads(output)
            return rows

        try:
            yield made
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


# --- in a process of its own ----------------------------------------------------------------------


def rows_make() -> dict[str, Any]:
    """One workflow with a trigger of each kind, jobs that do well and jobs that do not, and the people."""
    import django

    django.setup()
    from django.contrib.auth.hashers import make_password
    from django.core.management import call_command
    from django.urls import reverse

    from openfn_platform.projects.actors import PLATFORM
    from openfn_platform.projects.membering import member_add
    from openfn_platform.projects.models import Role, Scope, User
    from tests import factories
    from triggers.models import FlowEvent

    call_command("migrate", verbosity=0)
    people = {name: factories.user(name.title(), is_superuser=name == "superuser") for name in PEOPLE}
    User.objects.update(password=make_password(PASSWORD))
    home = factories.project("Clinic registration, Kigoma district", owner=people["superuser"])
    member_add(project=home, user=people["editor"], role=Role.EDITOR, may_see_data=True, by=PLATFORM)
    member_add(project=home, user=people["viewer"], role=Role.VIEWER, by=PLATFORM)
    factories.project("Another programme", owner=people["outsider"])

    visits = factories.workflow(home, "Visits")
    gate = factories.credential(home, "The gate", adaptor="http", values={"baseUrl": os.environ["GATE"]})
    jobs = {
        key: factories.job(
            visits, name, code=code, connections={"partner": gate} if "partner" in code else {}
        )
        for key, (name, code) in JOBS.items()
    }
    factories.message_trigger(jobs["greet"], name="A greeting", inclusion={"kind": "greeting"})
    factories.message_trigger(jobs["weighs"], name="Somebody was weighed", inclusion={"kind": "weighing"})
    factories.flow_trigger(jobs["weighs"], jobs["alert"], event=FlowEvent.SUCCESS, name="After the weighing")
    factories.cron_trigger(jobs["edited"], name="Weekly report, Friday 23:00")
    _, token = factories.token(home, Scope.READ)
    inbox, _, key = factories.inbox_with_key(home)
    return {
        "jobs": {key: str(job.pk) for key, job in jobs.items()},
        "people": {name: person.email for name, person in people.items()},
        "inbox": reverse("inbox", args=[str(inbox.address)]),
        "inbox_key": key,
        "api_token": token,
    }


if __name__ == "__main__":
    print(json.dumps(rows_make()))
