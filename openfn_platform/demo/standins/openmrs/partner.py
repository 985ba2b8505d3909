"""OpenMRS as a stand-in: who may, which resource, which verb, which page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from openfn_platform.demo.standins.openmrs import errors
from openfn_platform.demo.standins.openmrs.accounts import COOKIE, Accounts
from openfn_platform.demo.standins.openmrs.catalogue import KINDS, General
from openfn_platform.demo.standins.openmrs.dates import now_text
from openfn_platform.demo.standins.openmrs.fhir import FHIR, Fhir, outcome
from openfn_platform.demo.standins.openmrs.patients import PATIENT, Patients
from openfn_platform.demo.standins.openmrs.persons import PERSON, Persons
from openfn_platform.demo.standins.openmrs.representations import representation_from
from openfn_platform.demo.standins.openmrs.resources import REST, Resource
from openfn_platform.demo.standins.openmrs.seeds import seed
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

DEFAULT_PAGE = 50
LARGEST_PAGE = 100
VERBS = {"GET": "Get", "POST": "Add", "DELETE": "Delete"}
CONTEXT = "org.openmrs.module.webservices.rest.web.RequestContext:141"


class OpenMRS(Partner):
    """One OpenMRS with one user."""

    kind = "openmrs"
    settings: ClassVar[Mapping[str, Any]] = {
        "username": "admin",
        "password": "Admin123",
        "lock_after": 7,  # failures in a row; one more locks
        "lock_seconds": 300,
        "identifier_search": "anywhere",  # or "exact": how `identifier=` compares
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        self.base = ""
        self.accounts = Accounts()
        super().__init__(store, config)
        self.patients = Patients(self, PATIENT)
        self.resources: dict[str, Resource] = {"patient": self.patients, "person": Persons(self, PERSON)}
        self.resources.update({kind.name: General(self, kind) for kind in KINDS})
        self.fhir = Fhir(self.patients)

    def resource(self, name: str) -> Resource:
        """A resource by name, or 404."""
        if name not in self.resources:
            raise errors.unknown_resource(name)
        return self.resources[name]

    def seed(self) -> None:
        """The metadata of a new installation."""
        seed(self.store, now_text())

    def reset(self) -> None:
        """As new, without sessions and failures either."""
        super().reset()
        self.accounts = Accounts()
        self.patients.index()

    def state(self) -> dict[str, Any]:
        """All records, and the log-ins."""
        tables = {name: list(self.store.table(name).values()) for name in self.resources}
        return {**tables, "logins": self.accounts.described(self.config)}

    def handle(self, request: Request) -> Answer:
        """Answer a request; the session cookie goes along with the answer to a log-in."""
        path = request.path.removeprefix("/openmrs")
        self.base = request.origin + request.path[: len(request.path) - len(path)]
        session, fresh = self.accounts.session_of(request, self.config)
        answer = self._answer(request, path, session)
        if fresh:
            cookie = {"Set-Cookie": f"{COOKIE}={session}; Path=/; HttpOnly"}
            answer = Answer(answer.status, answer.body, {**answer.headers, **cookie})
        return answer

    def _answer(self, request: Request, path: str, session: str | None) -> Answer:
        if path == FHIR or path.startswith(FHIR + "/"):
            if session is None:
                realm = {"WWW_Authenticate": f'Basic realm="OpenMRS at {self.base}{FHIR}"'}
                return outcome(401, "login", "User is not logged in", **realm)
            return self.fhir.handle(request, path[len(FHIR) :])
        if not path.startswith(REST + "/"):
            page = b"<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
            return Answer(404, page, {"Content-Type": "text/html;charset=utf-8"})
        try:
            return self._rest(request, [p for p in path[len(REST) :].split("/") if p], session)
        except (errors.RestError, errors.ValidationError) as error:
            return error.answer()

    def _rest(self, request: Request, parts: list[str], session: str | None) -> Answer:
        if parts == ["session"]:
            return self._session(request, session)
        if request.method not in VERBS:
            thrower = "org.springframework.web.servlet.mvc.annotation.AnnotationMethodHandlerAdapter:134"
            raise errors.RestError(405, f"Request method '{request.method}' not supported", thrower=thrower)
        values = _values(request) if request.method == "POST" else {}
        resource = self.resource(parts[0] if parts else "")
        self._authorise(request, resource, session)
        if len(parts) == 1:
            return self._collection(request, resource, values)
        if len(parts) == 2:
            return self._single(request, resource, parts[1], values)
        if resource is self.patients and parts[2] == "identifier" and len(parts) < 5:
            return self._identifiers(request, parts[1], parts[3] if len(parts) == 4 else None, values)
        raise errors.unknown_resource("/".join([parts[0], *parts[2:3]]))

    def _authorise(self, request: Request, resource: Resource, session: str | None) -> None:
        if session is None:
            needed = f"Privileges required: {VERBS[request.method]} {resource.kind.label}"
            thrower = "org.openmrs.aop.AuthorizationAdvice:102"
            realm = f'Basic realm="OpenMRS at {self.base}{REST}"'
            raise errors.RestError(
                401, needed, reason="User is not logged in", thrower=thrower, WWW_Authenticate=realm
            )

    def _session(self, request: Request, session: str | None) -> Answer:
        if request.method == "DELETE":
            if session is not None:
                self.accounts.log_out(session)
            return Answer(204)
        if session is None:
            return Answer.json(200, {"authenticated": False})
        user = {"uuid": "1010d442-e134-11de-babe-001e378eb67e", "display": self.config["username"]}
        user |= {"username": self.config["username"], "systemId": "admin"}
        known = {"sessionId": session, "authenticated": True, "user": user, "locale": "en_GB"}
        return Answer.json(200, known)

    def _collection(self, request: Request, resource: Resource, values: dict[str, Any]) -> Answer:
        if request.method == "POST":
            record = resource.create(values)
            return Answer.json(201, resource.represent(record, "default"), Location=resource.uri(record))
        if request.method == "DELETE":
            raise errors.RestError(405, "Request method 'DELETE' not supported")
        wanted = representation_from(request.query.get("v", "ref"))
        start, limit = max(_number(request, "startIndex", 0), 0), self._limit(request)
        found = resource.search(request.query)
        page = found[start : start + limit]
        answer: dict[str, Any] = {"results": [resource.represent(record, wanted) for record in page]}
        if links := self._links(request, start, limit, len(found)):
            answer["links"] = links
        if request.query.get("totalCount", "").lower() == "true":
            answer["totalCount"] = len(found)
        return Answer.json(200, answer)

    def _limit(self, request: Request) -> int:
        limit = _number(request, "limit", DEFAULT_PAGE)
        if limit > LARGEST_PAGE:
            told = f"Administrator has set absolute limit at {LARGEST_PAGE}"
            raise errors.RestError(500, told, thrower=CONTEXT)
        if limit < 1:
            raise errors.RestError(500, "If limit is specified then it must be >= 1", thrower=CONTEXT)
        return limit

    def _links(self, request: Request, start: int, limit: int, count: int) -> list[dict[str, str]]:
        pages = []
        if start + limit < count:
            pages.append(("next", start + limit))
        if start > 0:
            pages.append(("prev", max(start - limit, 0)))
        links = []
        for rel, at in pages:
            query = {**request.query, "startIndex": str(at)}
            links.append({"rel": rel, "uri": f"{request.origin}{request.path}?{urlencode(query)}"})
        return links

    def _single(self, request: Request, resource: Resource, unique: str, values: dict[str, Any]) -> Answer:
        if request.method == "DELETE":
            return self._delete(request, resource, unique)
        record = resource.read(unique)
        if request.method == "POST":
            return Answer.json(200, resource.represent(resource.update(record, values), "default"))
        wanted = representation_from(request.query.get("v", "default"))
        return Answer.json(200, resource.represent(record, wanted))

    def _delete(self, request: Request, resource: Resource, unique: str) -> Answer:
        if "purge" in request.query and request.query["purge"].lower() != "false":
            found = resource.lookup(unique)
            if found is not None:  # purging what is gone is a success, too
                resource.purge(found)
        else:
            resource.void(resource.read(unique), request.query.get("reason", "web service call"))
        return Answer(204)

    def _identifiers(
        self, request: Request, owner: str, unique: str | None, values: dict[str, Any]
    ) -> Answer:
        patient = self.patients.read(owner)
        if unique is None and request.method == "POST":
            return self._identifier(201, owner, self.patients.add_identifier(patient, values))
        if unique is None:
            wanted = representation_from(request.query.get("v", "default"))
            return Answer.json(200, {"results": self.patients.value(patient, "identifiers", wanted)})
        if request.method == "POST":
            return self._identifier(200, owner, self.patients.change_identifier(patient, unique, values))
        if request.method == "DELETE":
            self.patients.void_identifier(patient, unique)
            return Answer(204)
        return self._identifier(200, owner, self.patients.identifier(patient, unique))

    def _identifier(self, status: int, owner: str, identifier: Record) -> Answer:
        patient = self.patients.read(owner)
        return Answer.json(status, self.patients.identifier_shown(patient, identifier, "default"))


def _values(request: Request) -> dict[str, Any]:
    """The body of a write: JSON and an object, else the refusals of the framework below."""
    if request.content_type != "application/json":
        kind = request.headers.get("content-type", "")
        raise errors.RestError(415, f"Content type '{kind}' not supported")
    thrower = "org.springframework.http.converter.json.MappingJackson2HttpMessageConverter:171"
    try:
        values = request.json()
    except ValueError as error:
        raise errors.RestError(400, f"Could not read JSON: {error}", thrower=thrower) from None
    if not isinstance(values, dict):
        told = "Could not read JSON: Can not deserialize instance of java.util.LinkedHashMap"
        raise errors.RestError(400, told, thrower=thrower)
    return values


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.query.get(name)
    if text is None:
        return otherwise
    try:
        return int(text)
    except ValueError:
        raise errors.RestError(500, f'For input string: "{text}"') from None
