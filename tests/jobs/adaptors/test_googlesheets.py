"""`googlesheets`: the service account's log-in, and what is sent."""

from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, ConfigurationError, ValidationError
from tests.common.faulty import FaultyServer, answer
from tests.jobs.adaptors.conformance.case import query

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
EMAIL = "jobs@clinic.iam.example"


def connected(server, key=PEM, **context):
    configuration = {
        "client_email": EMAIL, "private_key": key, "tokenUrl": f"{server.url}/token", "baseUrl": server.url,
    }  # fmt: skip
    return registry.connect("googlesheets", configuration, Context(allow_private=True, **context))


@pytest.mark.parametrize("key", [PEM, PEM.replace("\n", "\\n")], ids=["as it is", "from the JSON file"])
def test_a_service_account_signs_for_its_token_and_logs_in_once(key):
    token = answer(200, {"access_token": "tok-4711-abcdef", "expires_in": 3599})
    with FaultyServer(token, answer(200, {"values": [["a"]]})) as server, connected(server, key) as sheets:
        assert sheets.get_values("1A", "A1") == [["a"]]
        assert sheets.get_values("1A", "A1") == [["a"]]
        asked, *reads = server.seen
        form = parse_qs(asked.body.decode())
        claims = jwt.decode(
            form["assertion"][0], KEY.public_key(), algorithms=["RS256"], audience=f"{server.url}/token"
        )
        assert claims["iss"] == EMAIL
        assert [each.headers["authorization"] for each in reads] == ["Bearer tok-4711-abcdef"] * 2


def test_a_key_that_is_none_is_told_without_showing_it():
    with FaultyServer() as server, connected(server, "-----BEGIN nonsense") as sheets:
        with pytest.raises(ConfigurationError, match="cannot be read") as caught:
            sheets.test()
        assert "nonsense" not in str(caught.value)
        assert server.seen == []


def test_an_account_that_google_refuses_is_an_auth_error():
    refused = answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    with (
        FaultyServer(refused) as server,
        connected(server) as sheets,
        pytest.raises(AuthError, match="Invalid JWT"),
    ):
        sheets.test()


def test_rows_are_appended_as_typed_or_as_they_are():
    token = answer(200, {"access_token": "tok-4711-abcdef"})
    done = answer(200, {"updates": {"updatedRows": 2}})
    with FaultyServer(token, done) as server, connected(server) as sheets:
        assert sheets.append_values("1A", "Visits!A1", [["2026-03-06", 12], ["=1+1", None]], raw=True) == 2
        seen = server.seen[1]
        assert query(seen) == {"valueInputOption": "RAW", "insertDataOption": "INSERT_ROWS"}
        assert seen.json == {"values": [["2026-03-06", 12], ["=1+1", None]]}


@pytest.mark.parametrize("rows", [[{"day": "2026-03-06", "n": 12}], ["2026-03-06", 12], [["a"], "b"], [7]])
def test_a_row_that_is_no_list_of_cells_is_refused_before_it_is_sent(rows):
    with FaultyServer() as server, connected(server) as sheets:
        with pytest.raises(ValidationError, match="is a list of cells") as appended:
            sheets.append_values("1A", "A1", rows)
        with pytest.raises(ValidationError, match="is a list of cells"):
            sheets.batch_update_values("1A", [{"range": "A1", "values": rows}])
        assert server.seen == []
    assert appended.value.sent is False


def test_nothing_to_write_is_said_and_not_sent():
    said = []
    with FaultyServer() as server, connected(server, log=lambda level, text: said.append(level)) as sheets:
        assert sheets.append_values("1A", "A1", []) == 0
        assert sheets.batch_update_values("1A", []) == 0
        assert (said, server.seen) == (["warning", "warning"], [])


def test_a_credential_needs_one_way_to_log_in():
    with pytest.raises(AdaptorError):
        registry.connect("googlesheets", {"client_email": EMAIL}, Context())
