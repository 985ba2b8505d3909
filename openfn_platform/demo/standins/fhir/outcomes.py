"""What a FHIR server says: resources as JSON, refusals as OperationOutcome."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.wire import Answer

Resource = dict[str, Any]


class Refused(Exception):
    """The server says no."""

    def __init__(self, status: int, code: str, text: str, *, where: str = "", **headers: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.where, self.headers = status, code, text, where, headers

    @property
    def outcome(self) -> Resource:
        """The reason as a resource."""
        return outcome("error", self.code, self.text, self.where)

    @property
    def answer(self) -> Answer:
        """The refusal as it goes out."""
        return fhir_json(self.status, self.outcome, **self.headers)

    def at(self, where: str) -> Refused:
        """The same, said of one entry of a bundle."""
        inner = f"{where}.resource.{self.where}" if self.where else where
        return Refused(self.status, self.code, f"{where}: {self.text}", where=inner)


def outcome(severity: str, code: str, text: str, where: str = "") -> Resource:
    """An OperationOutcome with one issue."""
    issue: Resource = {"severity": severity, "code": code, "details": {"text": text}, "diagnostics": text}
    if where:
        issue["expression"] = [where]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def fhir_json(status: int, resource: object, **headers: str) -> Answer:
    """A resource as an answer."""
    return Answer.json(status, resource, Content_Type="application/fhir+json; charset=utf-8", **headers)
