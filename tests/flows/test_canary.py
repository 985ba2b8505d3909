"""A secret of a credential shows up nowhere, whatever jobs do with it by accident and partners say about it."""

from __future__ import annotations

import base64
import email
import html
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote as unquotable
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from jobs.models import CredentialBody
from openfn_platform.projects.models import Scope
from runs.models import (
    ConnectionHold,
    EchoMark,
    HttpExchange,
    Incident,
    LogLine,
    Memory,
    OnceMark,
    Run,
    RunMode,
)
from runs.retrying import run_retry
from runs.starting import Input, job_start, schedule_run_now
from tests.factories import token
from tests.faults.product import Product
from tests.flows.canary import everything_stored, forms, told
from tests.flows.world import World, input_of, outcome
from tests.waiting import wait_for

# Pages are rendered here without collected static files.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

USER = "canary-user"


@dataclass(frozen=True)
class Kind:
    """One way to show a credential, and the calls that its adaptor offers."""

    name: str
    adaptor: str
    values: dict[str, str]
    secret: str  # the field
    canary: str
    read: str = "partner.get(PATH)"
    write: str = "partner.post('/echo', BODY)"


def kinds(url: str) -> list[Kind]:
    user = {"username": USER}
    twilio = {"provider": "twilio", "accountSid": USER, "from": "+22890000000", "baseUrl": f"{url}/sms"}
    send = "partner.send('+22890112233', str(BODY))"
    return [
        Kind("basic", "http", {"baseUrl": f"{url}/basic"} | user, "password", "Kanari-1ü\"&<Z'>/+=% q\\9é"),
        Kind("bearer", "http", {"baseUrl": f"{url}/bearer"}, "access_token", "Kanari-2\"&<Z'>/+=%~q9"),
        Kind(
            "key",
            "http",
            {"baseUrl": f"{url}/key"} | {"api_key_header": "X-Clinic"},
            "api_key",
            "Kanari-3\"&<Z'>/+=%;q9",
        ),
        Kind(
            "query",
            "http",
            {"baseUrl": f"{url}/query"} | {"api_key_query": "k"},
            "api_key",
            "Kanari-4ü\"&<Z'>/+=% q\\9",
        ),
        Kind(
            "openmrs",
            "openmrs",
            {"instanceUrl": f"{url}/openmrs"} | user,
            "password",
            "Kanari-5ß\"&<Z'>/+=% q\\9",
            read="partner.get('patient', q=SECRET)",
            write="partner.create('patient', BODY)",
        ),
        Kind("sms", "sms", twilio, "authToken", "Kanari-6à\"&<Z'>/+=% q\\9", read=send, write=send),
    ]


HEAD = """
import base64, html, json, os, sys, traceback
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape
CONFIGURATION = state.configuration
SECRET = CONFIGURATION[FIELD]
FORMS = [SECRET, json.dumps(SECRET), repr(SECRET), quote(SECRET, safe=''), quote_plus(SECRET), escape(SECRET),
         html.escape(SECRET), base64.b64encode(SECRET.encode()).decode(),
         'Basic ' + base64.b64encode(f'{USER}:{SECRET}'.encode()).decode(), json.dumps({'Authorization': SECRET})]
PATH = '/refuse/' + quote(SECRET, safe='')
BODY = {'login': SECRET, 'all': FORMS}
"""

# Everything that can be done with a secret by accident, and that does not end the run.
CARELESS = (
    HEAD
    + """
print(CONFIGURATION, vars(partner))
print('\\n'.join(FORMS))
for form in FORMS: log.warning('form', form, {form: [form]})
os.write(1, SECRET[:5].encode()); os.write(1, SECRET[5:].encode() + b'\\n')
try: raise RuntimeError(SECRET)
except RuntimeError: traceback.print_exc()
for call in (lambda: READ, lambda: WRITE):
    try: call()
    except Exception as error: log.error(str(error), repr(error), error.body, error.hint)
once('log in with ' + SECRET, lambda: BODY)
sync.wrote('openmrs ' + SECRET, SECRET, CONFIGURATION)
for form in FORMS: problem(form, 'refused: ' + form)
note('logged in with ' + FORMS[int(value('form', 0))])
state.data = {'forms': FORMS, 'configuration': CONFIGURATION, SECRET: BODY, 'big': 'x' * 5000}
state.kept = {'login': SECRET, 'all': FORMS}
"""
)
# Each of these ends the run with the secret in the reason.
FATAL = {
    "raises": "raise RuntimeError(f'cannot log in with {FORMS}')",
    "fails": "fail(f'cannot log in with {SECRET}', hint=f'is {FORMS} right?')",
    "refused": "READ",
    "write refused": "WRITE",
    "exits": "sys.exit(SECRET)",
    "dies": "print(SECRET); sys.stderr.write(SECRET); sys.stderr.flush(); os._exit(3)",
    "NaN": "state.data = {SECRET: float('nan')}",
    "missing": "value(SECRET + '.' + SECRET)",
    "unsure": "once('sms ' + SECRET, lambda: os._exit(3))",
}


class Echo(ThreadingHTTPServer):
    """A partner that refuses everything and repeats what it was told in every form, as error pages do."""

    daemon_threads = True

    def __init__(self, canaries: dict[str, str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                said = [self.path, str(self.headers), self.rfile.read(size).decode("utf-8", "replace")]
                said += list(self.headers.values())
                canary = canaries[self.path.split("/")[1]]
                said += [canary, quote(canary), html.escape(canary), json.dumps(canary)]
                said += [base64.b64encode(f"{USER}:{canary}".encode()).decode()]
                kind, body = self.bodies(said)
                self.send_response(401)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def bodies(self, said: list[str]) -> tuple[str, bytes]:
                if self.command == "POST":
                    return "application/xml", f"<error>{html.escape(' '.join(said))}</error>".encode()
                told = " ".join(said[-4:])
                error = {"message": told, "error": {"message": told, "detail": said}, "code": 20003}
                return "application/json", json.dumps(error).encode()

            do_GET = do_POST = answer

            def log_message(self, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def echo() -> Iterator[str]:
    with Echo({kind.name: kind.canary for kind in kinds("")}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[Product]:
    """A real worker on the test's database, so that its output is looked through, too."""
    database = connection.settings_dict
    environment = dict(os.environ) | {"REDIS_URL": "", "RUN_SWEEP_SECONDS": "1", "MAIL_DIR": str(tmp_path)}
    environment["DATABASE_URL"] = (
        f"postgresql://{database['USER']}:{quote(database['PASSWORD'])}@/{database['NAME']}"
        f"?host={quote(database['HOST'], safe='')}&port={database['PORT'] or 5432}"
    )
    with Product(environment, tmp_path) as product:
        product.start_worker("worker", concurrency=4)
        yield product


def every_run_has_ended(product: Product) -> None:
    open_runs = Run.objects.filter(state__in=["available", "claimed", "started"], waits_for="")
    wait_for(
        lambda: not open_runs.exists(), lambda: f"{list(open_runs)}\n{product.log('worker')}", seconds=60
    )


def careless_jobs(world: World, kind: Kind) -> None:
    """Every accident with one kind of credential, and flows that pass on what came of it."""
    head = f"FIELD, USER = {kind.secret!r}, {USER!r}\n"

    def job(code: str, **fields: Any) -> Any:
        code = head + code.replace("READ", kind.read).replace("WRITE", kind.write)
        link = world.credential(kind.adaptor, **kind.values | {kind.secret: kind.canary})
        return world.job(code, connections={"partner": (kind.adaptor, link)}, **fields)

    listener = world.job(
        "print(state); state.seen = state.error; note(str(state.error)); problem('x', state.error)"
    )
    scheduled, tried = job(CARELESS), job(CARELESS + "raise RuntimeError(SECRET)")
    trigger = world.on_schedule(scheduled, schedule_kind="every", every_count=1, every_unit="weeks")
    schedule_run_now(trigger=trigger, by=world.owner)
    for mode in (RunMode.DRY, RunMode.TRIAL):
        job_start(job=tried, given=Input(data={"form": 8}), mode=mode)
    for name, code in FATAL.items():
        fatal = job(HEAD + code)
        world.on_end(fatal, "failure", listener, condition="state.error['message'] or True")
        world.on_end(fatal, "failure", world.job(), condition="state.nothing[state.error['message']]")
        for _ in range(2 if "refused" in name else 1):
            job_start(job=fatal)


def pages(world: World) -> Iterator[tuple[str, bytes]]:
    """Every page of the admin and every answer of the API that a person who may see everything gets."""
    client = Client()
    world.owner.is_superuser = True
    world.owner.save()
    client.force_login(world.owner)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        places = [reverse(f"{name}_changelist")]
        rows = model._default_manager.order_by("-pk")[: 12 if model is Run else 4]
        places += [reverse(f"{name}_change", args=[unquotable(row.pk)]) for row in rows]
        for place in places:  # a list without pages of its rows has 404
            yield place, fetched(client, place, allowed=(200, 404))
    yield "/admin/", fetched(client, "/admin/")
    _, key = token(world.project, *Scope.values)
    headers = {"authorization": f"Bearer {key}"}
    for name in ("runs", "work-orders", "messages", "incidents", "jobs", "triggers", "workflows"):
        listed = fetched(client, f"/api/v1/{name}?page_size=15", headers)
        yield f"/api/v1/{name}", listed
        for row in json.loads(listed)["results"]:
            yield f"/api/v1/{name}/…", fetched(client, f"/api/v1/{name}/{row['id']}", headers)
            parts = ("log", "input", "final-state", "exchanges", "exchanges/1", "exchanges/2")
            for part in parts if name == "runs" else ():
                place = f"/api/v1/runs/{row['id']}/{part}"
                yield place, fetched(client, place, headers, allowed=(200, 404, 409))
    for place in ("/api/v1/sent?page_size=200", "/api/v1/sent?page_size=200&kind=read,written&mode=dry,live"):
        yield place, fetched(client, place, headers)
    for kind in ("csv", "jsonl"):
        place = reverse("admin:runs_httpexchange_export")
        yield place, fetched(client, f"{place}?kind=all&mode=all&format={kind}")


def fetched(client: Client, place: str, headers: Any = None, allowed: tuple[int, ...] = (200,)) -> bytes:
    answer = client.get(place, headers=headers)
    assert answer.status_code in allowed, (place, answer.status_code)
    return answer.getvalue()


def test_no_secret_is_told_anywhere(echo: str, worker: Product, settings: Settings) -> None:
    settings.REDIS_URL = ""
    world = World()
    world.project.mail_shows_text = True
    world.project.save()
    for kind in kinds(echo):
        careless_jobs(world, kind)
    every_run_has_ended(worker)
    for run in Run.objects.filter(error_type="ExitError", job__live_version__code__contains="once('sms"):
        run_retry(run=run, by=world.owner)
    every_run_has_ended(worker)
    canaries = {kind.name: forms(kind.canary, USER) for kind in kinds(echo)}
    found = told(everything_stored(), canaries)
    assert not found, "\n".join(found)
    assert told(iter([("worker's output", worker.log("worker").encode())]), canaries) == []
    wait_for(lambda: len(mails_in(worker.folder)) > 5, lambda: worker.log("worker"))
    mails = mails_in(worker.folder)
    assert told(((f"mail “{one['Subject']}”", text_of(one)) for one in mails), canaries) == []
    shown = list(pages(world))
    assert told(iter(shown), canaries) == []
    everything_happened(world, mails, shown)


def mails_in(folder: Path) -> list[EmailMessage]:
    """What Django's backend wrote into files, each with a line of dashes after every mail."""
    texts = [text for file in folder.glob("2*.log") for text in file.read_bytes().split(b"-" * 79 + b"\n")]
    return [email.message_from_bytes(text, policy=default) for text in texts if text.strip()]


def text_of(one: EmailMessage) -> bytes:
    return str(dict(one)).encode() + str(one.get_content()).encode()


def everything_happened(world: World, mails: list[EmailMessage], shown: list[tuple[str, bytes]]) -> None:
    """Nothing was found because it was masked, not because nothing was done."""
    count = len(kinds(""))
    masked = LogLine.objects.filter(text__contains="***")
    assert masked.values("run_id").distinct().count() >= 5 * count
    assert sorted({outcome(run) for run in world.runs()}) == sorted(
        {
            "success",
            "failed:JobError",
            "failed:AdaptorError",
            "failed:UnsureError",
            "crashed:ExitError",
        }
    )
    assert OnceMark.objects.filter(key__contains="***", result__isnull=False).count() >= count
    assert OnceMark.objects.filter(key="sms ***", done_at=None).count() == count
    assert EchoMark.objects.filter(record="***").count() == 1
    assert Memory.objects.count() == count
    assert HttpExchange.objects.filter(request_body__contains="***").count() >= count
    assert ConnectionHold.objects.filter(stage="held").count() >= count
    assert Incident.objects.filter(message__contains="***").count() >= count
    assert any(b"***" in text_of(one) for one in mails)
    caught = [run for run in world.runs() if run.parent_id and run.state == "success"]
    assert len(caught) >= count * len(FATAL)
    assert any("***" in json.dumps(input_of(run)["error"]) for run in caught)
    assert CredentialBody.objects.count() > count
    assert sum(b"***" in content for _, content in shown) > 30


def test_the_search_finds_a_secret_in_each_form_and_in_each_kind_of_column(world: World) -> None:
    canary = forms("Kanari-0ü\"&<Z'>/+=% q\\9", USER)
    for form, spelled in canary.items():
        text = spelled.decode()
        run = job_start(job=world.job(f"# {text}"), given=Input(state={"x": "y" * 3000 + text}))
        Run.objects.filter(pk=run.pk).update(failure={"message": text}, note=text)
        wanted = {f"{place}: it as {form}" for place in ("job_version.code", "run.note")}
        if "\\" not in text and '"' not in text:  # JSON would write it in another form
            wanted |= {f"{place}: it as {form}" for place in ("state.body", "run.failure")}
        assert wanted <= set(told(everything_stored(), {"it": {form: spelled}}))
