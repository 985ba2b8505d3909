"""A run may connect to the ports of the web and to those that its connections name, and to no others."""

import pytest

from jobs.language.contract import Connection
from runs.sandbox.ports import WEB, ports_of_run
from tests.runs.sandbox.conftest import request_for


@pytest.mark.parametrize(
    ("adaptor", "configuration", "expected"),
    [
        ("http", {"baseUrl": "https://dhis2.example.org/api"}, set()),
        ("http", {"baseUrl": "http://10.0.0.5:8069/api"}, {8069}),
        ("http", {"hosts": ["http://[fd00::1]:9090", "user:1234@example.org"]}, {9090}),
        ("openmrs", {"instance": {"host": "openmrs.local:8085"}}, {8085}),
        ("postgresql", {"host": "db"}, {5432}),
        ("postgresql", {"host": "db", "port": 5433}, {5432, 5433}),
        ("email", {"smtp_port": "2525"}, {25, 465, 587, 2525}),
        ("http", {"port": 0, "other_port": 70000, "note": "at 12:30"}, set()),
    ],
)
def test_ports_named_by_a_connection_are_added(adaptor, configuration, expected):
    connection = Connection(alias="a", adaptor=adaptor, configuration=configuration)
    found = set(ports_of_run(request=request_for("", connections=(connection,))))
    assert expected <= found - WEB
    assert found - WEB - expected <= {30, 1234}  # a false hit opens a port, never an address


def test_the_platforms_own_ports_are_taken_out_whatever_is_asked():
    connection = Connection(alias="a", adaptor="http", configuration={"url": "http://localhost:6379"})
    request = request_for("", connections=(connection,), allowed_hosts=("localhost:54329",))
    assert set(ports_of_run(request=request, also=[443, 54329], forbidden=[6379, 54329])) == WEB
