"""`fhir` against the stand-in of an R4 server."""

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AmbiguousError,
    AuthError,
    Conflict,
    Forbidden,
    NotFound,
    Unavailable,
    ValidationError,
)
from openfn_platform.demo.standins.process import Standin
from tests.common.faulty import FaultyServer, answer

SYSTEM = "http://registry.example/national-id"
LOST = {"match": {"method": "POST"}, "times": 1, "action": {"drop_after_processing": True}}


@pytest.fixture(scope="module")
def running():
    with Standin.start("fhir") as standin:
        yield standin


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture
def connect(server):
    opened = []

    def make(**more):
        told = []
        context = Context(allow_private=True, log=lambda level, text: told.append(text))
        client = registry.connect("fhir", {"baseUrl": f"{server.url}/fhir", **more}, context)
        client.told = told
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def fhir(connect):
    return connect()


def patient(number="AB1", **more):
    return {"identifier": [{"system": SYSTEM, "value": number}], "name": [{"family": "Saïd"}], **more}


def people(server):
    return server.state().get("Patient", [])


def fill(fhir, count):
    fhir.batch([fhir.entry("POST", "Patient", patient(f"N{number}")) for number in range(count)])


# ---- one resource


def test_a_resource_is_made_read_changed_and_deleted(fhir, server):
    made = fhir.create("Patient", patient(name=[{"family": "नमस्ते O'Neil"}]))
    reference = f"Patient/{made['id']}"
    assert fhir.read(reference) == made
    assert fhir.update(reference, {**made, "gender": "female"})["gender"] == "female"
    changed = fhir.patch_resource(reference, [{"op": "replace", "path": "/gender", "value": "other"}])
    assert (changed["gender"], changed["name"]) == ("other", [{"family": "नमस्ते O'Neil"}])
    assert fhir.read(f"{reference}/_history/1") == made
    fhir.destroy(reference)
    assert people(server) == []
    with pytest.raises(NotFound, match="was deleted"):
        fhir.read(reference)


def test_an_answer_without_a_body_must_say_what_was_made():
    located = answer(201, b"", {"location": "https://x.example/fhir/Patient/7/_history/1"})
    with FaultyServer(located, answer(200, b"")) as elsewhere:
        client = registry.connect("fhir", {"baseUrl": elsewhere.url}, Context(allow_private=True))
        with client:
            assert client.create("Patient", patient()) == {"id": "7"}
            assert client.update("Patient/8", patient()) == {"id": "8"}
            with pytest.raises(AdaptorError, match="something else than was asked for") as caught:
                client.create("Patient", patient())
    assert caught.value.sent is True


def test_deleting_twice_and_what_never_was_is_no_error(fhir, server):
    made = fhir.create("Patient", patient())
    assert fhir.destroy(f"Patient/{made['id']}") is None
    assert fhir.destroy(f"Patient/{made['id']}") is None
    assert fhir.destroy("Patient/never") is None
    server.faults({"match": {"method": "DELETE"}, "times": 1, "action": {"status": 410}})
    assert fhir.destroy("Patient/never") is None


def test_deleting_at_an_address_without_a_fhir_server_is_an_error():
    page = answer(404, b"<html><title>Not here</title></html>", kind="text/html")
    with FaultyServer(page) as elsewhere:
        client = registry.connect("fhir", {"baseUrl": elsewhere.url}, Context(allow_private=True))
        with client, pytest.raises(NotFound, match="Not here"):
            client.destroy("Patient/7")


def test_an_update_makes_the_resource_under_its_id(fhir):
    assert fhir.update("Patient/clinic-7", patient())["id"] == "clinic-7"
    assert fhir.read("Patient/clinic-7")["name"] == [{"family": "Saïd"}]


def test_the_id_of_another_resource_is_refused_in_the_servers_words(fhir):
    with pytest.raises(ValidationError, match="must be the one in the path, 'a'"):
        fhir.update("Patient/a", {**patient(), "id": "b"})


def test_a_lost_answer_to_a_create_is_told_and_nothing_is_made_twice(fhir, server):
    server.faults(LOST)
    with pytest.raises(Unavailable) as caught:
        fhir.create("Patient", patient())
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert len(people(server)) == len(server.log(method="POST")) == 1


def test_a_conditional_create_repeated_after_a_lost_answer_leaves_one(fhir, server):
    server.faults(LOST)
    made = fhir.create("Patient", patient(), if_none_exist=f"identifier={SYSTEM}|AB1")
    assert [each["id"] for each in people(server)] == [made["id"]]
    assert len(server.log(method="POST")) == 2
    assert fhir.create("Patient", patient(), if_none_exist=f"identifier={SYSTEM}|AB1") == made


def test_a_condition_may_hold_any_script(fhir, server):
    for _ in range(2):
        fhir.create("Patient", patient("नि-7"), if_none_exist=f"identifier={SYSTEM}|नि-7")
    assert len(people(server)) == 1


def test_a_condition_that_several_meet_is_a_conflict(fhir, server):
    fill(fhir, 2)
    with pytest.raises(Conflict):
        fhir.create("Patient", patient(), if_none_exist="family=Saïd")
    assert len(people(server)) == 2


def test_a_conditional_update_makes_one_and_then_changes_it(fhir, server):
    first = fhir.update(f"Patient?identifier={SYSTEM}|AB1", patient())
    second = fhir.update(f"Patient?identifier={SYSTEM}|AB1", patient(gender="female"))
    assert first["id"] == second["id"]
    assert [each["gender"] for each in people(server)] == ["female"]


def test_who_changed_an_older_version_is_told_of_the_conflict(fhir):
    made = fhir.create("Patient", patient())
    reference, version = f"Patient/{made['id']}", made["meta"]["versionId"]
    fhir.update(reference, {**made, "gender": "female"}, version=version)
    with pytest.raises(Conflict, match="If-Match"):
        fhir.update(reference, {**made, "gender": "male"}, version=version)
    assert fhir.read(reference)["gender"] == "female"


def test_a_lost_answer_to_a_change_of_a_version_is_not_taken_for_a_conflict(fhir, server):
    made = fhir.create("Patient", patient())
    server.faults({**LOST, "match": {"method": "PUT"}})
    with pytest.raises(Unavailable) as caught:
        fhir.update(f"Patient/{made['id']}", made, version=made["meta"]["versionId"])
    assert (caught.value.sent, caught.value.retryable) == (True, False)


def test_an_answer_without_a_body_still_tells_the_id(fhir, server):
    server.faults({"match": {"method": "POST"}, "times": 1, "action": {"body": ""}})
    made = fhir.create("Patient", patient())
    assert made == {"id": people(server)[0]["id"]}


# ---- bundles


def test_a_transaction_does_all_and_resolves_its_references(fhir, server):
    mother, visit = (
        "urn:uuid:0b6a6a2e-3d55-4c7b-9f0e-0e5f2c7d0001",
        {"status": "planned", "class": {"code": "AMB"}},
    )
    fhir.transaction(
        [
            fhir.entry("POST", "Patient", patient(), full_url=mother),
            fhir.entry("POST", "Encounter", {**visit, "subject": {"reference": mother}}),
            fhir.entry("PUT", "Patient/clinic-8", patient("AB8")),
        ]
    )
    one = next(each for each in people(server) if each["id"] != "clinic-8")
    assert server.state()["Encounter"][0]["subject"] == {"reference": f"Patient/{one['id']}"}


def test_a_transaction_with_one_wrong_entry_does_nothing(fhir, server):
    entries = [
        fhir.entry("POST", "Patient", patient()),
        fhir.entry("POST", "Patient", patient(gender="unheard")),
    ]
    with pytest.raises(ValidationError, match=r"Bundle.entry\[1\].*'unheard'"):
        fhir.transaction(entries)
    assert people(server) == []


def test_a_transaction_of_conditions_is_repeated_after_a_lost_answer(fhir, server):
    server.faults(LOST)
    fhir.transaction(
        [
            fhir.entry("POST", "Patient", patient(), if_none_exist=f"identifier={SYSTEM}|AB1"),
            fhir.entry("PUT", "Patient/clinic-8", patient("AB8")),
        ]
    )
    assert (len(people(server)), len(server.log(method="POST"))) == (2, 2)


def test_a_transaction_that_may_not_happen_twice_is_not_repeated(fhir, server):
    server.faults(LOST)
    with pytest.raises(Unavailable):
        fhir.transaction([fhir.entry("POST", "Patient", patient())])
    assert len(people(server)) == len(server.log(method="POST")) == 1


def test_an_entry_for_an_older_version_fails_the_transaction(fhir, server):
    made = fhir.update("Patient/a", patient())
    fhir.update("Patient/a", {**made, "gender": "female"})
    with pytest.raises(Conflict):
        fhir.transaction([fhir.entry("PUT", "Patient/a", patient(), version=made["meta"]["versionId"])])
    assert people(server)[0]["gender"] == "female"


def test_a_batch_does_what_it_can_and_tells_what_was_refused(fhir, server):
    answered = fhir.batch(
        [fhir.entry("POST", "Patient", patient()), fhir.entry("PUT", "Patient/b", patient(gender="unheard"))]
    )
    (failed,) = fhir.failed_entries(answered)
    assert (failed["index"], failed["status"][:3]) == (1, "422")
    assert "'unheard'" in failed["message"]
    assert fhir.told == ["The FHIR server refused 1 of 2 entries."]
    assert len(people(server)) == 1


def test_a_batch_of_which_all_is_refused_raises(fhir, server):
    wrong = fhir.entry("POST", "Patient", patient(gender="unheard"))
    with pytest.raises(ValidationError, match=r"refused all 2 entries; the first: .*'unheard'") as caught:
        fhir.batch([wrong, wrong])
    assert (caught.value.sent, len(caught.value.body["entry"])) == (False, 2)
    assert people(server) == []


# ---- searches


@pytest.mark.parametrize(
    "base", [None, "http://inside:8080/fhir", "http://inside:8080/hapi/baseR4", "https://inside"]
)
def test_pages_are_followed_wherever_the_server_believes_to_be(fhir, server, base):
    fill(fhir, 7)
    server.configure(public_base=base)
    found = fhir.search("Patient", count=2)
    assert len({each["id"] for each in found}) == len(found) == 7
    assert len(server.log(method="GET")) == 4


def test_pages_of_a_type_under_another_path_are_followed():
    def page(connection, seen):
        last = "page=2" in seen.target
        theirs = "http://inside/r4/Patient"
        links = [{"relation": "self", "url": theirs}]
        links += [] if last else [{"relation": "next", "url": f"{theirs}?of=http://x/fhir/y&page=2"}]
        entry = [{"resource": {"resourceType": "Patient", "id": "b" if last else "a"}}]
        return answer(200, {"resourceType": "Bundle", "link": links, "entry": entry})(connection, seen)

    with FaultyServer(page) as elsewhere:
        configuration = {"baseUrl": f"{elsewhere.url}/fhir"}
        with registry.connect("fhir", configuration, Context(allow_private=True)) as client:
            assert [each["id"] for each in client.each("Patient")] == ["a", "b"]
        assert elsewhere.seen[1].target.startswith("/fhir/Patient?of=")


@pytest.mark.parametrize("link", ["http://inside:port/fhir?page=2", "https://elsewhere.example/other"])
def test_a_next_page_that_is_nowhere_on_the_server_is_an_error_of_it(link):
    links = [{"relation": "self", "url": "http://inside:port/"}, {"relation": "next", "url": link}]
    with FaultyServer(answer(200, {"resourceType": "Bundle", "link": links})) as elsewhere:
        configuration = {"baseUrl": f"{elsewhere.url}/fhir"}
        client = registry.connect("fhir", configuration, Context(allow_private=True))
        with client, pytest.raises(AdaptorError, match="names a next page that is not part of it"):
            client.search("Patient")
        assert len(elsewhere.seen) == 1


@pytest.mark.parametrize(("most", "calls"), [(0, 0), (1, 1), (2, 1), (3, 2), (9, 3)])
def test_no_more_is_read_than_was_asked_for(fhir, server, most, calls):
    fill(fhir, 5)
    assert len(fhir.search("Patient", max=most, count=2)) == min(most, 5)
    assert len(list(fhir.each("Patient", max=most, count=2))) == min(most, 5)
    assert len(server.log(method="GET")) == 2 * calls
    assert fhir.told == []


def test_a_search_brings_what_it_includes(fhir):
    fhir.update("Patient/a", patient())
    visit = {"status": "planned", "class": {"code": "AMB"}, "subject": {"reference": "Patient/a"}}
    fhir.create("Encounter", visit)
    found = fhir.search("Encounter", include="Encounter:subject")
    assert [each["resourceType"] for each in found] == ["Encounter", "Patient"]


def test_the_one_that_matches_is_found(fhir):
    fill(fhir, 3)
    assert fhir.find_one("Patient", identifier=f"{SYSTEM}|N1")["identifier"][0]["value"] == "N1"
    assert fhir.find_one("Patient", identifier=f"{SYSTEM}|none") is None
    for nothing in (None, "", f"{SYSTEM}|"):
        with pytest.raises(ValidationError, match="nothing to look for in identifier"):
            fhir.find_one("Patient", identifier=nothing)


def test_several_matches_are_ambiguous_after_one_page(fhir, server):
    fill(fhir, 9)
    with pytest.raises(AmbiguousError, match="several Patient resources"):
        fhir.find_one("Patient", family="Saïd")
    assert len(server.log(method="GET")) == 1


# ---- refusals


def test_a_refusal_is_told_in_the_words_of_the_outcome(fhir):
    with pytest.raises(
        ValidationError, match=r"^The FHIR server: Patient.birthDate: 'soon' is not"
    ) as caught:
        fhir.create("Patient", patient(birthDate="soon"))
    assert (caught.value.sent, caught.value.body["resourceType"]) == (False, "OperationOutcome")
    with pytest.raises(NotFound, match="Patient/none is not known"):
        fhir.read("Patient/none")
    with pytest.raises(NotFound, match="relative"):
        fhir.read("https://other.example/fhir/Patient/7")


def test_what_the_credential_may_not_do_is_forbidden(fhir, server):
    server.configure(forbidden=["Patient"])
    with pytest.raises(Forbidden, match="Access to Patient is denied"):
        fhir.search("Patient")


@pytest.mark.parametrize(
    ("settings", "right", "wrong"),
    [
        ({"token": "s3same-open"}, {"access_token": "s3same-open"}, {"access_token": "wr0ng-token"}),
        (
            {"username": "amina", "password": "s3same-open"},
            {"username": "amina", "password": "s3same-open"},
            {"username": "amina", "password": "wr0ng-token"},
        ),
    ],
)
def test_a_wrong_credential_is_told_and_appears_nowhere(connect, server, settings, right, wrong):
    server.configure(**settings)
    assert connect(**right).search("Patient") == []
    refused = connect(**wrong)
    with pytest.raises(AuthError, match="Valid credentials are required") as caught:
        refused.search("Patient")
    assert caught.value.status == 401
    assert "wr0ng" not in f"{caught.value!r} {caught.value} {refused!r}"
