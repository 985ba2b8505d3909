"""A small DHIS2 on a real socket: answers by method and path, and hands out lists in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from openfn_platform.common.http import Retries
from tests.common.faulty import Act, FaultyServer, Seen, answer

BASIC = "Basic YWRtaW46ZGlzdHJpY3Q="  # admin:district


class Dhis2:
    """`partner["POST", "tracker"] = …` an answer, a function of the request, or a list of answers in turn."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.server = FaultyServer(self._act)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def __setitem__(self, key: tuple[str, str], value: Act | list[Act] | Callable[[Seen], Act]) -> None:
        self.answers[key] = value

    @property
    def url(self) -> str:
        return f"{self.server.url}/dhis"

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def calls(self) -> list[str]:
        return [f"{each.method} {urlsplit(each.target).path.removeprefix('/dhis')}" for each in self.seen]

    def query(self, index: int = -1) -> dict[str, Any]:
        """The parameters of a request; those given several times as lists."""
        found = parse_qs(urlsplit(self.seen[index].target).query, keep_blank_values=True)
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def pages(self, path: str, records: list[Any], *, style: str = "metadata", size: int = 50) -> None:
        """Hands out `records` under `path` as servers of different ages do."""

        def page(seen: Seen) -> Act:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(seen.target).query).items()}
            name = "instances" if style == "instances" else path.rpartition("/")[2]
            if asked.get("paging") == "false":
                return answer(200, {name: records})
            number, each = int(asked.get("page", 1)), int(asked.get("pageSize", size))
            found = records[(number - 1) * each : number * each]
            more = number * each < len(records)
            pager: dict[str, Any] = {"page": number, "pageSize": each}
            if style == "metadata":
                pager |= {"pageCount": -(-len(records) // each), "total": len(records)}
            if style in ("metadata", "linked") and more:
                # As behind a proxy: by a name of its own.
                pager["nextPage"] = f"http://inside:8080/api/{path}?page={number + 1}"
            if style == "slim":
                pager["isLastPage"] = not more
            if style == "instances":
                return answer(200, {**pager, name: found})
            return answer(200, {"pager": pager, name: found})

        self["GET", path] = page

    def _act(self, connection, seen):
        self._routed(seen)(connection, seen)

    def _routed(self, seen: Seen) -> Act:
        if seen.headers.get("authorization") not in (BASIC, "ApiToken d2pat_abc"):
            return answer(401, message(401, "Unauthorized", "Unauthorized"))
        path = urlsplit(seen.target).path.removeprefix("/dhis/api/")
        found = self.answers.get((seen.method, path))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if found is None:
            return answer(404, message(404, "Not Found", f"No {path}"))
        act: Act = found(seen) if found.__code__.co_argcount == 1 else found
        return act


@contextmanager
def connected(partner: Dhis2, told: list[Any], *, dry_run=False, **configuration: Any) -> Iterator[Any]:
    """A client of `partner` that logs to `told`; with the administrator's log-in unless told otherwise."""
    given = configuration or {"username": "admin", "password": "district"}
    context = Context(
        allow_private=True,
        dry_run=dry_run,
        retries=Retries(attempts=3, first_wait=0.01),
        log=lambda *line: told.append(line),
    )
    client = registry.connect("dhis2", {"hostUrl": partner.url, **given}, context)
    try:
        yield client
    finally:
        client.close()


def message(code: int, name: str, text: str, status: str = "ERROR", /, **response: Any) -> dict[str, Any]:
    """A WebMessage, with what it wraps."""
    body = {"httpStatus": name, "httpStatusCode": code, "status": status, "message": text}
    return body | ({"response": response} if response else {})


def tracker_report(
    *errors: dict[str, Any], created=0, updated=0, deleted=0, ignored=0, warnings=()
) -> dict[str, Any]:
    total = created + updated + deleted + ignored
    return {
        "status": "ERROR" if errors else "WARNING" if warnings else "OK",
        "validationReport": {"errorReports": list(errors), "warningReports": list(warnings)},
        "stats": {
            "created": created,
            "updated": updated,
            "deleted": deleted,
            "ignored": ignored,
            "total": total,
        },
        "bundleReport": {"typeReportMap": {"EVENT": {"objectReports": []}}},
    }


def tracker_error(code: str, text: str, uid: str = "aVcGf9iO8Xp") -> dict[str, Any]:
    return {"message": text, "errorCode": code, "trackerType": "EVENT", "uid": uid}


def summary(
    imported=0, updated=0, ignored=0, deleted=0, conflicts=(), status="SUCCESS", **more: Any
) -> dict[str, Any]:
    counts = {"imported": imported, "updated": updated, "ignored": ignored, "deleted": deleted}
    return {
        "responseType": "ImportSummary",
        "status": status,
        "importCount": counts,
        "conflicts": list(conflicts),
        **more,
    }


def conflict(object_: str, text: str, code: str = "E7641", indexes=(0,)) -> dict[str, Any]:
    return {
        "object": object_,
        "value": text,
        "errorCode": code,
        "property": "period",
        "indexes": list(indexes),
    }
