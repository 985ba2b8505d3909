"""What OpenMRS says when it refuses: the shapes and wordings of its REST module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.wire import Answer

IMPL = "org.openmrs.module.webservices.rest.web.resource.impl"
RESPONSE = "org.openmrs.module.webservices.rest.web.response"
INVALID_SUBMISSION = "webservices.rest.error.invalid.submission"


class RestError(Exception):
    """An exception of the server, with the status that it is mapped to."""

    def __init__(
        self, status: int, message: str, *, reason: str = "", thrower: str = "", **headers: str
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.reason, self.thrower = status, message, reason, thrower
        self.headers = headers

    def answer(self) -> Answer:
        """The error body of the REST module; stack traces are off, so `detail` is empty."""
        told = f"{self.reason} [{self.message}]" if self.reason else f"[{self.message}]"
        error = {
            "message": told,
            "code": self.thrower,
            "detail": "",
            "rawMessage": self.message,
            "translatedMessage": self.message,
        }
        return Answer.json(self.status, {"error": error}, **self.headers)


class ValidationError(Exception):
    """What the validators found, by field and in general."""

    def __init__(self) -> None:
        super().__init__("Invalid Submission")
        self.fields: dict[str, list[dict[str, str]]] = {}
        self.general: list[dict[str, str]] = []

    def field(self, name: str, code: str, message: str) -> None:
        """Something is wrong with one field."""
        self.fields.setdefault(name, []).append({"code": code, "message": message})

    def reject(self, message: str, code: str = "") -> None:
        """Something is wrong in general; identifier checks use their message as the code, too."""
        self.general.append({"code": code or message, "message": message})

    def raise_any(self) -> None:
        """Raise this when anything was found."""
        if self.fields or self.general:
            raise self

    def answer(self) -> Answer:
        """400 with all findings."""
        error: dict[str, Any] = {
            "message": "Invalid Submission",
            "code": INVALID_SUBMISSION,
            "globalErrors": self.general,
            "fieldErrors": self.fields,
        }
        return Answer.json(400, {"error": error})


def conversion(message: str, *, where: str = "") -> RestError:
    """A value that cannot become the property, `where` as `birthdate on class org.openmrs.Person`."""
    told = f"{where} => {message}" if where else message
    return RestError(400, told, thrower=f"{IMPL}.BaseDelegatingResource:811")


def not_found() -> RestError:
    """404 of an object."""
    reason = "Object with given uuid doesn't exist"
    return RestError(404, "null", reason=reason, thrower=f"{IMPL}.DelegatingCrudResource:84")


def unknown_resource(name: str) -> RestError:
    """404 of a resource type."""
    thrower = "org.openmrs.module.webservices.rest.web.api.impl.RestServiceImpl:349"
    return RestError(404, f"Unknown resource: v1/{name}", thrower=thrower)


def not_supported(what: str) -> RestError:
    """400 of an operation that the resource does not have."""
    return RestError(400, what, thrower=f"{IMPL}.BaseDelegatingResource:120")


def java_class(value: object) -> str:
    """The Java class that a JSON value is read as."""
    names: Mapping[type, str] = {
        bool: "java.lang.Boolean",
        int: "java.lang.Integer",
        float: "java.lang.Double",
        str: "java.lang.String",
        list: "java.util.ArrayList",
        dict: "java.util.LinkedHashMap",
    }
    return names.get(type(value), "java.lang.Object")


def cannot_convert(value: object, target: str, *, where: str = "") -> RestError:
    """A value of a kind that the property cannot take."""
    told = f"Don't know how to convert from class {java_class(value)} to class {target}"
    return conversion(told, where=where)
