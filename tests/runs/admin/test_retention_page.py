"""The page of retention: what is kept how long, and that nothing goes that nobody agreed to."""

from __future__ import annotations

import pytest
from django.test import Client

from openfn_platform.projects.models import AuditEntry, Membership, Role
from tests.flows.test_retention import aged, prune
from tests.flows.world import World
from tests.runs.admin.conftest import logged_in
from tests.runs.admin.helpers import text_of

PAGE = "/admin/runs/housekeeping/"


@pytest.fixture
def client(place: World) -> Client:
    return logged_in(place.person(Role.ADMIN))


def days(place: World) -> str:
    return f"{PAGE}{place.project.pk}/days/"


def test_it_tells_what_is_kept_what_went_and_what_goes_next(place, client):
    for number in range(3):
        place.post({"n": number})
    aged(400)
    text = text_of(client.get(PAGE))
    assert "90 days" in text
    assert "365 days" in text
    assert "<strong>3</strong> messages" in text
    assert "<strong>3</strong> bodies of messages" in text
    prune()
    text = text_of(client.get(PAGE))
    assert "Nothing is too old." in text
    assert "(3 so far)" in text


def test_days_are_raised_at_once_and_audited(place, client):
    answer = client.post(days(place), {"payload_days": 100, "history_days": 1000})
    assert answer.status_code == 302
    place.project.refresh_from_db()
    assert (place.project.payload_days, place.project.history_days) == (100, 1000)
    assert AuditEntry.objects.get(action="project changed").changes["history_days"] == [365, 1000]


def test_lowering_them_shows_what_would_go_and_asks(place, client):
    place.post({"n": 1})
    aged(30)
    answer = client.post(days(place), {"payload_days": 20, "history_days": 365})
    assert "goes for good" in text_of(answer)
    assert "<strong>1</strong> bodies of messages" in text_of(answer)
    place.project.refresh_from_db()
    assert place.project.payload_days == 90
    client.post(days(place), {"payload_days": 20, "history_days": 365, "confirmed": "yes"})
    place.project.refresh_from_db()
    assert place.project.payload_days == 20


def test_lowering_that_takes_nothing_away_is_not_asked(place, client):
    place.post({"n": 1})
    assert client.post(days(place), {"payload_days": 20, "history_days": 365}).status_code == 302


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"payload_days": 0, "history_days": 5}, "greater than or equal to 1"),
        ({"payload_days": 10, "history_days": 5}, "not more days than it"),
        ({"payload_days": "x", "history_days": 5}, "whole number"),
        ({"payload_days": 10, "history_days": 10**30}, "less than or equal to"),
    ],
)
def test_nonsense_is_told_at_its_field(place, client, given, said):
    assert said in text_of(client.post(days(place), given))
    place.project.refresh_from_db()
    assert place.project.payload_days == 90


def test_only_administrators_find_it_and_outsiders_learn_nothing(place):
    outsider = World("Elsewhere").owner
    assert logged_in(place.person(Role.EDITOR)).get(PAGE).status_code == 403
    assert logged_in(place.person(Role.EDITOR)).get(days(place)).status_code == 403
    assert logged_in(outsider).get(days(place)).status_code == 404
    assert logged_in(outsider).get(f"{PAGE}1/change/").status_code == 404
    assert place.project.name + "</h2>" not in text_of(logged_in(outsider).get(PAGE))
    assert "Retention" not in text_of(logged_in(place.person(Role.VIEWER)).get("/admin/"))


def test_its_queries_do_not_grow_with_what_there_is(place, client, django_assert_max_num_queries):
    for number in range(5):
        place.post({"n": number})
    aged(400)
    client.get(PAGE)
    with django_assert_max_num_queries(30):
        client.get(PAGE)


def test_administrators_who_may_not_see_data_may_still_say_how_long(place):
    person = place.person(Role.ADMIN)
    Membership.objects.filter(user=person).update(may_see_data=False)
    assert logged_in(person).get(days(place)).status_code == 200
