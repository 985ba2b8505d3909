"""*Find a person* and the certificate: who may look, what the pages show, and that erasing asks first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from openfn_platform.projects.models import AuditEntry, Membership, Role
from runs.housekeeping import housekeeping_round
from runs.models import Erasure, PersonFind, PersonSearch
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in
from tests.runs.admin.helpers import text_of
from triggers.models import Message

FIND = "/admin/runs/personsearch/"
CERTIFICATES = "/admin/runs/erasure/"
NAME = "Ottilie Wambrecht"
AGREED = {"reason": "asked by letter", "word": "ERASE"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.finding.filling.BEHIND", timedelta(0))


@pytest.fixture
def client(place: World) -> Client:
    return logged_in(place.person(Role.ADMIN))


def keep_house() -> None:
    while housekeeping_round(pause=lambda _seconds: False):
        pass


def looked(place: World, client: Client, who: str = NAME) -> PersonSearch:
    answer = client.post(FIND, {"project": str(place.project.pk), "who": who})
    assert answer.status_code == 302, text_of(answer)
    keep_house()
    return PersonSearch.objects.get(pk=answer["Location"].split("/")[-3])


def page_of(search: PersonSearch) -> str:
    return f"{FIND}{search.pk}/change/"


def erased(client: Client, search: PersonSearch, **more: Any) -> Any:
    offered = list(PersonFind.objects.filter(search=search).values_list("pk", flat=True))
    given = {"offered": offered, "find": offered, **AGREED, **more}
    return client.post(f"{FIND}{search.pk}/erase/", given)


def test_it_shows_where_somebody_is_named_with_the_words_around(place, client):
    place.post({"form": {"name": NAME, "born": "1990-02-28"}})
    search = looked(place, client)
    text = text_of(client.get(page_of(search)))
    assert f"{NAME}&quot;, &quot;born&quot;: &quot;1990-02-28" in text
    assert f"/admin/triggers/message/{Message.objects.get().pk}/change/" in text
    assert AuditEntry.objects.filter(action="payload opened", object_id=str(search.pk)).count() == 1


def test_while_it_looks_the_page_says_so_and_comes_again(place, client):
    answer = client.post(FIND, {"project": str(place.project.pk), "who": NAME}, follow=True)
    text = text_of(answer)
    assert 'http-equiv="refresh"' in text
    assert "It begins within seconds." in text


def test_erasing_wants_the_word_and_a_reason(place, client):
    place.post({"name": NAME})
    search = looked(place, client)
    for given in ({"word": "erase"}, {"word": ""}, {"reason": ""}, {"reason": f"{NAME} wrote"}):
        assert erased(client, search, **given).status_code == 200
    assert client.get(f"{FIND}{search.pk}/erase/").status_code == 302
    assert not Erasure.objects.exists()
    assert erased(client, search).status_code == 302
    keep_house()
    assert Message.objects.get().body_wiped_at is not None
    assert "is forgotten" in text_of(client.get(page_of(search)))


def test_what_was_unticked_is_kept(place, client):
    for number in range(2):
        place.post({"name": NAME, "n": number})
    search = looked(place, client)
    one = PersonFind.objects.filter(search=search).earliest("id")
    erased(client, search, find=[one.pk])
    keep_house()
    assert Message.objects.filter(body_wiped_at=None).count() == 1


def test_the_certificate_can_be_read_and_saved(place, client):
    place.post({"name": NAME})
    erased(client, looked(place, client))
    keep_house()
    made = Erasure.objects.get()
    shown = client.get(f"/admin/triggers/message/{Message.objects.get().pk}/change/", {"show": "body"})
    assert f"Erased: {made.number}" in text_of(shown)
    text = text_of(client.get(f"{CERTIFICATES}{made.pk}/change/"))
    assert "asked by letter" in text
    assert NAME not in text
    assert made.number in text_of(client.get(CERTIFICATES))
    answer = client.get(f"{CERTIFICATES}{made.pk}/text/")
    saved = b"".join(answer.streaming_content).decode()
    assert f"CERTIFICATE OF ERASURE {made.number}" in saved
    assert f"message  {Message.objects.get().pk}" in saved
    assert "Message: 1\n" in saved


def test_a_certificate_that_is_saved_too_early_says_that_it_is_not_the_end(place, client):
    place.post({"name": NAME})
    erased(client, looked(place, client))
    made = Erasure.objects.get()
    address = f"{CERTIFICATES}{made.pk}/text/"
    assert made.finished_at is None
    assert (
        "are being erased: this is not all yet." in b"".join(client.get(address).streaming_content).decode()
    )
    keep_house()
    assert "one person were erased." in b"".join(client.get(address).streaming_content).decode()


@pytest.mark.parametrize(
    ("who", "said"),
    [("", "required"), ("Al", "too short"), ("\n".join(f"name{n}" for n in range(20)), "At most")],
)
def test_what_cannot_be_looked_for_is_told(place, client, who, said):
    assert said in text_of(client.post(FIND, {"project": str(place.project.pk), "who": who}))


def test_scripts_in_what_was_found_stay_text(place, client):
    place.post({"name": f"<script>alert(1)</script> {NAME}"})
    text = text_of(client.get(page_of(looked(place, client))))
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


# --- who may --------------------------------------------------------------------------------------


def blind(place: World) -> Any:
    person = place.person(Role.ADMIN)
    Membership.objects.filter(user=person).update(may_see_data=False)
    return person


def test_others_find_nothing(place, client):
    place.post({"name": NAME})
    search = looked(place, client)
    outsider = World("Elsewhere").owner
    for person in (place.person(Role.EDITOR), blind(place)):
        assert logged_in(person).get(FIND).status_code == 403
        assert logged_in(person).get(page_of(search)).status_code in (403, 404)
        assert logged_in(person).post(f"{FIND}{search.pk}/erase/", AGREED).status_code in (403, 404)
    stranger = logged_in(outsider)
    assert stranger.get(page_of(search)).status_code == 404
    assert stranger.post(f"{FIND}{search.pk}/erase/", AGREED).status_code == 404
    refused = stranger.post(FIND, {"project": str(place.project.pk), "who": NAME})
    assert "Select a valid choice" in text_of(refused)
    assert not Erasure.objects.exists()


def test_certificates_are_for_administrators_of_the_project(place, client):
    place.post({"name": NAME})
    erased(client, looked(place, client))
    address = f"{CERTIFICATES}{Erasure.objects.get().pk}"
    for page in ("change", "text"):
        assert logged_in(World("Elsewhere").owner).get(f"{address}/{page}/").status_code == 404
        assert logged_in(place.person(Role.EDITOR)).get(f"{address}/{page}/").status_code in (403, 404)
        assert logged_in(blind(place)).get(f"{address}/{page}/").status_code == 200
