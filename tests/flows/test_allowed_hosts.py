"""A real run speaks to the hosts that its project lists and to no others, by whatever protocol and way round."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from jobs.credential_tests import TestFailed, credential_test
from openfn_platform.projects.founding import project_change
from runs.models import HttpExchange, Run
from runs.starting import job_start
from tests.common.faulty import FaultyServer, answer
from tests.flows.world import Engine, World, final_of, outcome


def allow(world: World, *hosts: str) -> None:
    project_change(project=world.project, by=world.owner, allowed_hosts=list(hosts))


def ran(world: World, engine: Engine, code: str, **connections: Any) -> Run:
    run = job_start(job=world.job(code, connections=connections))
    engine.drain()
    run.refresh_from_db()
    return run


def refused(run: Run, host: str) -> None:
    """It failed with a sentence that names the host and says where to allow it."""
    assert outcome(run) == "failed:AdaptorError", run.error_message
    assert run.error_message.startswith(host)
    assert "is not among the hosts that this project may speak to" in run.error_message
    assert "“Allowed hosts” in the settings of the project" in run.error_message


def port_of(server: FaultyServer) -> int:
    return int(server.url.rsplit(":", 1)[1])


def test_http_reaches_a_listed_host_at_its_port_and_no_other(world: World, engine: Engine) -> None:
    with FaultyServer(answer(200, {"a": 1})) as server:
        allow(world, f"127.0.0.1:{port_of(server)}")
        code = f"state.data = http.get('{server.url}/x').body"
        run = ran(world, engine, code)
        assert final_of(run)["data"] == {"a": 1}
        refused(ran(world, engine, code.replace("127.0.0.1", "localhost")), "localhost")
        allow(world, "127.0.0.1:1")
        refused(ran(world, engine, code), "127.0.0.1")
        allow(world, "*.example.org", "10.0.0.0/8")
        refused(ran(world, engine, code), "127.0.0.1")
        assert len(server.seen) == 1


def test_a_credentials_own_address_is_judged_too(world: World, engine: Engine) -> None:
    with FaultyServer(answer(200, {})) as server:
        values = {"username": "clinic", "password": "correct-horse", "test_path": "/me"}
        link = world.credential("http", baseUrl=server.url, **values)
        allow(world, "dhis2.example.org")
        refused(ran(world, engine, "partner.get('/x')", partner=("http", link)), "127.0.0.1")
        with pytest.raises(TestFailed, match="Allowed hosts"):
            credential_test(credential=link.credential, by=world.owner)
        assert server.seen == []


def test_a_redirect_leads_to_listed_hosts_only(world: World, engine: Engine) -> None:
    with FaultyServer(answer(200, {"there": 1})) as there:
        away = answer(302, b"", {"location": there.url.replace("127.0.0.1", "localhost") + "/y"})
        with FaultyServer(away, away) as here:
            allow(world, f"127.0.0.1:{port_of(here)}")
            code = f"state.data = http.get('{here.url}/x').body"
            run = ran(world, engine, code)
            refused(run, "localhost")
            assert there.seen == []
            allow(world, f"127.0.0.1:{port_of(here)}", f"localhost:{port_of(there)}")
            assert final_of(ran(world, engine, code))["data"] == {"there": 1}
            shown = HttpExchange.objects.filter(run_id=run.pk).order_by("seq")
            assert [each.status for each in shown] == [302, None]


@pytest.mark.parametrize(
    ("adaptor", "values", "code"),
    [
        ("postgresql", {"database": "d", "user": "u", "password": "p" * 8}, "partner.query('select 1')"),
        ("mysql", {"database": "d", "user": "u", "password": "p" * 8}, "partner.query('select 1')"),
        ("mssql", {"database": "d", "user": "u", "password": "p" * 8}, "partner.query('select 1')"),
        ("sftp", {"username": "u", "password": "p" * 8, "hostKey": "x"}, "partner.list('/')"),
        ("email", {"from": "a@x.example"}, "partner.send(to='b@x.example', subject='s', text='t')"),
    ],
)
def test_what_is_not_http_keeps_to_the_list_too(
    world: World, engine: Engine, adaptor: str, values: dict[str, Any], code: str
) -> None:
    with FaultyServer() as server:
        allow(world, f"127.0.0.1:{port_of(server)}")
        link = world.credential(adaptor, host="localhost", port=port_of(server), **values)
        refused(ran(world, engine, code, partner=(adaptor, link)), "localhost")


def test_a_job_does_not_widen_its_own_list(world: World, engine: Engine) -> None:
    with FaultyServer() as server:
        allow(world, "dhis2.example.org")
        run = ran(world, engine, f"http.context.allowed_hosts = ()\nhttp.get('{server.url}/x')")
        assert outcome(run).startswith("failed:")
        assert server.seen == []


def test_an_oauth_token_is_asked_for_at_listed_hosts_only(
    world: World, engine: Engine, settings: Settings
) -> None:
    with FaultyServer(answer(200, {"access_token": "t" * 30, "expires_in": 600})) as server:
        allow(world, "crm.example.org")
        link = world.credential(
            "http",
            baseUrl="https://crm.example.org",
            token_url=f"{server.url}/token",
            grant="client_credentials",
            client_id="clinic",
            client_secret="correct-horse-battery",
        )
        run = ran(world, engine, "partner.get('/x')", partner=("http", link))
        assert server.seen == []
        assert "127.0.0.1" in run.error_message, run.error_message
        assert "Allowed hosts" in run.error_message
