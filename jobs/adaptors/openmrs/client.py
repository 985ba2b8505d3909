"""The operations of `openmrs`. Paths are those of the REST module: `patient`, `patient/<uuid>/identifier`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AmbiguousError, AuthError, NotFound, ValidationError
from jobs.adaptors.openmrs.connection import REST, Connection, looks_like_uuid
from jobs.adaptors.openmrs.fhir import Fhir
from jobs.adaptors.openmrs.lists import listed
from jobs.adaptors.openmrs.plain import Plain
from jobs.adaptors.searching import refuse_empty
from jobs.adaptors.spec import operation

SEARCH_MAX = 1_000


class Client:
    """One OpenMRS server."""

    schema = Connection.schema
    groups: ClassVar[Mapping[str, type]] = {"fhir": Fhir, "http": Plain}

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self._connection = Connection(configuration, context)
        self._context = context
        self.fhir = Fhir(self._connection, version=str(configuration.get("fhirVersion") or "R4"))
        self.http = Plain(self._connection)

    @operation(example='visits = openmrs.get("visit", patient=uuid, v="full")')
    def get(
        self,
        path: str,
        *,
        query: str | None = None,
        max: int | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        start_index: int | None = None,
        singleton: bool = False,
        language: str | None = None,
        **params: Any,
    ) -> Any:
        """Records of a resource, always as a list; a path with a uuid gives a list of one.

        `query` is the server's full-text search `q`. At most `max` records come (10,000 unless told), page by
        page; `limit` asks for that many and no more; `page_size` is at most 100, as the server has it.
        `singleton` gives the first record, or None. Other names are passed on, as in `v="full"`.
        """
        records = listed(
            self._connection,
            _clean(path),
            params=params if query is None else params | {"q": query},
            max=max,
            page_size=page_size,
            limit=limit,
            start_index=start_index,
            headers=_language(language),
            warn=lambda text: self._context.log("warning", text),
        )
        if singleton:
            return records[0] if records else None
        return records

    @operation(example='patient = openmrs.find_one("patient", identifier="100GEJ")')
    def find_one(self, path: str, **params: Any) -> dict[str, Any] | None:
        """The one record that matches, or None. Several raise AmbiguousError.

        With `identifier=` only records that really have that identifier count: the server's own search also
        answers with similar ones.
        """
        refuse_empty("openmrs.find_one", params)
        found = self._matching(_clean(path), params)
        if len(found) > 1:
            raise AmbiguousError(
                f"OpenMRS has {len(found)} records that match in {_resource(path)}; one was expected.",
                sent=False,
            )
        return found[0] if found else None

    @operation(example='openmrs.create("patient", {"person": {...}, "identifiers": [...]})', writes=True)
    def create(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """Make a record; answers what the server made of it, with its uuid."""
        created: dict[str, Any] = self._connection.part(self._rest("POST", _clean(path), data).body)
        return created

    @operation(example='openmrs.update(f"person/{uuid}", {"birthdate": "1994-05-02"})', writes=True)
    def update(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """Change part of a record; the path ends with its uuid."""
        clean = _clean(path)
        if not _names_record(clean, {}):
            raise ValidationError("openmrs.update needs a path that ends with a uuid.", sent=False)
        # Plain values set twice change nothing, but a list such as `obs` may be added twice.
        plain = not any(isinstance(value, (dict, list)) for value in data.values())
        updated: dict[str, Any] = self._rest("POST", clean, data, repeatable=plain).body
        return updated

    @operation(example='openmrs.upsert("patient", data, identifier="100GEJ")', writes=True)
    def upsert(self, path: str, data: dict[str, Any], **params: Any) -> dict[str, Any]:
        """Update the record that the path or the search parameters name, or create it.

        Several matches raise AmbiguousError. With a uuid in the path and no such record, it is created in the
        collection; put that uuid into `data` too if the server is to keep it.
        """
        clean = _clean(path)
        if _names_record(clean, params):
            if self._exists(clean, params):
                return self.update(clean, data)
            return self.create(clean.rpartition("/")[0], data)
        if not params:
            raise ValidationError(
                "openmrs.upsert needs to know which record is meant: a uuid in the path, or something to search by.",
                sent=False,
            )
        refuse_empty("openmrs.upsert", params)
        found = self._matching(clean, params)
        if len(found) > 1:
            raise AmbiguousError(
                f"OpenMRS has {len(found)} records that match in {_resource(path)}; cannot tell which one to update.",
                sent=False,
            )
        return self.update(f"{clean}/{found[0]['uuid']}", data) if found else self.create(clean, data)

    @operation(example='openmrs.destroy(f"encounter/{uuid}", reason="entered twice")', writes=True)
    def destroy(self, path: str, *, purge: bool = False, reason: str | None = None) -> Any:
        """Void or retire a record; `purge` removes it for good."""
        params = {"purge": "true" if purge else None, "reason": reason}
        return self._rest("DELETE", _clean(path), params=params, errors={404: _gone_already}).body

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        # Some versions answer a wrong password with an anonymous session instead of 401.
        session = self._connection.get(f"{REST}/session").body
        if not isinstance(session, dict) or session.get("authenticated") is not True:
            raise AuthError("OpenMRS does not accept this user name and password.", sent=False)
        user = session.get("user")
        name = (user.get("display") or user.get("username")) if isinstance(user, dict) else None
        return (
            f"OpenMRS accepts the credential; logged in as {name}."
            if name
            else "OpenMRS accepts the credential."
        )

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return repr(self._connection)

    def _rest(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        return self._connection.request(method, f"{REST}/{path}", data, **options)

    def _exists(self, path: str, params: Mapping[str, Any]) -> bool:
        return self._rest("GET", path, params=params, errors={404: False}).status != 404

    def _matching(self, path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted = params.get("identifier")
        asked = {"v": "full", **params} if wanted is not None else dict(params)
        try:
            found = self.get(path, max=SEARCH_MAX, **asked)
        except NotFound:
            return []
        if wanted is None:
            return list(found)
        return [each for each in found if self._has_identifier(path, each, str(wanted))]

    def _has_identifier(self, path: str, record: dict[str, Any], wanted: str) -> bool:
        held = record.get("identifiers")
        if not isinstance(held, list):  # a representation without them: ask for them
            uuid = record.get("uuid")
            held = self._rest("GET", f"{path}/{uuid}", params={"v": "full"}).body.get("identifiers", [])
        return any(_same(value, wanted) for each in held for value in _identifier_texts(each))


def _identifier_texts(held: Any) -> list[str]:
    """The value of an identifier; short representations only have it as `OpenMRS ID = 100GEJ`."""
    if isinstance(held, dict) and isinstance(held.get("identifier"), str):
        return [held["identifier"]]
    shown = held.get("display") if isinstance(held, dict) else held
    return [str(shown).rpartition(" = ")[2]] if shown else []


def _same(one: str, other: str) -> bool:
    # OpenMRS itself treats 100gej and 100GEJ as the same identifier and refuses the second.
    return one.strip().casefold() == other.strip().casefold()


def _clean(path: str) -> str:
    if "://" in path or path.startswith("//"):
        raise ValidationError(
            "An OpenMRS path is relative, as in 'patient'; the server is in the credential.", sent=False
        )
    return re.sub(r"/{2,}", "/", path).strip("/")


def _segments(path: str) -> list[str]:
    return _clean(path).partition("?")[0].split("/")


def _resource(path: str) -> str:
    return next((each for each in reversed(_segments(path)) if not looks_like_uuid(each)), "OpenMRS")


def _gone_already(response: Response) -> bool | None:
    """Nothing left to delete is what was wanted, if the answer to an earlier try got lost."""
    return False if response.attempt > 1 else None


def _names_record(path: str, params: Mapping[str, Any]) -> bool:
    segments = _segments(path)
    if looks_like_uuid(segments[-1]):
        return True
    return not params and len(segments) % 2 == 0


def _language(language: str | None) -> dict[str, str]:
    return {} if language is None else {"Accept-Language": language}
