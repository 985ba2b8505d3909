"""`fhir`: any FHIR server (R4 and its neighbours): read, search, create, update, bundles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import httpx

from jobs.adaptors.auth import Auth, Basic, NoAuth, bearer
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, AmbiguousError, NotFound, ValidationError
from jobs.adaptors.paging import LinkNext, next_link
from jobs.adaptors.signing_in import client_credentials
from jobs.adaptors.spec import AdaptorSpec, address, credential, operation, secret, text

NEXT = LinkNext(path="link", name="relation", url="url")
MIME = "application/fhir+json"
DEFAULT_MAX = 10_000
# FHIR writes these with an underscore in front, which reads badly as a Python argument.
UNDERSCORED = frozenset(
    {
        "count",
        "sort",
        "include",
        "revinclude",
        "summary",
        "total",
        "elements",
        "id",
        "lastUpdated",
        "tag",
        "profile",
    }
)


class Client(RestClient):
    """One FHIR server."""

    system = "The FHIR server"
    headers: ClassVar[Mapping[str, str]] = {"Accept": f"{MIME}, application/json"}
    test_path = "/metadata"
    schema = credential(
        {
            "baseUrl": address("Address", "With its path.", example="https://fhir.example.org/fhir"),
            "username": text("User name"),
            "password": secret("Password"),
            "access_token": secret("Access token"),
            "tokenUrl": address(
                "Token address", "To log in as a program.", example="https://id.example.org/token"
            ),
            "clientId": text("Client ID"),
            "clientSecret": secret("Client secret"),
            "scope": text("Scope", examples=["system/*.read"]),
        },
        required=("baseUrl",),
    )

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        if configuration.get("access_token"):
            return bearer(configuration["access_token"])
        if configuration.get("tokenUrl"):
            return client_credentials(
                configuration["tokenUrl"],
                client_id=str(configuration.get("clientId") or ""),
                client_secret=str(configuration.get("clientSecret") or ""),
                scope=str(configuration.get("scope") or ""),
            )
        if configuration.get("username"):
            return Basic(configuration["username"], configuration.get("password") or "")
        return NoAuth()

    def words(self, response: Response) -> str:
        return outcome_words(response.body) or super().words(response)

    def problem(self, response: Response) -> AdaptorError | None:
        """An OperationOutcome of errors inside a success."""
        body = response.body
        if isinstance(body, dict) and body.get("resourceType") == "OperationOutcome":
            worst = {issue.get("severity") for issue in body.get("issue") or () if isinstance(issue, dict)}
            if worst & {"error", "fatal"}:
                return ValidationError(self._sentence(response), body=body, sent=True)
        return None

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        if isinstance(data, dict) and data.get("resourceType") == "Bundle":
            entries = [{"response": {"status": "200"}} for _ in data.get("entry") or ()]
            return {"resourceType": "Bundle", "type": f"{data.get('type')}-response", "entry": entries}
        return {"id": "dry-run", **data} if isinstance(data, dict) else {}

    # ---- reading

    @operation(example='patient = fhir.read("Patient/7")')
    def read(self, reference: str) -> dict[str, Any]:
        """One resource by its reference (`Patient/7`, `Patient/7/_history/2`)."""
        found: dict[str, Any] = self.get(_relative(reference)).body
        return found

    @operation(example='bundle = fhir.search_bundle("Patient", identifier="urn:nid|7", count=50)')
    def search_bundle(self, kind: str, **params: Any) -> dict[str, Any]:
        """One page of a search as the server's bundle; `count` becomes `_count`, and so on."""
        found: dict[str, Any] = self.get(kind, params=_params(params)).body
        return found

    @operation(example='patients = fhir.search("Patient", birthdate="ge2020-01-01")')
    def search(self, kind: str, *, max: int | None = None, **params: Any) -> list[dict[str, Any]]:
        """The resources that match, all pages, at most `max` (10,000 unless told)."""
        wanted = DEFAULT_MAX if max is None else max
        found: list[dict[str, Any]] = []
        for resource in self.each(kind, **params):
            if len(found) >= wanted:
                if max is None:
                    self.context.log(
                        "warning", f"There are more than {wanted:,} resources; pass max=… to read more."
                    )
                break
            found.append(resource)
        return found

    @operation(example='for patient in fhir.each("Patient"): print(patient["id"])')
    def each(self, kind: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The same one by one, without holding them all. Included resources come too."""
        bundle: Any = self.search_bundle(kind, **params)
        seen: set[str] = set()
        while isinstance(bundle, dict):
            for entry in bundle.get("entry") or ():
                resource = entry.get("resource") if isinstance(entry, dict) else None
                if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
                    yield resource
            following = next_link(bundle, NEXT)
            if following is None:
                return
            if following in seen:
                raise AdaptorError("The FHIR server hands out its pages in circles.", sent=True)
            seen.add(following)
            bundle = self.get(self._within(following)).body

    @operation(example='patient = fhir.find_one("Patient", identifier="urn:nid|7")')
    def find_one(self, kind: str, **params: Any) -> dict[str, Any] | None:
        """The one resource that matches, or None. Several raise AmbiguousError."""
        found = [
            each for each in self.each(kind, **{"count": 2, **params}) if each.get("resourceType") == kind
        ]
        if len(found) > 1:
            raise AmbiguousError(
                f"The FHIR server has {len(found)} {kind} that match; one was expected.", sent=False
            )
        return found[0] if found else None

    # ---- writing

    @operation(
        example='fhir.create("Patient", {"gender": "female"}, if_none_exist="identifier=urn:nid|7")',
        writes=True,
    )
    def create(
        self, kind: str, resource: Mapping[str, Any], *, if_none_exist: str | None = None
    ) -> dict[str, Any]:
        """Make a resource. With `if_none_exist` (a search) only if none matches, which makes it safe to repeat."""
        headers = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        made = self._sent(
            "POST", kind, {"resourceType": kind, **resource}, headers=headers, repeatable=bool(if_none_exist)
        )
        return made

    @operation(example='fhir.update("Patient/7", patient, version=patient["meta"]["versionId"])', writes=True)
    def update(
        self, reference: str, resource: Mapping[str, Any], *, version: str | None = None
    ) -> dict[str, Any]:
        """Replace a resource, or make it under this ID. With `version` only if nobody changed it meanwhile.

        `Patient?identifier=…` instead of an ID replaces the one that matches.
        """
        kind = reference.partition("/")[0].partition("?")[0]
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        return self._sent("PUT", _relative(reference), {"resourceType": kind, **resource}, headers=headers)

    @operation(
        example='fhir.patch_resource("Patient/7", [{"op": "replace", "path": "/active", "value": False}])',
        writes=True,
    )
    def patch_resource(self, reference: str, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Change parts of a resource by JSON Patch."""
        return self._sent("PATCH", _relative(reference), list(changes), mime="application/json-patch+json")

    @operation(example='fhir.destroy("Patient/7")', writes=True)
    def destroy(self, reference: str) -> None:
        """Delete a resource; one that is gone already is no error."""
        self.delete(_relative(reference), errors={404: False, 410: False})

    @operation(example='fhir.transaction([fhir.entry("POST", "Patient", patient)])', writes=True)
    def transaction(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Several changes, all or none. Answers the server's bundle."""
        return self._sent(
            "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        )

    @operation(example='fhir.batch([fhir.entry("PUT", "Patient/7", patient)])', writes=True)
    def batch(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Several changes, each for itself. The answer is a success also when some failed: see `failed_entries`."""
        answer = self._sent("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": list(entries)})
        failed = self.failed_entries(answer)
        if failed and len(failed) == len(entries):
            raise ValidationError(
                f"The FHIR server refused all {len(failed)} entries; the first: {failed[0]['message']}",
                body=answer,
                sent=False,
            )
        if failed:
            self.context.log("warning", f"The FHIR server refused {len(failed)} of {len(entries)} entries.")
        return answer

    @operation(example='for each in fhir.failed_entries(answer): problem(each["index"], each["message"])')
    def failed_entries(self, bundle: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What was refused of a batch: `index`, `status`, `message`."""
        found = []
        for index, entry in enumerate(bundle.get("entry") or ()):
            response = entry.get("response") or {}
            status = str(response.get("status") or "")
            if not status.startswith(("2", "3")):
                words = outcome_words(response.get("outcome")) or outcome_words(entry.get("resource"))
                found.append({"index": index, "status": status, "message": words or status})
        return found

    @operation(example='entry = fhir.entry("PUT", "Patient/7", patient)')
    def entry(
        self,
        method: str,
        url: str,
        resource: Any = None,
        *,
        full_url: str | None = None,
        if_none_exist: str | None = None,
    ) -> dict[str, Any]:
        """One entry for a transaction or batch; `full_url` (`urn:uuid:…`) lets others refer to it."""
        request = {
            "method": method.upper(),
            "url": url,
            **({"ifNoneExist": if_none_exist} if if_none_exist else {}),
        }
        made: dict[str, Any] = {"request": request}
        if full_url:
            made["fullUrl"] = full_url
        if resource is not None:
            made["resource"] = {"resourceType": url.partition("/")[0].partition("?")[0], **resource}
        return made

    @operation(example='fhir.request("POST", "Patient/$match", parameters).body', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send any request; `.body` is the parsed answer."""
        return super().request(method, path, data, **options)

    # ---- inside

    def _sent(
        self, method: str, path: str, data: Any, *, mime: str = MIME, headers: Any = None, **options: Any
    ) -> dict[str, Any]:
        response = self.request(
            method, path, data, headers={"Content-Type": mime, **(headers or {})}, **options
        )
        body: dict[str, Any] | None = response.body
        return body if body is not None else {"id": _id_of(response)}

    def _within(self, link: str) -> str:
        """The next page on our server: behind a proxy it often names itself wrongly."""
        url, base = httpx.URL(link), httpx.URL(self.http_client.address(""))
        path = url.raw_path.decode("ascii")
        root = base.path.rstrip("/")
        start = path.find(f"{root}/") if root else 0
        if start >= 0:
            return path[start + len(root) :] or "/"
        if "?" in path:  # its own idea of its path differs too: the query is what counts
            return "?" + path.partition("?")[2]
        raise AdaptorError("The FHIR server names a next page that is not part of it.", sent=True)


def outcome_words(body: Any) -> str:
    """The texts of an OperationOutcome, errors first."""
    issues = body.get("issue") if isinstance(body, dict) else None
    if not isinstance(issues, list):
        return ""
    ranked = sorted(
        (each for each in issues if isinstance(each, dict)),
        key=lambda issue: issue.get("severity") not in ("fatal", "error"),
    )
    texts = []
    for issue in ranked:
        details = issue.get("details")
        said = details.get("text") if isinstance(details, dict) else None
        texts.append(str(issue.get("diagnostics") or said or issue.get("code") or ""))
    return "; ".join(filter(None, texts))


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    named = {"last_updated": "lastUpdated"}
    found = {}
    for name, value in params.items():
        theirs = named.get(name, name)
        found[f"_{theirs}" if theirs in UNDERSCORED else theirs.replace("__", ":")] = value
    return found


def _relative(reference: str) -> str:
    if "://" in reference or not reference.strip("/"):
        raise NotFound(
            "A reference is relative here, as in Patient/7; the server is in the credential.", sent=False
        )
    return reference.strip("/")


def _id_of(response: Response) -> str | None:
    """From `Location: …/Patient/7/_history/1`, where the server sends no body."""
    parts = response.headers.get("location", "").partition("/_history")[0].rstrip("/").rsplit("/", 1)
    return parts[1] if len(parts) == 2 else None


ADAPTOR = AdaptorSpec(
    name="fhir",
    title="FHIR",
    summary="Resources of any FHIR server: read, search, create, update, bundles.",
    schema=Client.schema,
    client=Client,
)
