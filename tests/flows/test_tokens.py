"""Runs that log in by OAuth, in real children: the token is renewed before and while they run, and never told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.credential_tests import credential_test
from jobs.models import Credential, CredentialToken, Job, ProjectCredential
from jobs.oauth import connection_of
from openfn_platform.projects.models import Role
from runs.models import ConnectionHold, HttpExchange, Run
from runs.models.engine import HoldStage
from runs.starting import job_start
from tests.flows.canary import everything_stored
from tests.flows.world import Engine, World, final_of, log_of, make_due, outcome
from tests.servers.connecting import connected
from tests.servers.oauth import SECRET, Provider

TWO_WRITES = """
for n in (1, 2):
    partner.post("/records", {"n": n})
    print("written", n, "with", vars(partner.auth))
state.data = {"configuration": dict(state.configuration), "token": partner.auth.secrets()}
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def job_by_itself(world: World, provider: Provider, code: str = TWO_WRITES, **fields: Any) -> Job:
    link = world.credential("http", **provider.credential("client_credentials"))
    return world.job(code, connections={"partner": ("http", link)}, **fields)


def job_by_person(world: World, provider: Provider, code: str = TWO_WRITES) -> Job:
    link = world.credential("http", **provider.credential("authorization_code"))
    connected(link.credential, by=world.person(Role.ADMIN))
    return world.job(code, connections={"partner": ("http", link)})


def link_of(job: Job) -> ProjectCredential:
    return ProjectCredential.objects.select_related("credential").get(connections__version__job=job)


def test_a_token_that_is_refused_while_the_job_runs_is_renewed_and_nothing_is_written_twice(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.revokes_after = 1
    run = job_start(job=job_by_person(world, provider))
    engine.drain()
    assert outcome(run) == "success"
    assert provider.records == [{"n": 1}, {"n": 2}]
    assert provider.calls == [200, 401, 200]
    assert provider.grants() == ["authorization_code", "refresh_token"]
    assert "The access token was refused and has been renewed." in log_of(run)


def test_the_next_run_goes_on_with_the_token_that_was_got_meanwhile(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.revokes_after = 1
    job = job_by_person(world, provider)
    for _ in range(2):
        job_start(job=job)
        engine.drain()
    assert {outcome(run) for run in world.runs()} == {"success"}
    assert provider.grants().count("refresh_token") == 1


def test_a_token_that_came_while_the_job_ran_is_told_nowhere(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.revokes_after = 1
    run = job_start(job=job_by_itself(world, provider))
    engine.drain()
    assert outcome(run) == "success"
    tokens = [form for form in provider.grants() if form == "client_credentials"]
    assert len(tokens) == 2
    said = "\n".join(log_of(run))
    assert said.count("***") >= 2
    assert final_of(run)["data"]["token"] == ["***"]
    assert final_of(run)["data"]["configuration"]["access_token"] == "***"
    kept = [(place, content) for place, content in everything_stored() if b"access-" in content]
    assert kept == []
    assert not [place for place, content in everything_stored() if SECRET.encode() in content]


def test_the_job_never_has_the_clients_secret(world: World, engine: Engine, provider: Provider) -> None:
    run = job_start(job=job_by_itself(world, provider, "state.data = sorted(state.configuration)"))
    engine.drain()
    assert "access_token" in final_of(run)["data"]
    assert "client_secret" not in final_of(run)["data"]


def test_a_token_that_ends_soon_is_renewed_before_the_job_begins(
    world: World, engine: Engine, provider: Provider
) -> None:
    job = job_by_person(world, provider)
    CredentialToken.objects.update(expires_at=timezone.now() + timedelta(seconds=30))
    CredentialToken.objects.update(obtained_at=timezone.now() - timedelta(hours=1))
    run = job_start(job=job)
    engine.drain()
    assert outcome(run) == "success"
    assert provider.grants() == ["authorization_code", "refresh_token"]
    assert provider.calls == [200, 200]


def test_an_agreement_that_ends_while_the_job_runs_ends_the_run_with_what_is_to_be_done(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.ends_after = 1
    job = job_by_person(world, provider)
    run = job_start(job=job)
    engine.drain()
    assert outcome(run) == "exception:CredentialLoadError"
    assert "must be connected again" in run.error_message
    assert provider.records == [{"n": 1}]
    how = connection_of(credential=link_of(job).credential, environment=world.project.environment)
    assert how is not None
    assert "expired or revoked" in how.again


def test_runs_of_an_ended_agreement_do_not_start_and_soon_wait_until_it_is_connected_again(
    world: World, engine: Engine, provider: Provider
) -> None:
    job = job_by_person(world, provider)
    provider.end_agreements()
    CredentialToken.objects.update(expires_at=timezone.now())
    world.on_message(job)
    for _ in range(3):
        world.post({})
    engine.drain()
    runs = world.runs()
    assert [outcome(run) for run in runs] == ["exception:CredentialLoadError"] * 2 + ["available"]
    assert "must be connected again" in runs[0].error_message
    assert provider.grants() == ["authorization_code", "refresh_token"]  # nobody asked a second time
    assert provider.calls == []
    assert ConnectionHold.objects.get().stage == HoldStage.HELD

    credential = Credential.objects.get()
    connected(credential, by=world.owner)
    credential_test(credential=Credential.objects.get(), by=world.owner)
    engine.drain()
    assert outcome(runs[2]) == "success"


def test_a_provider_that_is_away_is_tried_again_like_a_partner_that_is(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.down = True
    run = job_start(job=job_by_itself(world, provider, max_attempts=2))
    engine.drain()
    assert outcome(run) == "exception:CredentialLoadError"
    assert "Come back later" in run.error_message
    provider.down = False
    again = Run.objects.get(retry_of=run)
    make_due(again)
    engine.drain()
    assert outcome(again) == "success"


def test_a_partner_that_refuses_every_token_does_not_wear_out_the_provider(
    world: World, engine: Engine, provider: Provider
) -> None:
    code = """
for n in range(5):
    try:
        partner.get("/elsewhere")
    except Exception as error:
        log(type(error).__name__, error)
"""
    provider.refuses = True
    run = job_start(job=job_by_itself(world, provider, code))
    engine.drain()
    assert outcome(run) == "success"
    assert len(provider.asked) == 2  # one to begin with, one after the first refusal
    assert provider.calls == [401] * 6
    assert any("renewed a moment ago" in line for line in log_of(run))


def test_what_was_exchanged_is_kept_without_the_token(
    world: World, engine: Engine, provider: Provider
) -> None:
    provider.revokes_after = 1
    job_start(
        job=job_by_itself(
            world, provider, TWO_WRITES + "partner.get('/x', params={'t': partner.auth.secrets()[0]})"
        )
    )
    engine.drain()
    assert [row.status for row in HttpExchange.objects.order_by("seq")] == [200, 401, 200, 200]
    assert not [
        row for row in HttpExchange.objects.all() if "access-" in json.dumps([row.url, row.request_body])
    ]


def test_a_credential_that_is_over_still_works_and_the_log_says_so(world: World, engine: Engine) -> None:
    link = world.credential("http", access_token="does-not-matter", baseUrl="http://127.0.0.1:9")
    Credential.objects.update(expires_at=timezone.now() - timedelta(days=3))
    run = job_start(job=world.job("note('worked')", connections={"partner": ("http", link)}))
    engine.drain()
    assert outcome(run) == "success"
    assert any("was good until" in line and "used all the same" in line for line in log_of(run))


def test_one_that_ends_later_warns_of_nothing(world: World, engine: Engine) -> None:
    link = world.credential("http", access_token="does-not-matter", baseUrl="http://127.0.0.1:9")
    Credential.objects.update(expires_at=timezone.now() + timedelta(days=3))
    run = job_start(job=world.job("pass", connections={"partner": ("http", link)}))
    engine.drain()
    assert log_of(run) == []
