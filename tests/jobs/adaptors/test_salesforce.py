"""`salesforce`: the log-in by name, results per record, bulk jobs."""

from __future__ import annotations

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, ValidationError
from tests.common.faulty import FaultyServer, answer

NAMED = {"username": "amina@clinic.example", "password": "p<ss-4711", "securityToken": "tok99"}


def session(server_url, id="00D-session-4711"):
    body = f"<e><sessionId>{id}</sessionId><serverUrl>{server_url}/services/Soap/u/61.0/00D</serverUrl></e>"
    return answer(200, body.encode(), kind="text/xml")


def connected(server, **more):
    return registry.connect("salesforce", {"loginUrl": server.url, **more}, Context(allow_private=True))


def test_a_log_in_by_name_leads_to_the_organisations_own_address():
    with FaultyServer(answer(200, {"Id": "003"})) as home, FaultyServer(session(home.url)) as login:
        with connected(login, **NAMED) as salesforce:
            assert salesforce.retrieve("Contact", "003") == {"Id": "003"}
            assert salesforce.retrieve("Contact", "003") == {"Id": "003"}
        assert b"<n:password>p&lt;ss-4711tok99</n:password>" in login.seen[0].body
        assert len(login.seen) == 1
        assert [each.headers["authorization"] for each in home.seen] == ["Bearer 00D-session-4711"] * 2


def test_a_session_that_ended_is_renewed_once():
    ended = answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
    with FaultyServer(ended, answer(200, {"Id": "003"})) as home:
        logins = FaultyServer(session(home.url, "one-4711"), session(home.url, "two-4711"))
        with logins as login, connected(login, **NAMED) as salesforce:
            assert salesforce.retrieve("Contact", "003") == {"Id": "003"}
        assert [each.headers["authorization"] for each in home.seen] == ["Bearer one-4711", "Bearer two-4711"]


def test_a_refused_log_in_is_told_without_the_password():
    fault = answer(500, b"<e><faultstring>INVALID_LOGIN: Invalid username</faultstring></e>", kind="text/xml")
    with (
        FaultyServer(fault) as login,
        connected(login, **NAMED) as salesforce,
        pytest.raises(AuthError, match="INVALID_LOGIN") as caught,
    ):
        salesforce.test()
    assert "4711" not in str(caught.value)


def instance(server):
    return connected(server, access_token="tok-4711-abcdef", instance_url=server.url)


def test_records_go_two_hundred_at_a_time_and_the_refused_ones_are_named():
    good = {"id": "1", "success": True, "errors": []}
    bad = {"success": False, "errors": [{"statusCode": "DUPLICATE", "message": "There is one"}]}
    with FaultyServer(answer(200, [good] * 199 + [bad]), answer(200, [good] * 50)) as server:
        with instance(server) as salesforce:
            done = salesforce.upsert("Contact", "Nid__c", ({"Nid__c": str(n)} for n in range(250)))
        assert [len(each.json["records"]) for each in server.seen] == [200, 50]
        assert server.seen[0].target.endswith("/composite/sobjects/Contact/Nid__c")
    assert (len(done["completed"]), done["success"]) == (249, False)
    assert done["errors"] == [{"index": 199, "id": None, "message": "There is one"}]


def test_when_all_are_refused_that_is_an_error():
    bad = {"success": False, "errors": [{"message": "There is one"}]}
    with (
        FaultyServer(answer(200, [bad, bad])) as server,
        instance(server) as salesforce,
        pytest.raises(ValidationError, match="refused all 2 records; the first: There is one"),
    ):
        salesforce.destroy(["1", "2"])


def test_a_bulk_job_is_uploaded_closed_and_awaited():
    acts = [
        answer(200, {"id": "750", "state": "Open"}),
        answer(201, b""),
        answer(200, {"id": "750", "state": "UploadComplete"}),
        answer(200, {"state": "InProgress", "numberRecordsProcessed": 1}),
        answer(200, {"state": "JobComplete", "numberRecordsProcessed": 2, "numberRecordsFailed": 0}),
    ]
    with FaultyServer(*acts) as server, instance(server) as salesforce:
        done = salesforce.bulk_ingest("insert", "Contact", [{"LastName": "Ö'B"}, {"LastName": "x,y"}])
        assert done["numberRecordsProcessed"] == 2
        assert server.seen[1].body.decode() == 'LastName\r\nÖ\'B\r\n"x,y"\r\n'
        assert server.seen[2].json == {"state": "UploadComplete"}


@pytest.mark.parametrize("refused", [1, 2])
def test_rows_that_a_bulk_job_refused_are_told(refused):
    failed = b'"sf__Id","sf__Error","LastName"\r\n"","REQUIRED_FIELD_MISSING:x",""\r\n'
    acts = [
        answer(200, {"id": "750", "state": "Open"}),
        answer(201, b""),
        answer(200, {"id": "750", "state": "UploadComplete"}),
        answer(200, {"state": "JobComplete", "numberRecordsProcessed": 2, "numberRecordsFailed": refused}),
        answer(200, failed, kind="text/csv"),
    ]
    told = []
    with FaultyServer(*acts) as server:
        given = {"access_token": "tok-4711-abcdef", "instance_url": server.url}
        context = Context(allow_private=True, log=lambda *line: told.append(line))
        with registry.connect("salesforce", given, context) as salesforce:
            said = f"Salesforce refused {refused} of 2 rows; the first: REQUIRED_FIELD_MISSING:x"
            if refused == 1:
                salesforce.bulk_ingest("insert", "Contact", [{"LastName": "a"}, {"LastName": None}])
                assert ("warning", said) in told
            else:
                with pytest.raises(ValidationError, match=said):
                    salesforce.bulk_ingest("insert", "Contact", [{"LastName": None}, {"LastName": None}])
        assert server.seen[-1].target.endswith("/jobs/ingest/750/failedResults")


def test_a_bulk_query_is_read_over_all_its_pages():
    csv = "text/csv"
    acts = [
        answer(200, {"id": "750"}),
        answer(200, {"state": "JobComplete"}),
        answer(200, b"Id,Name\r\n1,a\r\n", {"Sforce-Locator": "MTAw"}, kind=csv),
        answer(200, b"Id,Name\r\n2,b\r\n", {"Sforce-Locator": "null"}, kind=csv),
    ]
    with FaultyServer(*acts) as server, instance(server) as salesforce:
        assert salesforce.bulk_query("select Id, Name from C") == [
            {"Id": "1", "Name": "a"},
            {"Id": "2", "Name": "b"},
        ]


def test_a_job_that_failed_says_why():
    acts = [answer(200, {"id": "750"}), answer(200, {"state": "Failed", "errorMessage": "No such field"})]
    with (
        FaultyServer(*acts) as server,
        instance(server) as salesforce,
        pytest.raises(AdaptorError, match="No such field"),
    ):
        salesforce.bulk_query("select X from C")
