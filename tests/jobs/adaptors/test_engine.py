"""A thin system is a few declared lines: paging, errors inside a success, kinds of credential."""

from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from jobs.adaptors.auth import Basic, QueryKey, token
from jobs.adaptors.context import Context
from jobs.adaptors.engine import RestClient
from jobs.adaptors.errors import AdaptorError, ConfigurationError, RateLimited, ValidationError
from jobs.adaptors.paging import Cursor, LinkHeader, LinkNext, NextUrl, OffsetLimit, PageNumber
from jobs.adaptors.spec import address, credential, operation, secret

BASE = "https://thin.example/app"


class Thin(RestClient):
    system = "Thin"
    prefix = "api/v2"
    schema = credential({"baseUrl": address("Address", example=BASE), "token": secret("Token")})
    test_path = "me"
    message_paths: ClassVar = ("oops.why",)

    def authenticate(self, configuration):
        return token("Token", configuration["token"])

    def problem(self, response):
        body = response.body
        return ValidationError("Thin: no", body=body) if isinstance(body, dict) and body.get("bad") else None

    def worth_repeating(self, answer):
        return b"datasource" not in answer.content

    @operation(example='thin.things("a")')
    def things(self, kind):
        """All things of a kind."""
        return list(self.records(f"things/{kind}", paging=NextUrl("meta.next"), items="things"))


def thin(handler, **facts):
    seen = []

    def answer(request):
        seen.append(request)
        return handler(request)

    context = Context(transport=httpx.MockTransport(answer), **facts)
    return Thin({"baseUrl": BASE, "token": "t-abcdefgh"}, context), seen


def query(request):
    return dict(parse_qsl(urlsplit(str(request.url)).query))


def window(request, start, size, total=7):
    return list(range(start, min(start + size, total)))


def by_offset(request):
    asked = query(request)
    return httpx.Response(200, json={"rows": window(request, int(asked["offset"]), int(asked["limit"]))})


def by_page(request):
    asked = query(request)
    size = int(asked["pageSize"])
    body = {"rows": window(request, (int(asked["page"]) - 1) * size, size), "pager": {"pageCount": 3}}
    return httpx.Response(200, json=body)


def by_cursor(request):
    start = int(query(request).get("cursor", 0))
    following = start + 3 if start + 3 < 7 else None
    return httpx.Response(200, json={"rows": window(request, start, 3), "next_cursor": following})


def by_next(request):
    start = int(query(request).get("at", 0))
    url = f"http://thin.example:8080/app/api/v2/things?at={start + 3}" if start + 3 < 7 else None
    return httpx.Response(
        200,
        json={
            "rows": window(request, start, 3),
            "next": url,
            "links": [{"rel": "self", "uri": "x"}, *([{"rel": "next", "uri": url}] if url else [])],
        },
        headers={"link": f'<{url}>; rel="next", </x>; rel="last"'} if url else {},
    )


@pytest.mark.parametrize(
    ("paging", "handler"),
    [
        (OffsetLimit(size=3), by_offset),
        (PageNumber(size=3), by_page),
        (PageNumber(size=3, pages_at="pager.pageCount"), by_page),
        (Cursor(), by_cursor),
        (NextUrl(), by_next),
        (LinkNext(), by_next),
        (LinkHeader(), by_next),
    ],
)
def test_every_kind_of_paging_gives_each_record_once(paging, handler):
    client, seen = thin(handler)
    assert list(client.records("things", paging=paging, items="rows")) == list(range(7))
    assert len(seen) == 3
    assert all(each.url.host == "thin.example" and each.url.scheme == "https" for each in seen)
    assert list(client.records("things", paging=paging, items="rows", max=4)) == [0, 1, 2, 3]
    assert len(seen) == 5


def test_pages_in_circles_and_pages_elsewhere_are_refused():
    client, _ = thin(lambda request: httpx.Response(200, json={"rows": [1], "next": f"{BASE}/api/v2/x?p=1"}))
    with pytest.raises(AdaptorError, match="in circles"):
        list(client.records("x", paging=NextUrl(), items="rows"))
    client, seen = thin(
        lambda request: httpx.Response(200, json={"rows": [1], "next": "https://evil.example/"})
    )
    with pytest.raises(ConfigurationError, match=r"evil\.example, which is another system"):
        list(client.records("x", paging=NextUrl(), items="rows"))
    assert len(seen) == 1


def test_declared_lines_are_enough_for_a_thin_system():
    client, seen = thin(lambda request: httpx.Response(200, json={"things": [1, 2], "meta": {}}))
    assert client.things("a") == [1, 2]
    assert client.test() == "Thin accepts the credential."
    assert [str(each.url) for each in seen] == [f"{BASE}/api/v2/things/a", f"{BASE}/api/v2/me"]
    assert seen[0].headers["authorization"] == "Token t-abcdefgh"


def test_an_error_inside_a_success_is_an_error():
    client, _ = thin(lambda request: httpx.Response(200, json={"bad": True}))
    with pytest.raises(ValidationError, match="Thin: no"):
        client.get("x")


def test_the_partners_words_are_found_where_declared_and_cut():
    client, _ = thin(lambda request: httpx.Response(400, json={"oops": {"why": "word " * 500}}))
    with pytest.raises(ValidationError) as caught:
        client.get("x")
    assert caught.value.message.startswith("Thin: word word")
    assert len(caught.value.message) < 450


@pytest.mark.parametrize("how", [{}, {"content_type": "form"}, {"content_type": "multipart"}])
def test_half_a_character_does_not_break_off_a_request(how):
    client, seen = thin(lambda request: httpx.Response(200, json={}))
    client.request("POST", "x", {"text": "a\ud83d"}, params={"q": "b\ud83d"}, **how)
    assert query(seen[0]) == {"q": "b?"}
    assert b"a?" in seen[0].content or b"a%3F" in seen[0].content or b"a\\ud83d" in seen[0].content


def test_json_in_an_encoding_that_it_names_is_read():
    kinds = {"content-type": "application/json; charset=ISO-8859-1"}
    client, _ = thin(
        lambda request: httpx.Response(200, headers=kinds, content='{"a": "é"}'.encode("latin-1"))
    )
    assert client.get("x").body == {"a": "é"}
    bare = {"content-type": "application/json"}
    client, _ = thin(
        lambda request: httpx.Response(200, headers=bare, content='{"a": "é"}'.encode("latin-1"))
    )
    with pytest.raises(AdaptorError, match="not valid JSON"):
        client.get("x")


def test_a_429_that_is_no_rate_limit_can_be_left_alone():
    client, seen = thin(lambda request: httpx.Response(429, json={"detail": "datasource"}))
    with pytest.raises(RateLimited):
        client.get("x")
    assert len(seen) == 1


def test_credentials_keep_their_secrets_to_themselves():
    for auth in (Basic("u", "p-abcdefgh"), QueryKey("k", "p-abcdefgh"), token("Token", "p-abcdefgh")):
        assert "p-abcdefgh" not in repr(auth)
        assert any("p-abcdefgh" in each for each in auth.secrets())


def test_a_key_that_cannot_be_sent_is_told_to_be_looked_at_and_not_the_address():
    context = Context(transport=httpx.MockTransport(lambda request: httpx.Response(200)))
    client = Thin({"baseUrl": BASE, "token": "clé\n"}, context)
    with pytest.raises(ConfigurationError) as caught:
        client.things("a")
    assert "cannot be sent" in str(caught.value)
    assert (caught.value.hint or "").startswith("Look at tokens, keys and headers")
