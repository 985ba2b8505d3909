"""The story end to end: the whole product started by `up`, played through its public doors, with and without Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from openfn_platform.demo.clinic import ALERT, REGISTER, SUPERVISOR
from openfn_platform.demo.doors import Doors, facts_read
from openfn_platform.demo.forms import registrations
from openfn_platform.demo.story import FINISHED
from openfn_platform.local.ports import some_port
from openfn_platform.local.stack import CARTO_DATABASE

CHECKOUT = Path(__file__).resolve().parents[2]
# Servers of its own, as on a fresh machine; sweeping often, so that mails do not have to be waited for; and a short
# grace, because a Celery worker without a broker sleeps for up to half a minute before it hears a signal.
SERVERS = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "STANDINS", "DATA_DIR"}
QUICK = {"RUN_SWEEP_SECONDS": "1", "RUN_GRACE_SECONDS": "1"}
WELL = "five patients, one text message each, one mail when it failed and one when it was well again"


@contextmanager
def up(**environment: str) -> Iterator[Path]:
    """The data folder of a running `up` with the demo."""
    with tempfile.TemporaryDirectory(prefix="openfn-story-", dir="/tmp") as folder:
        data = Path(folder) / "data"
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--data", str(data), "--port", str(some_port())],
            cwd=CHECKOUT, env=own_environment(**environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        lines: list[str] = []
        assert process.stdout
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reader.start()
        try:
            deadline = time.monotonic() + 90
            while not any("ready after" in line for line in list(lines)):
                assert process.poll() is None, "".join(lines)
                assert time.monotonic() < deadline, "".join(lines)
                time.sleep(0.05)
            yield data
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
            reader.join(timeout=5)
            process.stdout.close()
        assert code == 0, "".join(lines[-50:])


def own_environment(**more: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in SERVERS} | QUICK | more


def story(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "story", "--data", str(data), "--seconds", "30"],
        cwd=CHECKOUT, env=own_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def plays_well(data: Path) -> None:
    done = story(data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert WELL in done.stdout
    assert done.stdout.count(" success ") == 5


@pytest.fixture(scope="module")
def stack():
    with up() as data:
        yield data


def control(data: Path, name: str, knob: str, body: Any) -> None:
    """Turn a knob of a stand-in."""
    url = facts_read(data)["standins"][name]
    httpx.post(f"{url}/__standin__/{knob}", json=body, trust_env=False).raise_for_status()


def eventually(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (result := found()):
        assert time.monotonic() < deadline, "it did not happen within 20 seconds"
        time.sleep(0.1)
    return result


def test_it_can_be_played_again_and_again(stack):
    plays_well(stack)
    plays_well(stack)


def test_without_redis_it_passes_too():
    with up(PLATFORM_NO_REDIS="1") as data:
        assert facts_read(data)["redis_url"] == ""
        plays_well(data)


def test_it_fails_in_a_sentence_when_a_patient_gets_no_message(stack):
    refusal = {"code": 21211, "message": "The 'To' number is not a valid phone number.", "status": 400}
    match = {"method": "POST", "body_contains": "Welcome"}
    control(
        stack, "twilio", "faults", [{"match": match, "times": 1, "action": {"status": 400, "body": refusal}}]
    )
    done = story(stack)
    assert done.returncode == 1
    assert "got 0 text messages, not 1." in done.stderr
    assert WELL not in done.stdout


def test_without_a_running_platform_it_says_how_to_start_one(tmp_path):
    done = story(tmp_path)
    assert done.returncode == 1
    assert "start `python3 manage.py up` first" in done.stderr


def test_a_patient_whose_visit_is_refused_is_taken_back_and_made_once_by_the_retry(stack):
    refusal = {"error": {"message": "The encounter was refused", "code": "test"}}
    match = {"method": "POST", "path_regex": "/encounter$"}
    control(
        stack, "openmrs", "faults", [{"match": match, "times": 1, "action": {"status": 400, "body": refusal}}]
    )
    with Doors(facts_read(stack)) as doors:
        jobs = {job["key"]: job["id"] for job in doors.all("jobs")}
        form = registrations(taken=set())[0][0]
        order = doors.post(form.message)["work_orders"][0]["id"]

        def runs(key: str) -> list[dict[str, Any]]:
            """Of one job, when all of the work order's have ended."""
            found = doors.one(f"work-orders/{order}")["runs"]
            over = all(run["state"] in FINISHED for run in found)
            return [run for run in found if run["job"] == jobs[key]] if over else []

        alert = eventually(lambda: runs(ALERT.key))
        assert [(run["state"], run["error_message"]) for run in alert] == [("success", None)]
        taken_back = doors.one(f"runs/{alert[0]['id']}/final-state")["data"]["taken_back"]
        assert taken_back
        assert taken_back not in doors.patients()
        told = [
            text["body"]
            for text in doors.texts()
            if text["to"] == SUPERVISOR and form.instance[:8] in text["body"]
        ]
        assert len(told) == 1

        refused = runs(REGISTER.key)[0]
        doors.tell(f"runs/{refused['id']}/retry", {})
        attempts = eventually(lambda: len(runs(REGISTER.key)) == 2 and runs(REGISTER.key))
        assert sorted(run["state"] for run in attempts) == ["failed", "success"]
        owners = [uuid for uuid, held in doors.patients().items() if form.national_id in held]
        assert len(owners) == 1
        assert owners != [taken_back]


def test_a_form_that_is_submitted_at_commcare_becomes_a_patient_by_itself(stack):
    with Doors(facts_read(stack)) as doors:
        before, texts = doors.patients().keys(), len(doors.texts())
        control(stack, "commcare", "registrations", {"count": 1})
        eventually(lambda: len(doors.patients().keys() - before) == 1)
        eventually(lambda: len(doors.texts()) == texts + 1)  # or the welcome would come into another test


def test_carto_works_in_a_database_of_its_own(stack):
    assert facts_read(stack)["standins"]["carto"]
    with Doors(facts_read(stack)) as doors:
        assert "events-to-the-map" in {job["key"] for job in doors.all("jobs")}
    url = facts_read(stack)["standins"]["carto"]
    said = httpx.get(f"{url}/api/v2/sql", params={"q": "SELECT current_database() AS name"}, trust_env=False)
    assert said.json()["rows"] == [{"name": CARTO_DATABASE}]
