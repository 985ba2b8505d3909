"""A project with its people, and the engine of the flow tests for what must really run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from openfn_platform.projects.models import Membership, Role, User
from runs.worker import set_current_worker
from tests.flows.conftest import QuietWorker
from tests.flows.world import Engine, World


@dataclass(frozen=True)
class People:
    """Members of each kind, and somebody from elsewhere."""

    operator: User  # may see data
    editor: User  # may see data
    viewer: User  # may not see data
    blind: User  # an operator who may not see data
    outsider: User


def people_of(world: World) -> People:
    def member(role: Role, *, sees: bool) -> User:
        person = world.person(role)
        Membership.objects.filter(user=person).update(may_see_data=sees)
        return person

    outsider = World("Elsewhere").owner
    return People(
        operator=member(Role.OPERATOR, sees=True),
        editor=member(Role.EDITOR, sees=True),
        viewer=member(Role.VIEWER, sees=False),
        blind=member(Role.OPERATOR, sees=False),
        outsider=outsider,
    )


def logged_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture(scope="session")
def _quiet_worker(django_db_setup: None) -> Iterator[QuietWorker]:
    worker = QuietWorker(name="page-tests", capacity=4, sweeps=False)
    worker.start()
    assert worker.wait_ready(), "the zygote did not start"
    yield worker
    worker.stop(grace=0)


@pytest.fixture
def engine(_quiet_worker: QuietWorker, transactional_db: None) -> Iterator[Engine]:
    """Real runs in real children, executed when the test says so."""
    set_current_worker(_quiet_worker)
    yield Engine(_quiet_worker)
    set_current_worker(None)


@pytest.fixture
def world(transactional_db: None) -> World:
    return World()


@pytest.fixture(autouse=True)
def _light(settings: Any, tmp_path: Path) -> None:
    """No slow hashing for people who never type a password, and a folder of static files that is there."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def place(db: None) -> World:
    """A world without an engine: everything in one transaction that is rolled back."""
    return World()
