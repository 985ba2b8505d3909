"""Small partner systems on real sockets, just enough of each to judge our own client by."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.common.faulty import Act, FaultyServer, answer

BASIC = "Basic YWRtaW46QWRtaW4xMjM0NQ=="  # admin:Admin12345


class OpenMrs:
    """Patients and a concept list, with the limits and the error bodies of the real one."""

    def __init__(self, *, concepts=250, absolute=100, behind="http://internal:8080") -> None:
        self.patients: dict[str, dict[str, Any]] = {}
        self.concepts = [{"uuid": f"c{number}", "display": f"Concept {number}"} for number in range(concepts)]
        self.absolute = absolute
        self.behind = behind  # what the server believes its own address to be
        self.fail_next: list[Act] = []
        self.server = FaultyServer(self._act)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    @property
    def url(self):
        return f"{self.server.url}/openmrs"

    def calls(self, method):
        return [each.target for each in self.server.seen if each.method == method]

    def add(self, *identifiers):
        key = str(uuid.uuid4())
        self.patients[key] = {"uuid": key, "identifiers": [{"identifier": each} for each in identifiers]}
        return key

    def _act(self, connection, seen):
        if self.fail_next:
            return self.fail_next.pop(0)(connection, seen)
        url = urlsplit(seen.target)
        path = url.path.removeprefix("/openmrs")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return self._routed(seen, path, query)(connection, seen)

    def _routed(self, seen, path, query):
        allowed = seen.headers.get("authorization") == BASIC
        if path == "/ws/rest/v1/session":
            user = {"user": {"display": "admin"}} if allowed else {}
            return answer(200, {"authenticated": allowed} | user)
        if not allowed:
            return error(401, "User is not logged in")
        if path.startswith("/ws/fhir2/R4"):
            return self._fhir(query)
        parts = path.removeprefix("/ws/rest/v1/").split("/")
        if parts == ["concept"]:
            return self._page(self.concepts, path, query)
        if parts[0] == "patient":
            return self._patient(seen, parts[1:], query, path)
        return error(404, "Unknown resource: " + parts[0])

    def _patient(self, seen, rest, query, path):
        if seen.method == "GET" and not rest:
            text = query.get("identifier") or query.get("q")
            if text is None:
                return error(400, "patient does not support doGetAll")
            found = [each for each in self.patients.values() if any(text.lower() in i["identifier"].lower() for i in each["identifiers"])]  # fmt: skip
            if query.get("v") != "full":
                found = [{"uuid": each["uuid"], "display": "x"} for each in found]
            return self._page(found, path, query)
        if seen.method == "POST" and not rest:
            body = seen.json
            if not body.get("person", {}).get("names"):
                return answer(
                    400,
                    {
                        "error": {
                            "message": "Invalid Submission",
                            "code": "webservices.rest.error.invalid.submission",
                            "detail": "java.lang.Stack",
                            "globalErrors": [{"code": "a", "message": "A name is needed"}],
                            "fieldErrors": {
                                "names[0].givenName": [{"code": "b", "message": "Cannot be empty"}]
                            },
                        }
                    },
                )
            key = self.add(*[each["identifier"] for each in body.get("identifiers", [])])
            self.patients[key] |= {"person": body["person"]}
            return answer(201, self.patients[key])
        if not rest or rest[0] not in self.patients:
            return error(404, "Object with given uuid doesn't exist")
        patient = self.patients[rest[0]]
        if seen.method == "DELETE":
            if query.get("purge") == "true":
                del self.patients[rest[0]]
            else:
                patient["voided"] = query.get("reason", True)
            return answer(204)
        if seen.method == "POST":
            patient |= seen.json
        return answer(200, patient)

    def _page(self, items, path, query):
        size = int(query.get("limit", 50))
        if size > self.absolute:
            return error(500, f"Administrator has set absolute limit at {self.absolute}")
        start = int(query.get("startIndex", 0))
        body = {"results": items[start : start + size]}
        if start + size < len(items):
            link = f"{self.behind}/openmrs{path}?startIndex={start + size}&limit={size}"
            body["links"] = [{"rel": "next", "uri": link}]
        return answer(200, body)

    def _fhir(self, query):
        start = int(query.get("_getpagesoffset", 0))
        body: dict[str, Any] = {
            "resourceType": "Bundle",
            "entry": [{"resource": {"id": n}} for n in range(start, start + 2)],
        }
        url = f"{self.behind}/openmrs/ws/fhir2/R4?_getpages=abc&_getpagesoffset={start + 2}"
        body["link"] = [{"relation": "self", "url": "x"}]
        if start < 4:
            body["link"].append({"relation": "next", "url": url})
        return answer(200, body)


def error(status, message):
    """As the REST module writes it: everything twice."""
    return answer(
        status, {"error": {"message": f"{message} [{message}]", "code": "org.x:1", "detail": "stack"}}
    )


class TwilioApi:
    """Accepts messages to +22890…, refuses +1555 as invalid, checks log-in and form encoding."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.fail_next: list[Act] = []
        self.server = FaultyServer(self._act)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def _act(self, connection, seen):
        if self.fail_next:
            return self.fail_next.pop(0)(connection, seen)
        return self._routed(seen)(connection, seen)

    def _routed(self, seen):
        if seen.headers.get("authorization") != "Basic QUMxMjM6dG9wLXNlY3JldC10b2tlbg==":
            return answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if seen.target == "/2010-04-01/Accounts/AC123.json":
            return answer(200, {"friendly_name": "Clinic", "status": "active"})
        form = dict(parse_qsl(seen.body.decode()))
        if form["To"].startswith("+1555"):
            words = f"The 'To' number {form['To']} is not a valid phone number."
            return answer(400, {"code": 21211, "message": words, "status": 400, "more_info": "https://x"})
        if form.get("From") == "bad":
            return answer(400, {"code": 21212, "message": "The 'From' number is not valid.", "status": 400})
        self.sent.append(form)
        return answer(
            201, {"sid": f"SM{len(self.sent)}", "status": "queued", "error_code": None, "to": form["To"]}
        )
