"""Credentials: what goes in encrypted, what never comes out, who may use them."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from django.core.management import call_command
from django.db import connection

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import Timeout
from jobs.credential_tests import TestFailed, credential_test
from jobs.credential_values import BadCredential
from jobs.credentials import (
    credential_archive,
    credential_change,
    credential_create,
    credential_visible,
)
from jobs.lending import credential_lend, credential_unlend
from jobs.models import CredentialBody, ProjectCredential
from jobs.opening import CredentialLoadError, credential_open
from jobs.rotating import credentials_rotate
from jobs.signals import credential_changed, credential_proved
from jobs.trying import connection_try
from jobs.usage import InUse, credential_used_by
from openfn_platform.common.crypto import Cipher, new_key
from openfn_platform.common.errors import Conflict, NotAllowed, NotFound
from openfn_platform.projects.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db
SECRET = "canary-5ac1-horse"
VALUES = {"instanceUrl": "https://emr.example.org/openmrs", "username": "clinic", "password": SECRET}


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def credential(cast):
    return credential_create(
        project=cast.project, name="OpenMRS of the clinic", adaptor="openmrs", values=VALUES, by=cast.admin
    )


@pytest.fixture
def heard():
    found = []

    def hear(signal, **facts):
        found.append(signal)

    for signal in (credential_changed, credential_proved):
        signal.connect(hear)
    yield found
    for signal in (credential_changed, credential_proved):
        signal.disconnect(hear)


def opened(credential, environment="main"):
    credential.refresh_from_db()
    fresh = type(credential).objects.get(pk=credential.pk)
    return credential_open(credential=fresh, environment=environment)


def test_a_credential_is_readable_for_runs_and_nowhere_in_the_database(credential):
    assert opened(credential) == VALUES
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT string_agg(b::text, '') FROM credential_body b)"
            " || (SELECT string_agg(a::text, '') FROM audit_entry a)"
        )
        dump = cursor.fetchone()[0]
    assert SECRET not in dump
    assert SECRET.encode().hex() not in dump


def test_ciphertext_that_is_moved_to_another_row_does_not_open(cast, credential):
    other = factories.credential(cast.project)
    stolen = CredentialBody.objects.get(credential=credential)
    CredentialBody.objects.filter(credential=other).update(ciphertext=stolen.ciphertext, key_id=stolen.key_id)
    with pytest.raises(CredentialLoadError, match="cannot be read"):
        opened(other)


@pytest.mark.parametrize(
    ("adaptor", "values", "sentence"),
    [
        ("openmrs", {"username": "x"}, "lacks"),
        ("openmrs", {**VALUES, "password": ""}, "lacks"),
        ("openmrs", {**VALUES, "instanceUrl": "ftp://x"}, "instanceUrl"),
        ("dhis9", VALUES, "no adaptor"),
    ],
)
def test_incomplete_values_are_refused_without_being_quoted(cast, adaptor, values, sentence):
    with pytest.raises(BadCredential, match=sentence) as caught:
        credential_create(project=cast.project, name="x", adaptor=adaptor, values=values, by=cast.admin)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("person", ["editor", "outsider"])
def test_credentials_are_for_admins(cast, credential, person):
    somebody = getattr(cast, person)
    expected = NotFound if person == "outsider" else NotAllowed
    for deed in (
        lambda: credential_create(
            project=cast.project, name="x", adaptor="openmrs", values=VALUES, by=somebody
        ),
        lambda: credential_change(credential=credential, values={"username": "x"}, by=somebody),
        lambda: credential_lend(credential=credential, project=cast.project, by=somebody),
        lambda: credential_unlend(credential=credential, project=cast.project, by=somebody),
        lambda: credential_archive(credential=credential, by=somebody),
    ):
        with pytest.raises(expected):
            deed()


def test_a_form_shows_everything_but_the_secrets(credential):
    visible = credential_visible(credential=credential)
    assert visible.values == {"instanceUrl": VALUES["instanceUrl"], "username": "clinic"}
    assert visible.secrets_set == ("password",)
    assert SECRET not in repr(visible)


@pytest.mark.parametrize("blank", [None, ""])
def test_a_secret_left_empty_stays(cast, credential, heard, blank):
    credential_change(credential=credential, values={"username": "other", "password": blank}, by=cast.admin)
    assert opened(credential) == {**VALUES, "username": "other"}
    assert heard == [credential_changed]


def test_a_field_left_out_stays_and_an_emptied_one_goes(cast, credential):
    credential_change(credential=credential, values={"fhirVersion": "R4"}, by=cast.admin)
    assert opened(credential) == {**VALUES, "fhirVersion": "R4"}
    credential_change(credential=credential, values={"fhirVersion": ""}, by=cast.admin)
    assert opened(credential) == VALUES


def test_a_secret_that_is_needed_cannot_be_cleared(cast, credential):
    with pytest.raises(BadCredential, match="lacks"):
        credential_change(credential=credential, values={}, clear=["password"], by=cast.admin)


def test_an_optional_secret_can_be_cleared(cast):
    web = factories.credential(
        cast.project, adaptor="http", values={"baseUrl": "https://api.example.org", "access_token": SECRET}
    )
    credential_change(credential=web, values={}, clear=["access_token"], by=cast.admin)
    assert opened(web) == {"baseUrl": "https://api.example.org"}


def test_the_password_does_not_follow_to_another_server_unasked(cast, credential):
    with pytest.raises(BadCredential, match="another server"):
        credential_change(
            credential=credential, values={"instanceUrl": "https://evil.example"}, by=cast.admin
        )
    same_server = {"instanceUrl": "https://emr.example.org/other"}
    credential_change(credential=credential, values=same_server, by=cast.admin)
    credential_change(
        credential=credential,
        values={"instanceUrl": "https://new.example", "password": "typed again"},
        by=cast.admin,
    )
    assert opened(credential)["instanceUrl"] == "https://new.example"


def test_each_environment_has_values_of_its_own(cast, credential):
    with pytest.raises(BadCredential, match="lacks"):
        credential_change(credential=credential, values={"username": "t"}, environment="test", by=cast.admin)
    test_values = {**VALUES, "username": "tester"}
    credential_change(credential=credential, values=test_values, environment="test", by=cast.admin)
    assert opened(credential, "test")["username"] == "tester"
    assert opened(credential)["username"] == "clinic"


def test_the_audit_names_the_fields_and_not_their_values(cast, credential):
    credential_change(credential=credential, values={"password": SECRET + "2"}, by=cast.admin)
    entry = AuditEntry.objects.get(action="credential changed")
    assert entry.changes["fields"] == ["password"]


# ---- lending ---------------------------------------------------------------------------------------------


def test_it_is_lent_only_to_projects_that_the_lender_knows(cast, credential):
    foreign = factories.project()
    with pytest.raises(NotFound):
        credential_lend(credential=credential, project=foreign, by=cast.admin)


def test_it_is_not_taken_back_while_a_live_job_uses_it(cast, credential):
    borrower = factories.project(owner=cast.admin)
    link = credential_lend(credential=credential, project=borrower, by=cast.admin)
    job = factories.job(borrower, "Weekly export", connections={"openmrs": credential})
    with pytest.raises(InUse, match="Weekly export"):
        credential_unlend(credential=credential, project=borrower, by=cast.admin)
    job.live_version = None
    job.save()
    credential_unlend(credential=credential, project=borrower, by=cast.admin)
    assert ProjectCredential.objects.get(pk=link.pk).ended_at is not None
    again = credential_lend(credential=credential, project=borrower, by=cast.admin)
    assert (again.pk, again.ended_at) == (link.pk, None)


def test_the_home_project_always_may_use_it(cast, credential):
    with pytest.raises(Conflict, match="archive it instead"):
        credential_unlend(credential=credential, project=cast.project, by=cast.admin)


def test_it_is_not_archived_while_a_live_job_uses_it_even_in_a_project_one_does_not_see(cast, credential):
    hidden = factories.project("Secret programme")
    credential_lend(credential=credential, project=hidden, by=cast.superuser)
    mine = factories.job(cast.project, "Register", connections={"openmrs": credential})
    theirs = factories.job(hidden, "Hidden job", connections={"openmrs": credential})
    assert credential_used_by(credential=credential) == [mine, theirs]
    with pytest.raises(InUse, match=r"“Register”.*, 1 in projects that you do not belong to") as caught:
        credential_archive(credential=credential, by=cast.admin)
    assert "Hidden job" not in str(caught.value)


def test_an_archived_credential_opens_nothing(cast, credential):
    credential_archive(credential=credential, by=cast.admin)
    with pytest.raises(CredentialLoadError, match="archived"):
        opened(credential)
    with pytest.raises(Conflict):
        credential_change(credential=credential, values={}, by=cast.admin)


# ---- testing the connection ------------------------------------------------------------------------------


@pytest.fixture
def partner():
    """A real server that answers every request with the status that was asked for."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    status = ["200 OK"]

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(65_536)
                body = b'{"authenticated": true}'
                head = f"HTTP/1.1 {status[0]}\r\nContent-Type: application/json\r\nConnection: close\r\n"
                peer.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", status
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=10)


def web(project, address):
    values = {"baseUrl": address, "access_token": SECRET, "test_path": "/me"}
    return factories.credential(project, adaptor="http", values=values)


def test_a_test_that_works_says_so_and_proves_the_credential(cast, partner, heard):
    address, _ = partner
    assert "accepts" in credential_test(credential=web(cast.project, address), by=cast.editor)
    assert heard == [credential_proved]


def test_a_test_that_fails_says_why_and_proves_nothing(cast, partner, heard):
    address, status = partner
    status[0] = "401 Unauthorized"
    with pytest.raises(TestFailed) as caught:
        credential_test(credential=web(cast.project, address), by=cast.editor)
    assert caught.value.context["kind"] == "auth"
    assert SECRET not in str(caught.value)
    assert heard == []


def test_a_partner_that_never_answers_is_not_waited_for(cast):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Timeout, match="did not answer within"):
            connection_try(
                spec=registry.spec("http"),
                configuration={"baseUrl": address, "test_path": "/"},
                context=Context(allow_private=True),
                seconds=0.3,
            )


def test_viewers_and_projects_it_is_not_lent_to_cannot_test_it(cast, credential):
    with pytest.raises(NotAllowed):
        credential_test(credential=credential, by=cast.operator)
    elsewhere = factories.project(owner=cast.editor)
    with pytest.raises(NotFound):
        credential_test(credential=credential, by=cast.editor, project=elsewhere)


# ---- keys ------------------------------------------------------------------------------------------------


def test_rotation_encrypts_everything_with_the_new_key(credential, settings, capsys):
    old = list(settings.CREDENTIAL_KEYS)
    settings.CREDENTIAL_KEYS = [new_key(), *old]
    call_command("rotate_credentials")
    assert capsys.readouterr().out == "1 stored secret encrypted anew.\n"
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert opened(credential) == VALUES
    call_command("rotate_credentials")
    assert capsys.readouterr().out == "0 stored secrets encrypted anew.\n"


def test_rotation_goes_through_more_than_one_batch(cast, settings):
    for _ in range(5):
        factories.credential(cast.project)
    settings.CREDENTIAL_KEYS = [new_key(), *settings.CREDENTIAL_KEYS]
    assert credentials_rotate(batch=2) == 5


def test_a_fresh_key_is_printed_that_can_be_used(capsys):
    call_command("credential_key")
    sealed = Cipher([capsys.readouterr().out.strip()]).encrypt(json.dumps(VALUES).encode(), owner="x")
    assert SECRET.encode() not in sealed
