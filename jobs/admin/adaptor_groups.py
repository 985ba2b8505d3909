"""The adaptors as people look for them: in groups, those in widest use first."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.adaptors import registry
from jobs.adaptors.spec import AdaptorSpec

GROUPS = (
    (
        "Health records and reporting",
        (
            "openmrs",
            "dhis2",
            "fhir",
            "openhim",
            "openelis",
            "senaite",
            "openimis",
            "openlmis",
            "ocl",
            "satusehat",
        ),
    ),
    (
        "Forms and cases in the field",
        ("commcare", "kobotoolbox", "odk", "surveycto", "cht", "godata", "primero"),
    ),
    (
        "Text messages and mail",
        (
            "sms",
            "twilio",
            "africastalking",
            "rapidpro",
            "telerivet",
            "vonage",
            "whatsapp",
            "kannel",
            "hubtel",
            "email",
            "mailgun",
        ),
    ),
    ("Payments", ("mpesa", "mtn_momo", "flutterwave", "monnify", "pesapal", "stripe")),
    ("Databases, files and maps", ("postgresql", "mysql", "mssql", "sftp", "s3", "carto")),
    ("Office", ("googlesheets", "msgraph", "salesforce", "asana")),
    ("Anything else", ("http",)),
)
LAST = GROUPS[-1][0]  # where an adaptor stands that nobody has sorted yet


@dataclass(frozen=True, kw_only=True)
class AdaptorGroup:
    """One group, each adaptor with whether it fits what is searched for."""

    title: str
    entries: tuple[tuple[AdaptorSpec, bool], ...]

    @property
    def fits(self) -> bool:
        return any(fits for _spec, fits in self.entries)


def grouped(words: str = "") -> list[AdaptorGroup]:
    """All of them: what does not fit is there and hidden, so that typing can bring it back."""
    wanted = words.lower().split()
    return [
        AdaptorGroup(title=title, entries=tuple((spec, _fits(title, spec, wanted)) for spec in specs))
        for title, specs in by_group()
    ]


def by_group() -> list[tuple[str, list[AdaptorSpec]]]:
    left = dict.fromkeys(registry.names())
    groups: list[tuple[str, list[AdaptorSpec]]] = []
    for title, names in GROUPS:
        present = [name for name in names if name in left]
        for name in present:
            del left[name]
        groups.append((title, [registry.spec(name) for name in present]))
    groups[-1][1].extend(sorted((registry.spec(name) for name in left), key=lambda spec: spec.title.lower()))
    return groups


def _fits(group: str, spec: AdaptorSpec, wanted: list[str]) -> bool:
    about = f"{group} {spec.name} {spec.title} {spec.summary}".lower()
    return all(word in about for word in wanted)
