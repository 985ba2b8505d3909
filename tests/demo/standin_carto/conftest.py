"""One stand-in with a database of its own for all tests of it, as new before each."""

import httpx
import pytest

from tests.demo.standin_carto.constants import KEY, SQL
from tests.servers.carto import carto_standin


@pytest.fixture(scope="session")
def running():
    with carto_standin() as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, timeout=10) as client:
        yield client


@pytest.fixture
def ask(client):
    """Send SQL as a JSON body with the master key, or another one."""

    def ask(sql, key=KEY, **more):
        return client.post(SQL, json={"q": sql, "api_key": key, **more})

    return ask
