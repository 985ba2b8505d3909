"""Data forwarding: every accepted form and every changed case goes to another system, again and again until taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from openfn_platform.demo.standins.commcare.cases import case_block_xml, shown_forwarded
from openfn_platform.demo.standins.commcare.forms import form_shown
from openfn_platform.demo.standins.partner import Callback
from openfn_platform.demo.standins.store import Record

TRIES = 5


class Forwarding:
    """What goes out, according to the settings."""

    def __init__(self, config: Callable[[], Mapping[str, Any]], send: Callable[[Callback], None]) -> None:
        self._config = config
        self._send = send

    def form(self, form: Record) -> None:
        """Forward a form, when forms are forwarded."""
        config = self._config()
        if not config["forward_forms_to"]:
            return
        body, kind = self._form_body(form)
        joint = "&" if "?" in config["forward_forms_to"] else "?"
        url = f"{config['forward_forms_to']}{joint}{urlencode({'app_id': form['app_id'] or ''})}"
        self._post(url, body, {"Content-Type": kind, "Received-On": form["received_on"]})

    def case(self, case: Record) -> None:
        """Forward a case as it is now, when cases are forwarded."""
        config = self._config()
        if not config["forward_cases_to"]:
            return
        if config["forward_format"] == "xml":
            body, kind = case_block_xml(case), "text/xml"
        else:
            body, kind = _json(shown_forwarded(case, config["domain"])), "application/json"
        headers = {"Content-Type": kind, "Server-Modified-On": case["server_date_modified"]}
        self._post(config["forward_cases_to"], body, headers)

    def _form_body(self, form: Record) -> tuple[bytes, str]:
        config = self._config()
        if config["forward_format"] == "xml":
            return form["xml"].encode(), "text/xml"
        if config["forward_format"] == "stub":
            stub = {"received_on": form["received_on"], "form_id": form["id"], "case_ids": form["case_ids"]}
            # HQ declares its stubs as XML, too; a receiver has to look.
            return _json(stub), "text/xml"
        return _json(form_shown(form, config["domain"])), "application/json"

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        config = self._config()
        again = float(config["forward_retry_seconds"])
        self._send(Callback(0.0, url, body, {**headers, **config["forward_headers"]}, TRIES, again))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
