"""`http`: any web API, with or without a credential."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, ClassVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from jobs.adaptors.auth import (
    Auth,
    Basic,
    HeaderKey,
    NoAuth,
    QueryKey,
    authority_of,
    bearer,
    oauth_bearer,
)
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.oauth import CODE, OAuthSpec, with_oauth
from jobs.adaptors.spec import AdaptorSpec, address, certificate, credential, operation, secret, text

OAUTH = OAuthSpec(endpoint="{token_url}", authorize="{authorize_url}", optional=True)


def _schema() -> dict[str, Any]:
    fields = credential(
        {
            "baseUrl": address(
                "Base address",
                "What every path is added to. Required with a password or key: they are sent nowhere else.",
                example="https://api.example.org/v1",
            ),
            "username": text("User name"),
            "password": secret("Password"),
            "access_token": secret(
                "Access token", "One that does not end, sent as 'Authorization: Bearer …'."
            ),
            "api_key": secret("API key"),
            "api_key_header": text("Header of the API key", default="X-API-Key", examples=["X-API-Key"]),
            "api_key_query": text(
                "Parameter of the API key", "If it belongs in the address instead of a header."
            ),
            "headers": {
                "type": "object",
                "title": "Other headers",
                "description": "Sent with every request.",
                "additionalProperties": {"type": "string"},
                "writeOnly": True,
            },
            "ca": certificate("For a server with a certificate of its own."),
            "test_path": text(
                "Path for the test", "Asked with GET by Test connection.", examples=["/status"]
            ),
        }
    )
    schema = with_oauth(fields, OAUTH)
    schema["properties"] |= {
        "token_url": address(
            "Address of the tokens",
            "Where the partner gives them out.",
            example="https://id.example.org/token",
            when={"grant": list(OAUTH.grants)},
        ),
        "authorize_url": address(
            "Address of the agreement",
            "Where a person agrees.",
            example="https://id.example.org/authorize",
            when={"grant": [CODE]},
        ),
    }
    by_person = {"properties": {"grant": {"const": CODE}}, "required": ["grant"]}
    schema["allOf"] += [
        {"if": {"required": ["grant"]}, "then": {"required": ["baseUrl", "token_url"]}},
        {"if": by_person, "then": {"required": ["authorize_url"]}},
    ]
    shown = ("username", "password", "access_token", "api_key", "headers")
    schema["dependentRequired"] = {name: ["baseUrl"] for name in shown}
    return schema


class Client(RestClient):
    """Requests to one web API (with a base address) or to any allowed host (without a credential)."""

    system = "The web service"
    headers: ClassVar[Mapping[str, str]] = {"Accept": "application/json, */*;q=0.8"}
    expects_json = False
    schema = _schema()

    def __init__(self, configuration: dict[str, Any], context: Any) -> None:
        self._test_path = str(configuration.get("test_path") or "")
        super().__init__(configuration, context)
        self._own_headers = dict(configuration.get("headers") or {})

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        if OAUTH.grant_of(configuration) is not None:
            return oauth_bearer(configuration, self.context)
        if configuration.get("access_token"):
            return bearer(configuration["access_token"])
        if configuration.get("api_key") and configuration.get("api_key_query"):
            return QueryKey(configuration["api_key_query"], configuration["api_key"])
        if configuration.get("api_key"):
            return HeaderKey(configuration.get("api_key_header") or "X-API-Key", configuration["api_key"])
        if configuration.get("username") or configuration.get("password"):
            return Basic(configuration.get("username") or "", configuration.get("password") or "")
        return NoAuth()

    def tls(self, configuration: dict[str, Any]) -> ssl.SSLContext | None:
        return authority_of(configuration)

    @operation(example='http.request("PROPFIND", "/calendars", errors={404: False})', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send a request of any method.

        Options: `params`, `headers`, `content_type` (json, form, multipart, xml, text or any MIME type),
        `parse_as` (auto, json, text, bytes, base64), `errors` (False; {404: False}; {404: "my own sentence"}),
        `timeout` in seconds, `idempotency_key` (makes repeating safe), `read_only` (sent in a dry run too).
        """
        options["headers"] = {**self._own_headers, **(options.get("headers") or {})}
        return super().request(method, path, data, **options)

    @operation(example='patients = http.get("/patients", params={"since": "2026-01-01"}).body')
    def get(self, path: str, *, params: Mapping[str, Any] | None = None, **options: Any) -> Response:
        """Read from an address; `.body` is the parsed answer."""
        return super().get(path, params=params, **options)

    @operation(example='http.post("/patients", {"name": "Aissatou"})', writes=True)
    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        """Send data, as JSON unless `content_type` says otherwise."""
        return super().post(path, data, **options)

    @operation(example='http.put("/patients/7", {"name": "Aissatou"})', writes=True)
    def put(self, path: str, data: Any = None, **options: Any) -> Response:
        """Replace what is at an address."""
        return super().put(path, data, **options)

    @operation(example='http.patch("/patients/7", {"phone": "+22890112233"})', writes=True)
    def patch(self, path: str, data: Any = None, **options: Any) -> Response:
        """Change part of what is at an address."""
        return super().patch(path, data, **options)

    @operation(example='http.delete("/patients/7")', writes=True)
    def delete(self, path: str, **options: Any) -> Response:
        """Delete what is at an address."""
        return super().delete(path, **options)

    @operation(example='form = http.parse_xml(state.data["xml"])')
    def parse_xml(self, xml: str | bytes) -> dict[str, Any]:
        """XML as dicts: attributes as `@name`, text beside them as `#text`, repeated elements as lists."""
        try:
            root = ElementTree.fromstring(xml)
        except (ParseError, DefusedXmlException, ValueError):
            raise ValidationError("The text is not XML that can be read safely.", sent=False) from None
        return {_local(root.tag): _plain(root)}

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        if not self._test_path:
            return "The credential is complete; give it a path for the test to have it tried."
        self.get(self._test_path)
        return "The web service accepts the credential."


def _plain(element: Element) -> Any:
    found: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    for child in element:
        name, value = _local(child.tag), _plain(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    words = (element.text or "").strip()
    if not found:
        return words or None
    return found | {"#text": words} if words else found


def _local(name: str) -> str:
    return name.rpartition("}")[2]


ADAPTOR = AdaptorSpec(
    name="http",
    title="HTTP",
    summary="Any web API: GET, POST, PUT, PATCH, DELETE.",
    schema=Client.schema,
    client=Client,
    oauth=OAUTH,
)
