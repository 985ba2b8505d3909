"""How one speaks to a DHIS2 server: log-in, paths, its error answers, what a dry run pretends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from jobs.adaptors.auth import Auth, Basic, token
from jobs.adaptors.context import Context
from jobs.adaptors.dhis2.refusals import refusal
from jobs.adaptors.dhis2.reports import parsed
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, ConfigurationError, ValidationError
from jobs.adaptors.paging import dig
from jobs.adaptors.spec import address, credential, secret, text

OLDEST = 36  # the first with today's tracker
DRY_UID = "dryRun00000"
COUNTED_AS = {"DELETE": "deleted", "UPDATE": "updated"}  # by importStrategy; anything else is taken for new
_OWN_PREFIX = re.compile(r"^api/(\d+/)?")


class Connection(RestClient):
    """The part that all groups of operations share."""

    system = "DHIS2"
    schema = credential(
        {
            "hostUrl": address(
                "Address", "Where one logs in, without /api.", example="https://dhis2.example.org"
            ),
            "username": text("User name"),
            "password": secret("Password"),
            "pat": secret(
                "Personal access token",
                "Made in the user's profile. If given, name and password are not used.",
            ),
            "apiVersion": text(
                "API version",
                "Such as 40. Leave it empty for the server's newest.",
                type=["string", "null"],
                pattern=r"^([0-9]+)?$",
                examples=["40"],
            ),
        },
        required=("hostUrl",),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._version = str(configuration.get("apiVersion") or "")
        self._warn_if_old(self._version)

    @property
    def version(self) -> int | None:
        """The API version of the credential, if it names one."""
        return int(self._version) if self._version else None

    def base_url(self, configuration: dict[str, Any]) -> str:
        return re.sub(r"/+api(/\d+)?/*$", "", str(configuration["hostUrl"]).rstrip("/"))

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        pat, name, password = (str(configuration.get(each) or "") for each in ("pat", "username", "password"))
        if pat:
            return token("ApiToken", pat)
        if name and password:
            return Basic(name, password)
        lacking = "a password" if name else "a user name" if password else ""
        raise ConfigurationError(
            f"The credential for DHIS2 has a {'user name' if name else 'password'} but not {lacking}."
            if lacking
            else "The credential for DHIS2 needs a personal access token, or a user name and a password."
        )

    def api(self, path: str, params: dict[str, Any]) -> str:
        """The path of a resource under the server's address; takes `api_version` out of the parameters."""
        version = str(params.pop("api_version", None) or "")
        if version and not version.isdigit():
            raise ValidationError("A DHIS2 API version is a number, such as 40.", sent=False)
        self._warn_if_old(version)
        version = version or self._version
        return f"/api/{version}/{clean(path)}" if version else f"/api/{clean(path)}"

    def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Response:
        """A request to a resource: `me`, `dataElements/fbfJHSPpUQD`."""
        given = dict(params or {})
        return self.request(method, self.api(path, given), data, params=given, **options)

    def words(self, response: Response) -> str:
        """The server's sentence, with the first thing that it refused; a 401 also says who asked."""
        report = parsed(response.body)
        said = report.sentence() if report is not None and report.conflicts else super().words(response)
        if response.status != 401:
            return said
        return f"{said or 'the log-in was refused'} (asked with {self._who()})"

    def problem(self, response: Response) -> AdaptorError | None:
        """DHIS2 may answer 200 and have taken nothing."""
        report = parsed(response.body)
        if report is None or not report.refused:
            return None
        return refusal(report, self.redact, status=response.status)

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        """What the server answers when all goes well."""
        resource = _OWN_PREFIX.sub("", path.partition("?")[0].strip("/"))
        sent = data if isinstance(data, dict) else {}
        if resource == "tracker":
            return _dry_tracker(sent)
        if resource == "dataValueSets":
            return _dry_values(sent)
        first, _, last = resource.rpartition("/")
        uid = sent.get("id") or (last if first and method != "POST" else DRY_UID)
        status = ("Created", 201) if method == "POST" else ("OK", 200)
        return _envelope({"responseType": "ObjectReport", "uid": uid, "errorReports": []}, *status)

    def _pretended(
        self, method: str, path: str, data: Any, *, params: Mapping[str, Any] | None, content_type: str | None
    ) -> Response:
        told = super()._pretended(method, path, data, params=params, content_type=content_type)
        named = COUNTED_AS.get(str((params or {}).get("importStrategy")))
        return replace(told, body=_counted_as(named, told.body)) if named else told

    def _who(self) -> str:
        if self._configuration.get("pat"):
            return "the personal access token of the credential"
        return f"the user name '{self._configuration.get('username')}' and the password of the credential"

    def _warn_if_old(self, version: str) -> None:
        if version and int(version) < OLDEST:
            self.context.log(
                "warning",
                f"DHIS2's API version {version} is older than {OLDEST}; tracker imports need {OLDEST} or newer.",
            )


def clean(path: str) -> str:
    """A resource's path as it goes behind /api/."""
    if "://" in path or path.startswith("//"):
        raise ValidationError(
            "A DHIS2 path is relative, as in 'dataElements', and not an address that leads elsewhere.",
            sent=False,
        )
    return _OWN_PREFIX.sub("", re.sub(r"/{2,}", "/", path).strip("/"))


def record_path(path: str, uid: str) -> str:
    """The path of one record of a resource."""
    if not str(uid or "").strip("/ "):
        raise ValidationError("DHIS2 needs the identifier of the record.", sent=False)
    return f"{clean(path)}/{quote(str(uid), safe='')}"


def _dry_tracker(sent: dict[str, Any]) -> dict[str, Any]:
    lists = {kind: value for kind, value in sent.items() if isinstance(value, list)}
    count = sum(len(each) for each in lists.values())
    stats = {"created": count, "updated": 0, "deleted": 0, "ignored": 0, "total": count}
    return {
        "status": "OK",
        "validationReport": {"errorReports": [], "warningReports": []},
        "stats": stats,
        "bundleReport": {"typeReportMap": {}},
        "message": "(dry run)",
    }


def _counted_as(named: str, body: dict[str, Any]) -> dict[str, Any]:
    """An answer to a dry run, whose records were not made but changed or deleted."""
    for counts in (dig(body, "stats"), dig(body, "response.importCount")):
        if isinstance(counts, dict):
            made = "created" if "created" in counts else "imported"
            counts[named], counts[made] = counts[made], 0
    return body


def _dry_values(sent: dict[str, Any]) -> dict[str, Any]:
    values = sent.get("dataValues")
    count = len(values) if isinstance(values, list) else 1
    counts = {"imported": count, "updated": 0, "ignored": 0, "deleted": 0}
    return _envelope(
        {"responseType": "ImportSummary", "status": "SUCCESS", "importCount": counts, "conflicts": []}
    )


def _envelope(response: dict[str, Any], name: str = "OK", code: int = 200) -> dict[str, Any]:
    return {
        "httpStatus": name,
        "httpStatusCode": code,
        "status": "OK",
        "message": "(dry run)",
        "response": response,
    }
