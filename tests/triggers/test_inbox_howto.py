"""The commands that the admin shows are run as they stand, against a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings

from tests.flows.world import World
from tests.triggers.serving import Server
from triggers.admin import howto
from triggers.admitting import inbox_password_add, inbox_secret_add
from triggers.inboxes import inbox_change, inbox_key_add
from triggers.models import Message
from triggers.models.inbox import AuthKind, InboxAccess

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(django_settings.INSTALLED_APPS))
ODD = "it's $HOME, `two` words\\"


@pytest.fixture
def shut(server: Server, site: World, settings: Any) -> World:
    settings.PUBLIC_URL = f"http://127.0.0.1:{server.port}"
    inbox_change(inbox=site.inbox, by=site.owner, access=InboxAccess.KEY)
    site.inbox.refresh_from_db()
    return site


def in_shell(commands: str) -> str:
    for program in ("curl", "openssl", "od"):
        if program in commands and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return ran(["/bin/sh", "-c", commands.replace("curl ", "curl --noproxy '*' -sS ")])


def ran(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def taken(site: World, output: str) -> None:
    message = Message.objects.get(pk=json.loads(output)["message"])
    assert (message.inbox_id, message.intake is not None) == (
        site.inbox.pk,
        site.inbox.access != InboxAccess.NONE,
    )


def test_with_a_key(shut: World):
    _, key = inbox_key_add(inbox=shut.inbox, name="k", by=shut.owner)
    taken(shut, in_shell(howto.curl(shut.inbox, key)))


def test_without_anything_where_nothing_is_asked_for(shut: World):
    inbox_change(inbox=shut.inbox, by=shut.owner, access=InboxAccess.NONE)
    taken(shut, in_shell(howto.curl(shut.inbox)))


@pytest.mark.parametrize("password", ["", ODD], ids=["made", "chosen"])
def test_with_a_password(shut: World, password: str):
    made = inbox_password_add(inbox=shut.inbox, name="p", username="o'dk", password=password, by=shut.owner)
    taken(shut, in_shell(howto.curl_basic(shut.inbox, "o'dk", made[1])))


def test_signed_in_a_shell(shut: World):
    _, secret = inbox_secret_add(inbox=shut.inbox, name="s", by=shut.owner)
    taken(shut, in_shell(howto.sign_in_shell(shut.inbox, secret)))


def test_signed_in_python(shut: World):
    _, secret = inbox_secret_add(inbox=shut.inbox, name="s", by=shut.owner)
    taken(shut, ran([sys.executable, "-c", howto.sign_in_python(shut.inbox, secret)]))


def test_examples_with_placeholders_are_refused_and_not_broken(shut: World):
    """Whoever tries them before filling in the secret gets the sentence of a refusal."""
    inbox_secret_add(inbox=shut.inbox, name="s", by=shut.owner)
    inbox_password_add(inbox=shut.inbox, name="p", username="odk", by=shut.owner)
    shown = dict(howto.examples(shut.inbox, set(AuthKind), "odk"))
    assert len(shown) == 4
    for title, commands in shown.items():
        if "Python" not in title:
            assert json.loads(in_shell(commands))["status"] == 401
