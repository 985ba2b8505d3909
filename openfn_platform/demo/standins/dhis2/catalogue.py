"""The kinds of metadata: what they are called, what they must have, what must be unique, what refers to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The rules of one kind."""

    plural: str
    singular: str
    package: str
    required: tuple[str, ...] = ("name",)
    unique: tuple[str, ...] = ("code",)
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`DataElement`."""
        return self.singular[0].upper() + self.singular[1:]

    @property
    def klass(self) -> str:
        """`org.hisp.dhis.dataelement.DataElement`."""
        return f"org.hisp.dhis.{self.package}.{self.label}"


_NAMES = ("name", "shortName", "code")

_KINDS = (
    Kind(
        plural="organisationUnits",
        singular="organisationUnit",
        package="organisationunit",
        required=("name", "shortName", "openingDate"),
    ),
    Kind(plural="organisationUnitGroups", singular="organisationUnitGroup", package="organisationunit"),
    Kind(
        plural="organisationUnitLevels",
        singular="organisationUnitLevel",
        package="organisationunit",
        required=("name", "level"),
        unique=("code", "level"),
    ),
    Kind(
        plural="dataElements",
        singular="dataElement",
        package="dataelement",
        required=("name", "shortName", "valueType", "aggregationType", "domainType"),
        unique=_NAMES,
        defaults={"zeroIsSignificant": False},
    ),
    Kind(plural="dataElementGroups", singular="dataElementGroup", package="dataelement"),
    Kind(
        plural="dataSets",
        singular="dataSet",
        package="dataset",
        required=("name", "periodType"),
        defaults={"openFuturePeriods": 0},
    ),
    Kind(plural="categories", singular="category", package="category"),
    Kind(plural="categoryOptions", singular="categoryOption", package="category"),
    Kind(plural="categoryCombos", singular="categoryCombo", package="category"),
    Kind(
        plural="categoryOptionCombos",
        singular="categoryOptionCombo",
        package="category",
        required=("name", "categoryCombo"),
    ),
    Kind(
        plural="optionSets",
        singular="optionSet",
        package="option",
        required=("name", "valueType"),
        unique=("name", "code"),
    ),
    Kind(plural="options", singular="option", package="option", required=("name", "code"), unique=()),
    Kind(
        plural="trackedEntityTypes",
        singular="trackedEntityType",
        package="trackedentity",
        unique=("name", "code"),
    ),
    Kind(
        plural="trackedEntityAttributes",
        singular="trackedEntityAttribute",
        package="trackedentity",
        required=("name", "shortName", "valueType", "aggregationType"),
        unique=_NAMES,
        defaults={"unique": False},
    ),
    Kind(
        plural="programs",
        singular="program",
        package="program",
        required=("name", "shortName", "programType"),
    ),
    Kind(
        plural="programStages",
        singular="programStage",
        package="program",
        required=("name", "program"),
        defaults={"repeatable": False},
    ),
    Kind(
        plural="relationshipTypes",
        singular="relationshipType",
        package="relationship",
        required=("name", "fromToName", "fromConstraint", "toConstraint"),
        unique=("name", "code"),
    ),
)

KINDS: Mapping[str, Kind] = {kind.plural: kind for kind in _KINDS}

# Under this name stands a reference, or a list of references, to that kind.
REFERENCES: Mapping[str, str] = {
    **{kind.singular: kind.plural for kind in _KINDS},
    **{kind.plural: kind.plural for kind in _KINDS},
    "parent": "organisationUnits",
    "children": "organisationUnits",
}

# Shown on one kind, kept on the other: children are the units that name this one as their parent.
DERIVED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "organisationUnits": {"children": ("organisationUnits", "parent")},
    "programs": {"programStages": ("programStages", "program")},
    "optionSets": {"options": ("options", "optionSet")},
}

COMMON = ("id", "code", "name", "displayName", "shortName", "description", "created", "lastUpdated")
SERVER_OWNED = ("displayName", "created", "lastUpdated", "path", "level", "leaf", "href", "access")
