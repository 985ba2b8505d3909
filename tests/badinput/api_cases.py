"""The cases that come through the API: names, schedules, flows, code, fields and parameters that there are not."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.utils import timezone

from jobs.models import Job
from runs.models import Run, RunState
from tests.api.cast import UNKNOWN
from tests.api.test_lists import LISTS, NONSENSE
from tests.badinput.inbox_cases import Ask
from tests.badinput.scene import Scene
from tests.flows.world import World
from tests.triggers.serving import Answer, request_of
from triggers.inboxes import inbox_change

CRON = {"kind": "cron", "time_zone": "Africa/Nairobi"}
PUZZLE = "^(a+)+$"  # thirty letters keep Python's own matcher busy for minutes


def made(answer: Answer) -> dict[str, Any]:
    assert answer.status in (200, 201), (answer.status, answer.body[:400])
    return answer.json


def job_of(scene: Scene, code: str = "x = 1") -> Job:
    return scene.clinic.job(code)


# --- texts ----------------------------------------------------------------------------------------


def texts(*names: bytes) -> Ask:
    """In each place where somebody gives a thing a name."""

    def ask(scene: Scene) -> None:
        with scene.nothing_stored():
            for name in names:
                for path in ("workflows", "tables", "jobs"):
                    scene.refused(scene.api("POST", path, raw=b'{"name": ' + name + b"}"), 400, 422)
                path = f"workflows/{scene.clinic.workflow.pk}"
                scene.refused(scene.api("PATCH", path, raw=b'{"name": ' + name + b"}"), 400, 422)

    return ask


def odd_names(scene: Scene) -> None:
    """Names are kept as one reads them, and are no ids: keys are, of small letters, and never two alike."""
    keys = []
    for name in (
        "Cafe\u0301 \u202ebirths\u202c",
        "Caf\xe9\u200b births\ufeff",
        "\uff23af\xe9 births",
        "C\u0430f\xe9 births",
    ):
        told = made(scene.api("POST", "workflows", {"name": name}))
        keys.append(told["key"])
        assert not set(told["name"]) & set("\u202e\u202c\u200b\ufeff\u0301")
    assert len(set(keys)) == len(keys)
    assert all(key.isascii() for key in keys)
    with scene.nothing_stored():
        scene.refused(scene.api("POST", "workflows", {"name": "\u200b\u202e \ufeff"}), 400, 422)


# --- ids ------------------------------------------------------------------------------------------


def unknown_or_a_neighbours(scene: Scene) -> None:
    theirs = scene.stranger.run()
    for deed in ("", "/input", "/log", "/final-state"):
        answers = [scene.get(f"runs/{key}{deed}") for key in (theirs.pk, UNKNOWN, "x", "9" * 23)]
        told = [scene.refused(answer, 404) for answer in answers]
        assert told == [told[0]] * len(told)


def many_digits(scene: Scene) -> None:
    for digits in ("9" * 23, "9" * 5_000):
        for path in (
            "runs/{}",
            "messages/{}",
            "tables/{}",
            "jobs/{}",
            f"jobs/{job_of(scene).pk}/versions/{{}}",
        ):
            scene.refused(scene.get(path.format(digits)), 404)


# --- schedules and flows --------------------------------------------------------------------------


def schedules(*each: dict[str, Any]) -> Ask:
    def ask(scene: Scene) -> None:
        job = str(job_of(scene).pk)
        for given in each:
            body = {"name": "x", "kind": "schedule", "jobs": [job], "schedule": {**CRON, **given}}
            with scene.nothing_stored():
                told = scene.refused(scene.api("POST", "triggers", body), 400, 422)
                assert told["field"] in ("schedule.cron", "schedule.time_zone"), told
                scene.refused(scene.api("POST", "firings", {"schedule": body["schedule"]}), 400, 422)

    return ask


def every_minute(scene: Scene) -> None:
    """Of a job that takes longer: allowed, one run at a time, and slots that passed meanwhile are one."""
    job = job_of(scene)
    Job.objects.filter(pk=job.pk).update(max_concurrency=1)
    schedule = {**CRON, "cron": "* * * * *"}
    told = made(
        scene.api(
            "POST", "triggers", {"name": "x", "kind": "schedule", "jobs": [str(job.pk)], "schedule": schedule}
        )
    )
    assert told["schedule"]["catch_up"] == "latest"


def circles(scene: Scene) -> None:
    first, second = job_of(scene), job_of(scene)
    flow = {"name": "x", "kind": "flow", "event": "success"}
    with scene.nothing_stored():
        own = {**flow, "upstream": str(first.pk), "jobs": [str(first.pk)]}
        scene.refused(scene.api("POST", "triggers", own), 409)
    made(
        scene.api(
            "POST", "triggers", {**flow, "upstream": str(first.pk), "jobs": [str(second.pk)], "enabled": True}
        )
    )
    with scene.nothing_stored():
        back = {**flow, "upstream": str(second.pk), "jobs": [str(first.pk)]}
        scene.refused(scene.api("POST", "triggers", back), 409)


def over_the_fence(scene: Scene) -> None:
    mine, theirs = str(job_of(scene).pk), str(scene.stranger.job().pk)
    flow = {"name": "x", "kind": "flow", "event": "success"}
    with scene.nothing_stored():
        for key in (theirs, UNKNOWN):
            scene.refused(scene.api("POST", "triggers", {**flow, "upstream": mine, "jobs": [key]}), 404)
            scene.refused(scene.api("POST", "triggers", {**flow, "upstream": key, "jobs": [mine]}), 404)


# --- what is in use -------------------------------------------------------------------------------


def put_away_in_use(scene: Scene) -> None:
    """Of a job with a queued run the history stays; a credential that a job uses stays whole."""
    link = scene.clinic.credential("http", baseUrl="http://127.0.0.1:9/")
    job = scene.clinic.job(connections={"web": ("http", link)})
    run = made(scene.api("POST", f"jobs/{job.pk}/run", {}))
    with scene.nothing_stored():
        scene.refused(scene.api("DELETE", f"credentials/{link.credential_id}"), 409)
    answer = scene.api("DELETE", f"jobs/{job.pk}")
    assert answer.status == 204 or scene.refused(answer, 409)
    assert made(scene.get(f"runs/{run['id']}"))["job"] == str(job.pk)
    assert Job.objects.filter(pk=job.pk).exists()


def edited_while_it_runs(scene: Scene) -> None:
    job = job_of(scene, "x = 1")
    held = {"token": uuid.uuid4(), "lease_until": timezone.now()}
    run = scene.clinic.run(RunState.STARTED, job=job, job_version=job.live_version, **held)
    made(scene.api("PUT", f"jobs/{job.pk}/draft", {"code": "x = 2"}))
    made(scene.api("POST", f"jobs/{job.pk}/versions/2/make-live", {}))
    now = Run.objects.select_related("job_version").get(pk=run.pk)
    assert now.job_version is not None
    assert (now.job_version.number, now.job_version.code) == (1, "x = 1")


# --- code -----------------------------------------------------------------------------------------


def told_by_line(*codes: str) -> Ask:
    """A draft may be wrong and says where; what is live may not."""

    def ask(scene: Scene) -> None:
        for code in codes:
            job = job_of(scene)
            checked = made(scene.api("POST", f"jobs/{job.pk}/check", {"code": code}))
            errors = [each for each in checked["findings"] if each["severity"] == "error"]
            assert errors, code[:40]
            assert not checked["fit"]
            assert all(each["line"] >= 1 and len(each["message"]) > 8 for each in errors)
            assert made(scene.api("PUT", f"jobs/{job.pk}/draft", {"code": code}))["number"] == 2
            with scene.nothing_stored():
                scene.refused(scene.api("POST", f"jobs/{job.pk}/versions/2/make-live", {}), 409)

    return ask


def code_refused(*raw: bytes) -> Ask:
    def ask(scene: Scene) -> None:
        job = job_of(scene)
        with scene.nothing_stored():
            for text in raw:
                body = b'{"code": "' + text + b'"}'
                scene.refused(scene.api("PUT", f"jobs/{job.pk}/draft", raw=body), 400, 413, 422)
                scene.refused(scene.api("POST", f"jobs/{job.pk}/check", raw=body), 400, 413, 422)

    return ask


def marks_in_code(scene: Scene) -> None:
    """A mark at the beginning is nothing; one that turns the reading direction is told."""
    job = job_of(scene)
    checked = made(scene.api("POST", f"jobs/{job.pk}/check", {"code": "\ufeffx = 1\n"}))
    assert checked == {"fit": True, "findings": []}
    for code in ("x = 'a\u202e'", "# \u2066 comment"):
        checked = made(scene.api("POST", f"jobs/{job.pk}/check", {"code": code}))
        assert [each["severity"] for each in checked["findings"]] == ["warning"]


# --- fields and parameters that there are not -----------------------------------------------------


def mass_assignment(scene: Scene) -> None:
    extra: tuple[tuple[str, Any], ...] = (
        ("project", str(scene.stranger.project.pk)),
        ("id", UNKNOWN),
        ("state", "success"),
        ("is_staff", True),
        ("is_superuser", True),
    )
    bodies: dict[str, dict[str, Any]] = {
        "POST workflows": {"name": "x"},
        "POST tables": {"name": "x"},
        "POST triggers": {"name": "x", "kind": "message", "workflow": "main"},
        "POST inboxes": {"name": "x", "trigger": str(scene.things["trigger"])},
        "POST members": {"email": scene.things["person"], "role": "viewer"},
        "PATCH project": {"description": "x"},
        f"POST jobs/{job_of(scene).pk}/run": {"data": {}},
    }
    with scene.nothing_stored():
        for where, body in bodies.items():
            method, path = where.split(" ")
            for name, value in extra:
                if (name, path[:4]) != ("state", "jobs"):
                    scene.refused(scene.api(method, path, {**body, name: value}), 400)


def parameters(scene: Scene) -> None:
    with scene.nothing_stored():
        for name in (*LISTS, "sent", "bulk", "saved-inputs", "members", "tokens", "audit"):
            scene.refused(scene.get(name, page_size="1000000000"), 400)
            scene.refused(scene.get(name, cursor="\0"), 400)
        for parameter, value in NONSENSE:
            if len(value) < 5_000:
                scene.refused(scene.get("runs", **{parameter: value}), 400)


def puzzling_pattern(scene: Scene) -> None:
    """A pattern is either refused or answers in a moment, whatever it is tried on."""
    world = World()
    schema = {"properties": {"a": {"type": "string", "pattern": PUZZLE}}}
    inbox_change(inbox=world.inbox, by=world.owner, schema=schema)
    began = time.monotonic()
    with scene.nothing_stored():
        body = b'{"a": "' + b"a" * 50_000 + b'!"}'
        scene.refused(scene.inbox(body, path=f"/inbox/{world.inbox.address}"), 422)
    with scene.nothing_stored():
        path = f"inboxes/{scene.things['inbox']}"
        for pattern in ("(a)\\1", "(?=a)", "[", "a{1,9999999}"):
            wrong = {"schema": {"properties": {"a": {"pattern": pattern}}}}
            scene.refused(scene.api("PATCH", path, wrong), 400, 422)
    assert time.monotonic() - began < 3


def other_host(scene: Scene) -> None:
    with scene.nothing_stored():
        request = request_of("/api/v1/runs", method="GET", host="evil.example")
        scene.refused(scene.server.send(request), 400)


def many_keys(scene: Scene) -> None:
    """Where keys are columns or rows, there is a limit to them."""
    path = f"tables/{scene.things['table']}/rows"
    with scene.nothing_stored():
        rows = [{"key": f"{n:x}", "value": 1} for n in range(10_000)]
        scene.refused(scene.api("POST", path, {"rows": rows}), 400, 413, 422)
        scene.refused(scene.api("PUT", f"{path}/{'k' * 5_000}", {"value": 1}), 400, 404, 422)


def wrong_bodies(scene: Scene) -> None:
    """The bodies that the inbox refuses, the API refuses, too."""
    with scene.nothing_stored():
        for raw in (
            b"",
            b"null",
            b"[]",
            b'"x"',
            b"{",
            b"\0",
            b'{"name": NaN}',
            b"\xef\xbb\xbf{",
            b'{"a":' * 5_000,
        ):
            scene.refused(scene.api("POST", "workflows", raw=raw), 400)


CASES: dict[str, Ask] = {
    "1 no JSON for the API": wrong_bodies,
    "15 NUL and half a pair in names": texts(b'"a\\u0000b"', b'"\\ud800"', b'"a\0b"'),
    "16 names that are too long or none": texts(
        b'"' + b"x" * 300 + b'"', b'""', b'"  "', b"7", b"null", b"[]"
    ),
    "38 unknown or a neighbour's": unknown_or_a_neighbours,
    "39 many digits for an id": many_digits,
    "48 schedules that are none": schedules(
        *(
            {"cron": cron}
            for cron in ("61 * * * *", "*/0 * * * *", "* * * *", "* * * * * *", "", "x", "\u0661 * * * *")
        )
    ),
    "49 a schedule that never fires": schedules({"cron": "* * 31 2 *"}, {"cron": "0 0 30-31 2 *"}),
    "50 every minute": every_minute,
    "51 a time zone that there is not": schedules(
        *({"cron": "0 0 * * *", "time_zone": zone} for zone in ("Mars/Crater", "../etc/passwd", "x" * 60))
    ),
    "52 flows in a circle": circles,
    "53 a job of another project": over_the_fence,
    "54 put away while in use": put_away_in_use,
    "55 edited while it runs": edited_while_it_runs,
    "56 code with an error in it": told_by_line("x = 1\ny = (", "def f(:\n  pass", "  x = 1", "return 1 +"),
    "57 marks in code": marks_in_code,
    "57 NUL in code": code_refused(b"x = 1\\u0000", b"\\ud800"),
    "57 a mark within": told_by_line("x = 1\ny\ufeff = 2"),
    "58 code that breaks compilers": told_by_line(
        "x = " + "-" * 100_000 + "1",
        "x = " + "1+" * 20_000 + "1",
        "x = " + "(" * 300,
        "x = " + "[" * 2_000 + "]" * 2_000,
    ),
    "58 more code than anybody reads": code_refused(b"x = 1\\n" * 60_000),
    "68 names that look alike": odd_names,
    "69 fields that are not theirs": mass_assignment,
    "70 parameters of lists": parameters,
    "71 a pattern that takes for ever": puzzling_pattern,
    "72 another host for the API": other_host,
    "74 many keys, long keys": many_keys,
}
