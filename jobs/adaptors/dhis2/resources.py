"""Records of everything but the tracker: metadata above all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.adaptors.dhis2.connection import Connection, clean, record_path
from jobs.adaptors.dhis2.imports import LONGEST, nothing_wrong, send
from jobs.adaptors.dhis2.lists import everything
from jobs.adaptors.dhis2.reports import ImportReport
from jobs.adaptors.dhis2.tracked import is_tracked
from jobs.adaptors.dhis2.values import is_repeatable as values_repeatable
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AmbiguousError, ValidationError
from jobs.adaptors.searching import refuse_empty

# Parameters of a metadata list; whatever else a search names is a property that must be equal.
LISTING = frozenset(
    {"fields", "filter", "order", "query", "rootJunction", "paging", "page", "pageSize", "totalPages"}
    | {"skipPaging", "translate", "locale", "userOnly", "withinUserHierarchy", "memberObject", "api_version"}
)
SHAPING = LISTING - {"filter", "query"}  # and these find nothing
# Lists that are searched by parameters of their own: the tracker of old servers.
BY_PARAMETERS = frozenset(
    {"trackedEntityInstances", "events", "enrollments", "relationships", "trackedEntities", "tracker"}
)
IMPORTS = frozenset({"dataValueSets", "metadata", "trackedEntityInstances", "completeDataSetRegistrations"})
JSON_PATCH = "application/json-patch+json"
FIRST_WITH_JSON_PATCH = 38
ENOUGH = 50  # matches read before giving up on there being one
SHORT_NAMES = {"orgUnits": "organisationUnits", "attributes": "trackedEntityAttributes"}


def find_one(
    connection: Connection, path: str, filter: str | list[str] | None, equal: Mapping[str, Any]
) -> Any:
    if _is_by_parameters(path):
        refuse_empty("dhis2.find_one", equal)
    found = _matching(connection, path, {**equal, "filter": filter})
    if len(found) > 1:
        many = f"{len(found)}{' or more' if len(found) == ENOUGH else ''}"
        raise AmbiguousError(
            f"DHIS2 has {many} records that match in {clean(path)}; one was expected.", sent=False
        )
    return found[0] if found else None


def create(connection: Connection, path: str, data: Any, params: Mapping[str, Any]) -> Any:
    def forgiven(response: Response, report: ImportReport) -> bool:
        if params.get("importMode") == "VALIDATE" and nothing_wrong(response, report):
            return True
        # The answer to an earlier try got lost, and this one says that it is there.
        return response.attempt > 1 and uid is not None and _exists(connection, path, uid)

    uid = data.get("id") if isinstance(data, dict) else None
    resource = clean(path).partition("?")[0]
    response = send(
        connection,
        "POST",
        path,
        data,
        params=params,
        repeatable=_may_repeat(resource, data, params),
        noun="values" if resource == "dataValueSets" else "objects",
        forgiven=forgiven,
        timeout=LONGEST if resource in IMPORTS else None,
    )
    if response.status == 409 and response.attempt > 1 and uid is not None:
        return {"status": "OK", "message": "An earlier try had created it.", "response": {"uid": uid}}
    return response.body if response.status == 204 else connection.part(response.body)


def replace(connection: Connection, path: str, uid: str, data: Any, params: Mapping[str, Any]) -> Any:
    return send(connection, "PUT", record_path(path, uid), data, params=params).body


def patch(connection: Connection, path: str, uid: str, data: Any, params: Mapping[str, Any]) -> Any:
    kind: str | None = JSON_PATCH
    if isinstance(data, Mapping):
        if connection.version is not None and connection.version < FIRST_WITH_JSON_PATCH:
            kind, data = None, dict(data)
        else:
            data = [{"op": "add", "path": f"/{_escaped(name)}", "value": data[name]} for name in data]
    elif not isinstance(data, list):
        raise ValidationError("dhis2.patch needs named values, or a list of patch operations.", sent=False)
    return send(
        connection,
        "PATCH",
        record_path(path, uid),
        data,
        params=params,
        content_type=kind,
        repeatable=kind is None or all(_sets(each) for each in data),
    ).body


def upsert(
    connection: Connection, path: str, query: Mapping[str, Any], data: Any, params: Mapping[str, Any]
) -> Any:
    if not any(value not in (None, []) for name, value in query.items() if name not in SHAPING):
        raise ValidationError(
            "dhis2.upsert needs to know which record is meant: a query such as {'code': 'X'}.", sent=False
        )
    # Nothing but the identifier is needed, and that must come whatever `fields` says.
    found = _matching(connection, path, query if _is_by_parameters(path) else {**query, "fields": "id"})
    if len(found) > 1:
        raise AmbiguousError(
            f"DHIS2 has {len(found)} records that match in {clean(path)}; cannot tell which one to update.",
            sent=False,
        )
    if not found:
        return create(connection, path, data, params)
    key = "trackedEntityInstance" if clean(path) == "trackedEntityInstances" else "id"
    return replace(connection, path, str(found[0][key]), data, params)


def destroy(connection: Connection, path: str, uid: str, params: Mapping[str, Any]) -> Any:
    return send(connection, "DELETE", record_path(path, uid), params=params, errors={404: _gone_already}).body


def picked(connection: Connection, kind: str, *, max: int) -> list[dict[str, Any]]:
    """Names and identifiers of a kind of metadata, to be picked from."""
    params = {"fields": "id,displayName,code", "order": "displayName:asc"}
    found = everything(connection, SHORT_NAMES.get(kind, kind), params, max=max, page_size=1_000)
    if not isinstance(found, list):
        raise ValidationError(f"DHIS2 has no list of {kind} to pick from.", sent=False)
    return [
        {"id": each.get("id"), "name": each.get("displayName") or each.get("name"), "code": each.get("code")}
        for each in found
    ]


def _matching(connection: Connection, path: str, query: Mapping[str, Any]) -> list[Any]:
    """What a search finds. A misspelt parameter would be ignored by the server, and everything would match."""
    if _is_by_parameters(path):
        params = dict(query)
    else:
        params = {name: value for name, value in query.items() if name in LISTING}
        given = params.pop("filter", None)
        equal = [_equal(name, value) for name, value in query.items() if name not in LISTING]
        params["filter"] = [*([given] if isinstance(given, str) else given or []), *equal]
    found = everything(connection, path, params, max=ENOUGH, page_size=ENOUGH)
    if not isinstance(found, list):
        raise ValidationError(f"{clean(path)} is no list of DHIS2 that can be searched.", sent=False)
    return found


def _is_by_parameters(path: str) -> bool:
    return is_tracked(path) or clean(path).partition("/")[0] in BY_PARAMETERS


def _equal(name: str, value: Any) -> str:
    if value is None:
        return f"{name}:null"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{name}:eq:{text}"


def _exists(connection: Connection, path: str, uid: str) -> bool:
    return connection.call("GET", record_path(path, uid), errors={404: False}).status != 404


def _may_repeat(resource: str, data: Any, params: Mapping[str, Any]) -> bool:
    if resource == "dataValueSets":
        return values_repeatable(params.get("importStrategy"))
    if resource == "metadata":
        lists = [each for each in data.values() if isinstance(each, list)] if isinstance(data, dict) else []
        named = all(isinstance(each, dict) and each.get("id") for part in lists for each in part)
        return named and params.get("importStrategy") in (None, "CREATE_AND_UPDATE", "UPDATE")
    return isinstance(data, dict) and bool(data.get("id"))


def _gone_already(response: Response) -> bool | None:
    """Nothing left to delete is what was wanted, if the answer to an earlier try got lost."""
    return False if response.attempt > 1 else None


def _sets(change: Any) -> bool:
    """Whether a patch operation does the same when done twice; `add` into a list does not."""
    if not isinstance(change, Mapping):
        return False
    last = str(change.get("path", "")).rpartition("/")[2]
    return change.get("op") in ("replace", "add") and last != "-" and not last.isdigit()


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
