"""Every adaptor by name. A rich one is a module with an `ADAPTOR` and one line here; a thin one is a file in `thin/`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from jobs.adaptors.context import Context
from jobs.adaptors.spec import AdaptorSpec, Operation
from openfn_platform.common.errors import NotFound
from openfn_platform.common.http import tls_context

ADAPTORS = {
    "http": "jobs.adaptors.http",  # the first is what a new row of a form proposes
    "openmrs": "jobs.adaptors.openmrs",
    "dhis2": "jobs.adaptors.dhis2",
    "commcare": "jobs.adaptors.commcare",
    "carto": "jobs.adaptors.carto",
    "postgresql": "jobs.adaptors.postgresql",
    "mysql": "jobs.adaptors.mysql",
    "mssql": "jobs.adaptors.mssql",
    "email": "jobs.adaptors.email",
    "sftp": "jobs.adaptors.sftp",
    "s3": "jobs.adaptors.s3",
    "fhir": "jobs.adaptors.fhir",
    "mpesa": "jobs.adaptors.mpesa",
    "googlesheets": "jobs.adaptors.googlesheets",
    "salesforce": "jobs.adaptors.salesforce",
    "sms": "jobs.adaptors.sms",
    "twilio": "jobs.adaptors.sms.twilio",
    "africastalking": "jobs.adaptors.sms.africastalking",
    "rapidpro": "jobs.adaptors.sms.rapidpro",
    "telerivet": "jobs.adaptors.sms.telerivet",
    "vonage": "jobs.adaptors.sms.vonage",
    "whatsapp": "jobs.adaptors.sms.whatsapp",
    "kannel": "jobs.adaptors.sms.kannel",
}


ADAPTORS |= {
    file.stem: f"jobs.adaptors.thin.{file.stem}"
    for file in sorted(Path(__file__).with_name("thin").glob("[a-z]*.py"))
}


class UnknownAdaptor(NotFound):
    """There is no adaptor of that name."""

    code = "unknown_adaptor"


def names() -> tuple[str, ...]:
    return tuple(ADAPTORS)


def spec(name: str) -> AdaptorSpec:
    """The adaptor's description, imported when first asked for."""
    try:
        path = ADAPTORS[name]
    except KeyError:
        raise UnknownAdaptor(
            f"There is no adaptor named '{name}'; there are: {', '.join(ADAPTORS)}."
        ) from None
    found: AdaptorSpec = import_module(path).ADAPTOR
    return found


def connect(name: str, configuration: dict[str, Any], context: Context) -> Any:
    """A client for one connection. Opens nothing yet; raises ConfigurationError if the credential is incomplete."""
    return spec(name).connect(configuration, context)


def operations(name: str) -> tuple[Operation, ...]:
    return spec(name).operations


def preload() -> None:
    """Import everything and build the TLS settings, before a zygote forks."""
    for name in ADAPTORS:
        spec(name)
    import_module("jobs.adaptors.common")
    tls_context()
