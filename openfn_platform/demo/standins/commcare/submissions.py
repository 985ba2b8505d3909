"""Submissions: the one way in which forms, and through them cases, come in or change."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from openfn_platform.demo.standins.commcare.cases import changed
from openfn_platform.demo.standins.commcare.forms import form_record
from openfn_platform.demo.standins.commcare.forwarding import Forwarding
from openfn_platform.demo.standins.commcare.moments import any_moment, now_text
from openfn_platform.demo.standins.commcare.xforms import XForm, read_form
from openfn_platform.demo.standins.store import Record, Store

LONGEST = 255  # of a name, type, owner or external id
LIMITED = ("case_name", "case_type", "owner_id", "external_id")


class Unprocessable(Exception):
    """The form can be read, but not what it says about cases. It is kept as an error, under `form_id`."""

    def __init__(self, text: str, form_id: str = "") -> None:
        super().__init__(text)
        self.form_id = form_id


@dataclass(frozen=True)
class Accepted:
    """What became of a form."""

    form: Record
    cases: list[Record]


class Submissions:
    """Takes forms."""

    def __init__(self, store: Store, forwarding: Forwarding) -> None:
        self._store = store
        self._forwarding = forwarding

    def submit(self, body: bytes, *, app_id: str | None = None, from_phone: bool = False) -> Accepted:
        """Take a form. Sent twice it counts once; with another content it replaces what was there."""
        xform = read_form(body)
        unique = xform.meta.get("instanceID") or str(uuid.uuid4())
        older = self._store.get("form", unique)
        if older is not None and older["xml"] == xform.xml:
            return Accepted(older, self._cases(older["case_ids"]))
        try:
            xform = replace(xform, blocks=[self._checked(block, xform) for block in xform.blocks])
        except Unprocessable as error:
            problem = {"id": unique, "xml": xform.xml, "problem": str(error), "received_on": now_text()}
            self._store.put("form_error", unique, problem)
            raise Unprocessable(str(error), unique) from None
        form = form_record(
            xform, unique=unique, app_id=app_id, from_phone=from_phone, now=now_text(), older=older
        )
        return self._taken(form, older)

    def archive(self, unique: str) -> Record:
        """Put a form aside: its cases become what they would be without it."""
        form = self._store.table("form")[unique]
        form = {**form, "archived": True, "server_modified_on": now_text(), "indexed_on": now_text()}
        self._store.put("form", unique, form)
        for case_id in form["case_ids"]:
            self._rebuild(case_id)
        return form

    def _taken(self, form: Record, older: Record | None) -> Accepted:
        self._store.put("form", form["id"], form)
        if older is None:
            for block in form["blocks"]:
                unique = block["case_id"]
                self._store.put("case", unique, changed(self._store.get("case", unique), block, form))
        else:
            for case_id in dict.fromkeys([*older["case_ids"], *form["case_ids"]]):
                self._rebuild(case_id)
        cases = self._cases(form["case_ids"])
        self._forwarding.form(form)
        for case in cases:
            self._forwarding.case(case)
        return Accepted(form, cases)

    def _cases(self, case_ids: list[str]) -> list[Record]:
        found = [self._store.get("case", case_id) for case_id in case_ids]
        return [case for case in found if case is not None]

    def _rebuild(self, case_id: str) -> None:
        """A case from all forms that speak of it, in the order in which they came; without any it is gone."""
        forms = [
            f for f in self._store.table("form").values() if case_id in f["case_ids"] and not f["archived"]
        ]
        case: Record | None = None
        for form in sorted(forms, key=lambda f: str(f["received_on"])):
            for block in form["blocks"]:
                if block["case_id"] == case_id:
                    case = changed(case, block, form)
        if case is None:
            self._store.remove("case", case_id)
        else:
            case["indexed_on"] = case["server_date_modified"] = now_text()
            self._store.put("case", case_id, case)

    def _checked(self, block: Record, xform: XForm) -> Record:
        """A case block with its moment in our form, or the reason why HQ cannot process it."""
        if not block["case_id"]:
            raise Unprocessable("IllegalCaseId: case_id must not be empty")
        for name, value in ((block["create"] or {}) | block["update"]).items():
            if name in LIMITED and len(value) > LONGEST:
                raise Unprocessable(f"CaseValueError: Error processing case update: Field: {name}, too long")
        try:
            when = any_moment(block["date_modified"]) if block["date_modified"] else ""
        except ValueError:
            raise Unprocessable(f"PhoneDateValueError: '{block['date_modified']}' is not a date") from None
        known = {other["case_id"] for other in xform.blocks}
        for to in block["index"].values():
            other = to["case_id"]
            if other and other not in known and self._store.get("case", other) is None:
                told = f"Case '{block['case_id']}' references non-existent case '{other}'"
                raise Unprocessable(f"InvalidCaseIndex: {told}")
        return {**block, "date_modified": when}
