"""`fhir`: any FHIR server (R4 and its neighbours): read, search, create, update, bundles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from jobs.adaptors.auth import Auth, Basic, NoAuth, bearer
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, AmbiguousError, NotFound, ValidationError
from jobs.adaptors.paging import LinkNext, next_link
from jobs.adaptors.searching import refuse_empty
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
        found: dict[str, Any] = self.part(self.get(_relative(reference)).body)
        return found

    @operation(example='bundle = fhir.search_bundle("Patient", identifier="urn:nid|7", count=50)')
    def search_bundle(self, kind: str, **params: Any) -> dict[str, Any]:
        """One page of a search as the server's bundle; `count` becomes `_count`, and so on."""
        found: dict[str, Any] = self.part(self.get(kind, params=_params(params)).body)
        return found

    @operation(example='patients = fhir.search("Patient", birthdate="ge2020-01-01")')
    def search(self, kind: str, *, max: int | None = None, **params: Any) -> list[dict[str, Any]]:
        """The resources that match, all pages, at most `max` (10,000 unless told)."""
        if max is not None:
            return list(self.each(kind, max=max, **params))
        found = list(self.each(kind, max=DEFAULT_MAX + 1, **params))
        if len(found) > DEFAULT_MAX:
            self.context.log(
                "warning", f"There are more than {DEFAULT_MAX:,} resources; pass max=… to read more."
            )
        return found[:DEFAULT_MAX]

    @operation(example='for patient in fhir.each("Patient"): print(patient["id"])')
    def each(self, kind: str, *, max: int | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """The same one by one, without holding them all. Included resources come too."""
        if max is not None and max < 1:
            return
        for count, entry in enumerate(self._entries(kind, params), 1):
            yield entry["resource"]
            if count == max:
                return

    @operation(example='patient = fhir.find_one("Patient", identifier="urn:nid|7")')
    def find_one(self, kind: str, **params: Any) -> dict[str, Any] | None:
        """The one resource that matches, or None. Several raise AmbiguousError."""
        refuse_empty("fhir.find_one", params)
        found: dict[str, Any] | None = None
        for entry in self._entries(kind, {"count": 2, **params}):
            mode = (entry.get("search") or {}).get("mode") or "match"
            if mode != "match" or entry["resource"].get("resourceType") != kind:
                continue  # an include
            if found is not None:
                raise AmbiguousError(
                    f"The FHIR server has several {kind} resources that match; one was expected.", sent=False
                )
            found = entry["resource"]
        return found

    # ---- writing

    @operation(
        example='fhir.create("Patient", {"gender": "female"}, if_none_exist="identifier=urn:nid|7")',
        writes=True,
    )
    def create(
        self, kind: str, resource: Mapping[str, Any], *, if_none_exist: str | None = None
    ) -> dict[str, Any]:
        """Make a resource. With `if_none_exist` (a search) only if none matches, which makes it safe to repeat."""
        headers = {"If-None-Exist": _quoted(if_none_exist)} if if_none_exist else {}
        return self._sent(
            "POST", kind, {"resourceType": kind, **resource}, headers=headers, repeatable=bool(if_none_exist)
        )

    @operation(example='fhir.update("Patient/7", patient, version=patient["meta"]["versionId"])', writes=True)
    def update(
        self, reference: str, resource: Mapping[str, Any], *, version: str | None = None
    ) -> dict[str, Any]:
        """Replace a resource, or make it under this ID. With `version` only if nobody changed it meanwhile.

        `Patient?identifier=…` instead of an ID replaces the one that matches.
        """
        url = _relative(reference)
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        # Repeated after a lost answer, our own change would look like that of somebody else.
        return self._sent("PUT", url, _named(url, resource), headers=headers, repeatable=not version)

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
        self.delete(_relative(reference), errors={404: _gone, 410: False})

    @operation(example='fhir.transaction([fhir.entry("POST", "Patient", patient)])', writes=True)
    def transaction(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Several changes, all or none. Answers the server's bundle."""
        return self._bundle("transaction", entries)

    @operation(example='fhir.batch([fhir.entry("PUT", "Patient/7", patient)])', writes=True)
    def batch(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Several changes, each for itself. The answer is a success also when some failed: see `failed_entries`."""
        answer = self._bundle("batch", entries)
        failed = self.failed_entries(answer)
        if failed and len(failed) == len(entries):
            raise ValidationError(
                f"The FHIR server refused all {len(failed)} entries; the first: {failed[0]['message']}",
                body=answer,
                sent=not all(each["status"].startswith("4") for each in failed),
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
        version: str | None = None,
    ) -> dict[str, Any]:
        """One entry for a transaction or batch; `full_url` (`urn:uuid:…`) lets others refer to it."""
        request = {
            "method": method.upper(),
            "url": url,
            **({"ifNoneExist": if_none_exist} if if_none_exist else {}),
            **({"ifMatch": f'W/"{version}"'} if version else {}),
        }
        made: dict[str, Any] = {"request": request}
        if full_url:
            made["fullUrl"] = full_url
        if resource is not None:
            made["resource"] = (
                _named(url, resource)
                if request["method"] == "PUT"
                else {"resourceType": _kind(url), **resource}
            )
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
        if response.body is None:
            made = _id_of(response) or path.partition("?")[0].partition("/")[2] or None
            return {"id": self.part(made, kind=str) if method == "POST" else made}
        body: dict[str, Any] = self.part(response.body)
        return body

    def _bundle(self, kind: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        given = list(entries)
        data = {"resourceType": "Bundle", "type": kind, "entry": given}
        answer = self._sent("POST", "", data, repeatable=all(_can_be_repeated(each) for each in given))
        self.part(answer, "resourceType", str)
        return answer

    def _entries(self, kind: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The entries with a resource, of all pages."""
        bundle: Any = self.search_bundle(kind, **params)
        theirs = _root_of(bundle, kind)
        seen: set[str] = set()
        while True:
            for entry in bundle.get("entry") or ():
                resource = entry.get("resource") if isinstance(entry, dict) else None
                if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
                    yield entry
            following = next_link(bundle, NEXT)
            if following is None:
                return
            if following in seen:
                raise AdaptorError("The FHIR server hands out its pages in circles.", sent=True)
            seen.add(following)
            bundle = self.part(self.get(self._within(following, theirs)).body)

    def _within(self, link: str, theirs: str | None) -> str:
        """The next page on our server: behind a proxy it often names itself wrongly."""
        path, mark, query = _target(link).partition("?")
        own = httpx.URL(self.http_client.address("")).path.rstrip("/")
        for root in (theirs, own) if path else ():
            if root is not None and (path == root or path.startswith(f"{root}/")):
                return path[len(root) :] + mark + query
        start = path.find(f"{own}/")
        if start >= 0:
            return path[start + len(own) :] + mark + query
        if query:  # its own idea of its path differs too: the query is what counts
            return mark + query
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


def _target(link: str) -> str:
    """Path and query of an address; nothing of one that is none."""
    try:
        return httpx.URL(link).raw_path.decode("ascii")
    except httpx.InvalidURL:
        return ""


def _root_of(bundle: Any, kind: str) -> str | None:
    """The path that the server believes to have, told by what it calls the search that we asked for."""
    links = bundle.get("link") if isinstance(bundle, dict) else None
    for each in links if isinstance(links, list) else ():
        if isinstance(each, dict) and each.get("relation") == "self":
            path = _target(str(each.get("url") or "")).partition("?")[0]
            return path.removesuffix(f"/{kind}") if path.endswith(f"/{kind}") else None
    return None


def _relative(reference: str) -> str:
    # A condition may well hold an address: `Patient?identifier=http://…|7`.
    if "://" in reference.partition("?")[0] or not reference.strip("/"):
        raise NotFound(
            "A reference is relative here, as in Patient/7; the server is in the credential.", sent=False
        )
    path, mark, condition = reference.partition("?")
    return path.strip("/") + mark + condition


def _kind(url: str) -> str:
    return url.partition("?")[0].partition("/")[0]


def _named(url: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as a PUT wants it: with the type and the ID that the address has."""
    kind, _, unique = url.partition("?")[0].partition("/")
    return {"resourceType": kind, **({"id": unique} if unique else {}), **resource}


def _quoted(condition: str) -> str:
    """A search as a header can carry it."""
    return quote(condition, safe="%!#$&'()*+,/:;=?@[]~|")


def _gone(response: Response) -> bool | None:
    """No error when the FHIR server says it; an error when nobody of FHIR is at this address."""
    body = response.body
    said = not body or (isinstance(body, dict) and body.get("resourceType") == "OperationOutcome")
    return False if said else None


def _can_be_repeated(entry: Mapping[str, Any]) -> bool:
    """Whether an entry that was done already does nothing more the second time."""
    request = entry.get("request") or {}
    if request.get("ifMatch"):
        return False
    return request.get("method") in ("GET", "HEAD", "PUT", "DELETE") or bool(request.get("ifNoneExist"))


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
