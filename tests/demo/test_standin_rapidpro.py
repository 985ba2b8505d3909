"""The RapidPro stand-in answers as RapidPro's API v2 does."""

import uuid

import httpx
import pytest

from openfn_platform.demo.standins.process import Standin
from openfn_platform.demo.standins.rapidpro.partner import RapidPro

API = "/api/v2/{}.json".format
CONTACTS, FLOWS, GROUPS, WORKSPACE = API("contacts"), API("flows"), API("groups"), API("workspace")
AUTH = {"Authorization": f"Token {RapidPro.settings['token']}"}
URN = "tel:+255712345678"
MOTHERS = RapidPro.settings["groups"][0]
REGISTRATION = RapidPro.settings["flows"][0]


@pytest.fixture(scope="module")
def running():
    with Standin.start("rapidpro") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    return running


@pytest.fixture
def client(standin):
    with httpx.Client(base_url=standin.url, headers=AUTH, timeout=5) as client:
        yield client


def made(client, **values):
    answer = client.post(CONTACTS, json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_contact_is_made_and_found_again(client):
    contact = made(client, name="Asha", language="swa", urns=[URN], groups=["mothers"], fields={"age": 23})
    assert str(uuid.UUID(contact["uuid"])) == contact["uuid"]
    assert contact == {
        "uuid": contact["uuid"],
        "name": "Asha",
        "status": "active",
        "language": "swa",
        "urns": [URN],
        "groups": [MOTHERS],
        "fields": {"age": "23", "village": None, "next_visit": None},
        "flow": None,
        "created_on": contact["created_on"],
        "modified_on": contact["modified_on"],
        "last_seen_on": None,
        "blocked": False,
        "stopped": False,
    }
    for query in ({"uuid": contact["uuid"]}, {"urn": URN}, {"group": "Mothers"}):
        assert client.get(CONTACTS, params=query).json()["results"] == [contact]
    assert client.get(CONTACTS, params={"urn": "tel:+255700000000"}).json()["results"] == []


def test_a_contact_is_changed_by_uuid_and_by_urn(client):
    contact = made(client, name="Asha", urns=[URN], fields={"age": "23"})
    changed = client.post(CONTACTS, params={"uuid": contact["uuid"]}, json={"fields": {"village": "Moshi"}})
    assert changed.status_code == 200
    assert changed.json()["fields"] == {"age": "23", "village": "Moshi", "next_visit": None}
    changed = client.post(CONTACTS, params={"urn": URN}, json={"name": "Asha Said"})
    assert (changed.status_code, changed.json()["uuid"]) == (200, contact["uuid"])
    assert changed.json()["modified_on"] > contact["modified_on"]


def test_a_new_urn_in_the_url_makes_a_contact(client):
    answer = client.post(CONTACTS, params={"urn": URN}, json={"name": "Asha"})
    assert (answer.status_code, answer.json()["urns"]) == (201, [URN])


def test_urns_are_brought_to_one_form(client):
    assert made(client, urns=["tel:+255 712-345-678", URN])["urns"] == [URN]


TAKEN = "URN is in use by another contact."


@pytest.mark.parametrize(
    ("style", "problem"), [("indexed", {"1": [TAKEN]}), ("nested", [[], [TAKEN]]), ("flat", [TAKEN])]
)
def test_a_urn_belongs_to_one_contact(standin, client, style, problem):
    standin.configure(urn_errors=style)
    made(client, urns=[URN])
    answer = client.post(CONTACTS, json={"urns": ["tel:+255700000001", URN]})
    assert (answer.status_code, answer.json()) == (400, {"urns": problem})
    assert len(standin.state()["contacts"]) == 1


def test_a_contact_keeps_its_own_urn_but_takes_nobody_elses(client):
    first, second = made(client, urns=[URN]), made(client, urns=["tel:+255700000001"])
    assert client.post(CONTACTS, params={"uuid": first["uuid"]}, json={"urns": [URN]}).status_code == 200
    assert client.post(CONTACTS, params={"uuid": second["uuid"]}, json={"urns": [URN]}).status_code == 400


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "x" * 129}, "name"),
        ({"name": 5}, "name"),
        ({"language": "swahili"}, "language"),
        ({"urns": "tel:+255712345678"}, "urns"),
        ({"urns": ["0712345678"]}, "urns"),
        ({"urns": ["tel:0712345678"]}, "urns"),
        ({"urns": [f"tel:+2557{n:08}" for n in range(101)]}, "urns"),
        ({"groups": ["Nobody"]}, "groups"),
        ({"fields": {"height": "1"}}, "fields"),
        ({"fields": []}, "fields"),
    ],
)
def test_what_is_wrong_is_told_under_its_field(standin, client, values, field):
    answer = client.post(CONTACTS, json=values)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert answer.json()[field]
    assert standin.state()["contacts"] == []


def test_all_that_is_wrong_is_told_at_once(client):
    answer = client.post(CONTACTS, json={"language": "x", "groups": ["Nobody"], "fields": {"height": "1"}})
    assert answer.json() == {
        "language": ["Ensure this field has exactly 3 characters."],
        "groups": ["No such object: Nobody"],
        "fields": ["Invalid contact field key: height"],
    }


def test_urns_in_body_and_url_do_not_go_together(client):
    answer = client.post(CONTACTS, params={"urn": URN}, json={"urns": [URN]})
    assert answer.json() == {"urns": ["Field not allowed when using URN in URL"]}
    assert client.post(CONTACTS, params={"urn": URN, "uuid": "x"}, json={}).status_code == 400
    assert client.post(CONTACTS, params={"urn": "0712"}, json={}).status_code == 400


def test_an_unknown_contact_is_404(client):
    answer = client.post(CONTACTS, params={"uuid": str(uuid.uuid4())}, json={"name": "x"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert client.delete(CONTACTS, params={"urn": URN}).status_code == 404


def test_a_contact_can_be_removed(standin, client):
    contact = made(client, urns=[URN])
    assert client.delete(CONTACTS, params={"uuid": contact["uuid"]}).status_code == 204
    assert standin.state()["contacts"] == []


def test_bodies_that_are_no_json_object(client):
    assert client.post(CONTACTS, json=[]).json() == {
        "non_field_errors": ["Request body should be a single JSON object"]
    }
    broken = client.post(CONTACTS, content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["detail"][:16]) == (400, "JSON parse error")
    assert client.post(CONTACTS, data={"name": "Asha"}).status_code == 415


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Authentication credentials were not provided."),
        ({"Authorization": "Bearer x"}, "Authentication credentials were not provided."),
        ({"Authorization": "Token wrong"}, "Invalid token"),
    ],
)
def test_a_wrong_token_is_403(standin, headers, told):
    answer = httpx.get(standin.url + WORKSPACE, headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"detail": told})


def test_the_workspace_tells_its_name(client):
    assert client.get(WORKSPACE).json()["name"] == RapidPro.settings["workspace"]["name"]


def test_unknown_paths_and_verbs(client):
    assert client.get("/api/v2/pigeons.json").status_code == 404
    assert client.put(CONTACTS, json={}).json() == {"detail": 'Method "PUT" not allowed.'}


def test_too_many_requests_are_told_when_to_come_back(standin, client):
    standin.configure(throttle={"requests": 2, "seconds": 30})
    answers = [client.get(WORKSPACE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    seconds = answers[2].headers["retry-after"]
    assert 25 <= int(seconds) <= 30
    assert answers[2].json() == {"detail": f"Request was throttled. Expected available in {seconds} seconds."}


def test_pages_lead_through_all_contacts_once_and_back(standin, client):
    standin.configure(page_size=2)
    names = [made(client, name=str(n))["name"] for n in range(5)]
    seen, url, pages = [], CONTACTS, []
    while url:
        page = client.get(url).json()
        pages.append([contact["name"] for contact in page["results"]])
        seen += pages[-1]
        if len(pages) == 1:
            assert page["previous"] is None
            made(client, name="made meanwhile")
        url = page["next"]
    assert seen == names[::-1]
    back = client.get(page["previous"]).json()
    assert [contact["name"] for contact in back["results"]] == pages[1]
    assert client.get(CONTACTS, params={"cursor": "?"}).status_code == 404


def test_filters_stay_in_the_next_page(standin, client):
    standin.configure(page_size=1)
    for number in range(2):
        made(client, name=str(number), groups=[MOTHERS["uuid"]])
    made(client, name="other")
    page = client.get(CONTACTS, params={"group": "Mothers"}).json()
    assert page["next"].startswith("http://127.0.0.1:")
    assert [contact["name"] for contact in client.get(page["next"]).json()["results"]] == ["0"]


def test_groups_are_counted_and_flows_listed(client):
    made(client, groups=["Mothers"])
    counts = {group["name"]: group["count"] for group in client.get(GROUPS).json()["results"]}
    assert counts == {"Mothers": 1, "Health workers": 0}
    assert client.get(GROUPS, params={"name": "mothers"}).json()["results"][0]["uuid"] == MOTHERS["uuid"]
    assert [flow["name"] for flow in client.get(FLOWS).json()["results"]] == [
        "Registration",
        "Visit reminder",
    ]
    assert len(client.get(FLOWS, params={"uuid": REGISTRATION["uuid"]}).json()["results"]) == 1


def test_what_was_made_survives_a_kill(tmp_path):
    with Standin.start("rapidpro", data=tmp_path / "rapidpro.jsonl") as standin:
        answer = httpx.post(standin.url + CONTACTS, json={"urns": [URN]}, headers=AUTH)
        standin.kill()
    with Standin.start("rapidpro", data=tmp_path / "rapidpro.jsonl") as standin:
        assert standin.state()["contacts"][0]["uuid"] == answer.json()["uuid"]
        second = httpx.post(standin.url + CONTACTS, json={"name": "Second"}, headers=AUTH).json()
        listed = httpx.get(standin.url + CONTACTS, headers=AUTH).json()["results"]
        assert [contact["uuid"] for contact in listed] == [second["uuid"], answer.json()["uuid"]]
