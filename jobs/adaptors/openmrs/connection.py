"""How one speaks to an OpenMRS server: log-in, its error answers, what a dry run pretends."""

from __future__ import annotations

import copy
import re
from typing import Any

from jobs.adaptors.auth import Auth, Basic
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.spec import address, credential, secret, text

REST = "/ws/rest/v1"
FHIR = "/ws/fhir2"
DRY_UUID = "00000000-0000-0000-0000-000000000000"
# "Object with given uuid doesn't exist [Object with given uuid doesn't exist]": the server says it twice.
_TWICE = re.compile(r"\s*\[(?P<inner>.*)\]\s*$", re.DOTALL)


class Connection(RestClient):
    """The part that all groups of operations share."""

    system = "OpenMRS"
    schema = credential(
        {
            "instanceUrl": address(
                "Address", "Where one logs in, without /ws/rest.", example="https://emr.example.org/openmrs"
            ),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
            "fhirVersion": text("FHIR version", enum=["R5", "R4B", "R4", "R3", "R2"], default="R4"),
        },
        required=("instanceUrl", "username", "password"),
    )

    def base_url(self, configuration: dict[str, Any]) -> str:
        return re.sub(r"/ws(/rest(/v1)?)?/*$", "", str(configuration["instanceUrl"]).rstrip("/"))

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return Basic(configuration["username"], configuration["password"])

    def words(self, response: Response) -> str:
        """The server's sentence, with the fields that it complains about."""
        error = response.body.get("error") if isinstance(response.body, dict) else None
        if not isinstance(error, dict):
            return _outcome(response.body) or super().words(response)
        sentence = _sentence(error)
        complaints = [*_field_complaints(error.get("fieldErrors")), *_texts(error.get("globalErrors"))]
        if not complaints:
            return sentence
        return f"{sentence} ({'; '.join(complaints)})" if sentence else "; ".join(complaints)

    def cleaned(self, body: Any) -> Any:
        """An error body without the server's stack trace."""
        if isinstance(body, dict) and isinstance(body.get("error"), dict) and "detail" in body["error"]:
            body = copy.deepcopy(body)
            del body["error"]["detail"]
        return body

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        """The record as sent, with a uuid, so that the rest of the job has something to go on."""
        if method == "DELETE":
            return None
        last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        known = last if looks_like_uuid(last) else DRY_UUID
        return {"uuid": known, "display": "(dry run)"} | (data if isinstance(data, dict) else {})


def looks_like_uuid(segment: str) -> bool:
    """OpenMRS's own, and the 36 characters of CIEL concepts such as `165792AAAA…`."""
    return re.fullmatch(r"[0-9A-Za-z-]{36,38}", segment) is not None


def _sentence(error: dict[str, Any]) -> str:
    for key in ("translatedMessage", "message", "rawMessage"):
        words = error.get(key)
        if isinstance(words, str) and words.strip(" []") not in ("", "null"):  # Java's word for no words
            found = _TWICE.search(words)
            if found is not None and words[: found.start()].strip() in ("", found["inner"].strip()):
                return found["inner"].strip()
            return words.strip()
    return ""


def _field_complaints(fields: Any) -> list[str]:
    if not isinstance(fields, dict):
        return []
    return [f"{name}: {text}" for name, found in fields.items() for text in _texts(found)]


def _texts(found: Any) -> list[str]:
    entries = found if isinstance(found, list) else [found]
    dicts = [each for each in entries if isinstance(each, dict)]
    return [
        str(each.get("message") or each.get("code"))
        for each in dicts
        if each.get("message") or each.get("code")
    ]


def _outcome(body: Any) -> str:
    """The texts of a FHIR OperationOutcome."""
    issues = body.get("issue") if isinstance(body, dict) else None
    if not isinstance(issues, list):
        return ""
    texts = []
    for issue in (each for each in issues if isinstance(each, dict)):
        details = issue.get("details")
        said = details.get("text") if isinstance(details, dict) else None
        texts.append(str(issue.get("diagnostics") or said or issue.get("code") or ""))
    return "; ".join(filter(None, texts))
