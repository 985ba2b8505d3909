"""Identifier schemes: metadata named by `UID`, `CODE` or `NAME` in what comes in and what goes out."""

from __future__ import annotations

from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.reports import ApiError

_PARAMETERS = {
    "organisationUnits": "orgUnitIdScheme",
    "dataElements": "dataElementIdScheme",
    "programs": "programIdScheme",
    "programStages": "programStageIdScheme",
    "categoryOptionCombos": "categoryOptionComboIdScheme",
}


class Schemes:
    """The schemes of one request. Where one is `UID`, everything stays as it is."""

    def __init__(self, metadata: Metadata, params: Params) -> None:
        self._metadata = metadata
        self._general = (params.get("idScheme") or "UID").upper()
        self._own = {plural: params.get(name) for plural, name in _PARAMETERS.items()}
        self._inward: dict[str, dict[str, str]] = {}
        self._outward: dict[str, dict[str, str]] = {}

    def uid(self, plural: str, given: object) -> object:
        """The identifier of what a client names; what is not known stays as it is."""
        scheme = self._scheme(plural)
        if scheme == "UID" or not isinstance(given, str):
            return given
        if plural not in self._inward:
            self._inward[plural] = self._metadata.by(plural, scheme)
        return self._inward[plural].get(given, given)

    def shown(self, plural: str, uid: str) -> str:
        """What the client calls it; 422 when it has no such name."""
        scheme = self._scheme(plural)
        if scheme == "UID":
            return uid
        if plural not in self._outward:
            self._outward[plural] = {v: k for k, v in self._metadata.by(plural, scheme).items()}
        if uid not in self._outward[plural]:
            told = "Not all metadata has an identifier for the requested idScheme."
            raise ApiError(422, f"{told} {self._metadata.kind(plural).label}[{scheme}]={uid}")
        return self._outward[plural][uid]

    def _scheme(self, plural: str) -> str:
        return (self._own.get(plural) or self._general).upper()
