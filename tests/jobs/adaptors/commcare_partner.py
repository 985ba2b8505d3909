"""The CommCare HQ stand-in as the adaptor's tests use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from openfn_platform.common.http import Retries
from openfn_platform.demo.standins.commcare.partner import CommCareHQ
from openfn_platform.demo.standins.commcare.seeds import APP
from openfn_platform.demo.standins.process import Standin

USER, KEY, PASSWORD = (CommCareHQ.settings[name] for name in ("username", "api_key", "password"))
XMLNS = "http://example.org/visit"
NOBODY = "00000000-0000-0000-0000-000000000000"
VILLAGES = {
    "types": [{"Delete(Y/N)": "N", "table_id": "village", "is_global?": "yes", "field 1": "name"}],
    "village": [{"UID": "", "Delete(Y/N)": "N", "field: name": name} for name in ("Gungu", "Ujiji")],
}


def as_new(standin: Standin) -> Standin:
    """Without the data, settings, faults and log of the test before."""
    standin.reset()
    standin.clear_faults()
    standin.configure(**CommCareHQ.settings)
    standin.clear_log()
    return standin


@contextmanager
def connecting(standin: Standin, told: list[Any], traced: list[Any]) -> Iterator[Callable[..., Any]]:
    """A function that connects; it waits hardly at all between tries."""
    with ExitStack() as opened:

        def make(configuration: dict[str, Any] | None = None, **facts: Any) -> Any:
            known = {"hostUrl": standin.url, "domain": "clinic", "appId": APP, "username": USER}
            facts = {"retries": Retries(attempts=3, first_wait=0.01, longest_wait=0.1)} | facts
            context = Context(
                allow_private=True, trace=traced.append, log=lambda *line: told.append(line), **facts
            )
            client: Any = registry.connect("commcare", known | (configuration or {"apiKey": KEY}), context)
            opened.callback(client.close)
            return client

        yield make


def visit(case_id: str = "c-1") -> dict[str, Any]:
    """A form that touches one case."""
    block = {"@xmlns": "http://commcarehq.org/case/transaction/v2", "@case_id": case_id}
    return {"@xmlns": XMLNS, "weight": 61, "case": block}
