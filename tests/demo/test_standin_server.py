"""The shared base of the stand-ins: process, control API, log, faults, memory. Over real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from openfn_platform.demo.standins.openmrs.seeds import CLINIC, NATIONAL_ID
from openfn_platform.demo.standins.process import Standin, StandinFailed
from tests.demo.listener import listening

SESSION = "/ws/rest/v1/session"
PATIENT = "/ws/rest/v1/patient"
AUTH = ("admin", "Admin123")


@pytest.fixture(scope="module")
def running():
    with Standin.start("openmrs") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, auth=AUTH, timeout=5) as client:
        yield client


def patient(identifier):
    return {
        "person": {"gender": "F", "names": [{"givenName": "Asha", "familyName": "Said"}]},
        "identifiers": [{"identifier": identifier, "identifierType": NATIONAL_ID, "location": CLINIC}],
    }


def port_of(standin):
    return int(standin.url.rpartition(":")[2])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_the_stand_ins_load_neither_django_nor_celery():
    code = (
        "import sys; from openfn_platform.demo.standins import __main__, process; "
        "from openfn_platform.demo.standins.kinds import KINDS, kind_load; [kind_load(k) for k in KINDS]; "
        "sys.exit(any(m in sys.modules for m in ('django', 'celery', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_on_a_signal_even_with_a_caller_waiting(number):
    standin = Standin.start("twilio")
    standin.slow(60)
    with socket.create_connection(("127.0.0.1", port_of(standin))) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wait_until(lambda: standin.log())
        standin.process.send_signal(number)
        assert standin.process.wait(5) == 0
    assert standin.stop() == 0


def test_it_ends_when_its_parent_is_killed():
    code = (
        "import sys, time; from openfn_platform.demo.standins.process import Standin; "
        "print(Standin.start('twilio').process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert wait_until(lambda: not alive(pid))


def test_it_outlives_the_thread_that_started_it():
    started = []
    thread = threading.Thread(target=lambda: started.append(Standin.start("twilio")))
    thread.start()
    thread.join()
    with started[0] as standin:
        time.sleep(0.2)
        assert standin.state() == {"messages": []}


def test_a_port_that_is_taken_is_told_and_not_waited_for(standin, capfd):
    with pytest.raises(StandinFailed, match="before it listened"):
        Standin.start("openmrs", port=port_of(standin))
    assert "address already in use" in capfd.readouterr().err


def test_the_log_keeps_everything_but_the_secret(standin, client):
    client.post(f"{PATIENT}?v=full", json={"x": 1})
    (entry,) = standin.log()
    assert (entry["method"], entry["path"], entry["query"]) == ("POST", PATIENT, "v=full")
    assert json.loads(entry["body"]) == {"x": 1}
    assert entry["status"] == 400
    assert entry["headers"]["authorization"] == "Basic"
    standin.clear_log()
    assert standin.log() == []


def test_a_connection_serves_many_requests(standin):
    with socket.create_connection(("127.0.0.1", port_of(standin))) as caller:
        answers = caller.makefile("rb")
        with answers:
            for _ in range(3):
                caller.sendall(f"GET {SESSION} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert b" 200 " in answers.readline()
                headers = dict(line.lower().split(b": ", 1) for line in iter(answers.readline, b"\r\n"))
                assert headers[b"connection"] == b"keep-alive\r\n"
                body = answers.read(int(headers[b"content-length"]))
                assert json.loads(body) == {"authenticated": False}


def test_a_chunked_body_is_read(client):
    body = json.dumps(patient("AB123456")).encode()
    parts = iter([body[:10], body[10:]])
    answer = client.post(PATIENT, content=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201


def test_what_is_not_http_is_answered_and_closed(standin):
    with socket.create_connection(("127.0.0.1", port_of(standin))) as caller:
        caller.sendall(b"hello\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 400 ")


def test_sixty_four_slow_requests_are_served_at_once(standin):
    standin.slow(1)

    def ask(_):
        return httpx.get(standin.url + SESSION, timeout=10).status_code

    began = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(ask, range(64))) == {200}
    assert time.monotonic() - began < 15  # one after the other would be more than a minute


def test_five_hundred_requests_a_second_are_answered(standin):
    request = f"GET {SESSION} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port_of(standin))) as caller:
        caller.settimeout(10)
        began, answered = time.monotonic(), 0
        for _ in range(1000):
            caller.sendall(request)
            answered += caller.recv(4096).count(b"HTTP/1.1 200")
    assert answered == 1000
    assert time.monotonic() - began < 2


# Faults


def test_a_rule_acts_after_and_as_often_as_it_says(standin, client):
    standin.faults({"match": {"method": "get"}, "after": 1, "times": 2, "action": {"status": 503}})
    assert [client.get(SESSION).status_code for _ in range(4)] == [200, 503, 503, 200]
    (rule,) = standin.faults()
    assert (rule["seen"], rule["used"]) == (4, 2)


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({"method": "POST"}, False),
        ({"path_regex": "session$"}, True),
        ({"path_regex": "^/patient"}, False),
        ({"body_contains": "Asha"}, False),
        ({}, True),
    ],
)
def test_a_rule_meets_what_it_names(standin, client, match, hit):
    standin.faults({"match": match, "action": {"status": 418}})
    assert (client.get(SESSION).status_code == 418) is hit


def test_a_canned_answer_has_its_body_and_headers(standin, client):
    action = {"status": 429, "body": {"error": "slow down"}, "headers": {"Retry-After": "2"}}
    standin.faults({"action": action})
    answer = client.get(SESSION)
    assert answer.json() == {"error": "slow down"}
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-type"] == "application/json"


def test_a_canned_answer_processes_nothing(standin, client):
    standin.faults({"action": {"status": 503}})
    client.post(PATIENT, json=patient("AB123456"))
    assert standin.state()["patient"] == []


@pytest.mark.parametrize(
    ("action", "processed"),
    [({"drop_after_processing": True}, 1), ({"drop_before": True}, 0), ({"reset": True}, 0)],
)
def test_a_dropped_connection_says_nothing_about_what_was_done(standin, client, action, processed):
    standin.faults({"match": {"method": "POST"}, "times": 1, "action": action})
    with pytest.raises(httpx.ReadError if "reset" in action else httpx.RemoteProtocolError):
        client.post(PATIENT, json=patient("AB123456"))
    assert len(standin.state()["patient"]) == processed
    assert standin.log(method="POST")[0]["status"] is None


def test_a_caller_that_gives_up_on_a_delay_has_been_served_all_the_same(standin, client):
    standin.faults({"times": 1, "action": {"delay": 0.4}})
    with pytest.raises(httpx.ReadTimeout):
        client.post(PATIENT, json=patient("AB123456"), timeout=0.1)
    assert wait_until(lambda: len(standin.state()["patient"]) == 1)


def test_a_hanging_server_neither_answers_nor_works(standin, client):
    standin.faults({"times": 1, "action": {"hang": True}})
    with pytest.raises(httpx.ReadTimeout):
        client.post(PATIENT, json=patient("AB123456"), timeout=0.2)
    assert standin.state()["patient"] == []
    assert client.get(SESSION).status_code == 200


def test_wrong_json_is_half_of_the_right_one(standin, client):
    standin.faults({"action": {"wrong_json": True}})
    answer = client.get(SESSION)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()


def test_headers_without_a_status_go_with_the_real_answer(standin, client):
    standin.faults({"action": {"headers": {"Content-Type": "text/html"}, "body": "<h1>proxy</h1>"}})
    answer = client.get(SESSION)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.text == "<h1>proxy</h1>"


def test_a_dripping_answer_is_right_but_late(standin, client):
    standin.faults({"times": 1, "action": {"drip": 0.001}})
    began = time.monotonic()
    assert client.get(SESSION).json()["authenticated"]
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"action": {}},
        {"action": {"explode": True}},
        {"action": {"status": "503"}},
        {"match": {"host": "x"}, "action": {"status": 503}},
        {"match": {"path_regex": "("}, "action": {"status": 503}},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(standin, rule):
    with pytest.raises(StandinFailed):
        standin.faults(rule)
    assert standin.faults() == []


def test_control_calls_are_neither_logged_nor_faulty(standin):
    standin.faults({"action": {"status": 503}})
    standin.slow(30)
    assert standin.state()["patient"] == []
    assert standin.log() == []
    standin.clear_faults()


def test_unknown_settings_and_calls_are_refused(standin):
    with pytest.raises(StandinFailed, match="no setting `colour`"):
        standin.configure(colour="red")
    with pytest.raises(StandinFailed, match="no such control"):
        standin.call("GET", "everything")


# Memory


@pytest.mark.parametrize("end", [Standin.stop, Standin.kill])
def test_patients_survive_a_restart_however_it_ended(tmp_path, end):
    with Standin.start("openmrs", data=tmp_path / "openmrs.json") as first:
        answer = httpx.post(first.url + PATIENT, json=patient("AB123456"), auth=AUTH)
        end(first)
    with Standin.start("openmrs", data=tmp_path / "openmrs.json") as second:
        again = httpx.post(second.url + PATIENT, json=patient("AB123456"), auth=AUTH)
        found = httpx.get(f"{second.url}{PATIENT}/{answer.json()['uuid']}", auth=AUTH)
    assert found.status_code == 200
    assert "already in use" in again.text
    assert os.listdir(tmp_path) == ["openmrs.json"]


def test_a_line_cut_off_by_a_crash_costs_only_itself(tmp_path):
    data = tmp_path / "openmrs.json"
    with Standin.start("openmrs", data=data) as first:
        httpx.post(first.url + PATIENT, json=patient("AB123456"), auth=AUTH)
    with data.open("a") as journal:
        journal.write('["patient", "x", {"uu')
    with Standin.start("openmrs", data=data) as second:
        assert len(second.state()["patient"]) == 1


def test_reset_forgets_everything_but_what_a_new_system_has(standin, client):
    client.post(PATIENT, json=patient("AB123456"))
    standin.configure(password="other")
    standin.reset()
    state = standin.state()
    assert (state["patient"], state["person"]) == ([], [])
    assert len(state["location"]) == 3
    assert client.post(PATIENT, json=patient("AB123456")).status_code == 201


# Requests of its own


def test_a_callback_is_made_again_with_growing_waits_until_it_is_taken():
    with listening(500, 404) as heard, Standin.start("commcare") as standin:
        standin.configure(forward_forms_to=heard.url, forward_retry_seconds=0.1)
        standin.call("POST", "registrations", {"count": 1})
        first, second, third = heard.wait_for(3)
        time.sleep(0.25)
    assert len(heard.posted) == 3
    assert first.body == second.body == third.body
    assert second.at - first.at >= 0.1
    assert third.at - second.at >= 0.2


def test_a_callback_that_nobody_takes_is_given_up():
    with listening(*[503] * 9) as heard, Standin.start("commcare") as standin:
        standin.configure(forward_forms_to=heard.url, forward_retry_seconds=0.01)
        standin.call("POST", "registrations", {"count": 1})
        assert len(heard.wait_for(5)) == 5
        time.sleep(0.3)
        assert standin.state()["form"]
    assert len(heard.posted) == 5


def test_a_callback_to_nobody_harms_nothing():
    with listening() as gone:
        pass
    with Standin.start("commcare") as standin:
        standin.configure(forward_forms_to=gone.url, forward_retry_seconds=0.01)
        standin.call("POST", "registrations", {"count": 1})
        time.sleep(0.3)
        assert len(standin.state()["form"]) == 5


def test_a_callback_is_made_once_unless_told_otherwise():
    form = {"To": "+255712345678", "From": "+15005550006", "Body": "Clinic tomorrow"}
    with listening(500) as heard, Standin.start("twilio") as standin:
        standin.configure(sent_after=0.0, delivered_after=60)
        account = standin.call("GET", "config")
        auth = (account["account_sid"], account["auth_token"])
        url = f"{standin.url}/2010-04-01/Accounts/{auth[0]}/Messages.json"
        httpx.post(url, data={**form, "StatusCallback": heard.url}, auth=auth)
        heard.wait_for(1)
        time.sleep(0.2)
    assert len(heard.posted) == 1
