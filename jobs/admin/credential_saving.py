"""Saving a credential from its page: tried first with what was typed, stored only if that worked or a reason is given.

What is not stored is not lost: the page keeps what was typed, and the secrets among it, which no page ever gets back,
are parked on the server for a quarter of an hour (`jobs.attempts`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from jobs.adaptors.spec import AdaptorSpec
from jobs.admin.values import NOTHING, ValuesForm
from jobs.attempts import Desk, Parked, attempt_find, attempt_forget, attempt_park
from jobs.credential_tests import Tested
from jobs.credential_values import blank
from jobs.credentials import Visible
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.models import Project

ANYWAY = "_anyway"


class NameForm(forms.Form):
    """What a credential is called, until when it is good; and whose it is, when it is new."""

    name = forms.CharField(
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "OpenMRS of the clinic"}),
    )
    expires_on = forms.DateField(
        label="Good until",
        required=False,
        help_text="If its password, key or certificate ends: admins get a mail 14, 7 and 1 day before and on the day.",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, projects: QuerySet[Project] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if projects is not None:
            self.fields["project"] = forms.ModelChoiceField(
                queryset=projects,
                initial=projects[0] if len(projects) == 1 else None,
                widget=UnfoldAdminSelectWidget,
                empty_label=None if len(projects) == 1 else "–",
            )
            self.order_fields(["project", "name", "expires_on"])


class ReasonForm(forms.Form):
    """Why it is stored although its test failed."""

    reason = forms.CharField(
        label="Why save it all the same?",
        required=False,
        max_length=500,
        help_text="It goes into the audit.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


@dataclass
class Sheet:
    """Everything that stands on the page."""

    head: NameForm
    values: ValuesForm
    reason: ReasonForm
    parked: Parked | None = None
    again: Callable[[Parked], ValuesForm] = field(repr=False, kw_only=True)

    @property
    def failure(self) -> str:
        """Why the last test failed; empty when there was none."""
        return self.parked.sentence if self.parked else ""

    def valid(self) -> bool:
        # All of them are asked, so that every error is seen at once.
        told = [each.is_valid() for each in (self.head, self.values, self.reason)]
        return all(told)

    @property
    def expires_on(self) -> date | None:
        day: date | None = self.head.cleaned_data["expires_on"]
        return day


def sheet_of(
    request: HttpRequest, *, desk: Desk, head: NameForm, spec: AdaptorSpec, shown: Visible = NOTHING
) -> Sheet:
    data = request.POST if request.method == "POST" else None
    parked = attempt_find(desk=desk, attempt=request.POST.get("attempt", ""))

    def again(parked: Parked | None) -> ValuesForm:
        return ValuesForm(data, spec=spec, shown=shown, parked=parked)

    return Sheet(head=head, values=again(parked), reason=ReasonForm(data), parked=parked, again=again)


def sheet_save(
    request: HttpRequest,
    *,
    desk: Desk,
    sheet: Sheet,
    attempt: Callable[[], Tested | None],
    store: Callable[[Tested | None, str], Any],
) -> str | None:
    """Try, then store. The sentence to show when it is stored; None: the sheet says why it is not."""
    said: str | None = None
    if sheet.valid():
        try:
            said = _saved(request, desk, sheet, attempt, store)
        except PlatformError as error:
            _refuse(sheet, error)
    if said is None:
        _keep_typed(desk, sheet)
    else:
        attempt_forget(desk=desk)
    return said


def _saved(
    request: HttpRequest,
    desk: Desk,
    sheet: Sheet,
    attempt: Callable[[], Tested | None],
    store: Callable[[Tested | None, str], Any],
) -> str | None:
    if ANYWAY in request.POST:
        return _saved_anyway(sheet, store)
    tested = attempt()
    if tested is not None and not tested.ok:
        typed = sheet.values.values()
        sheet.parked = attempt_park(desk=desk, values=typed, tried=typed, sentence=tested.sentence)
        return None
    store(tested, "")
    return tested.sentence if tested is not None else ""


def _saved_anyway(sheet: Sheet, store: Callable[[Tested | None, str], Any]) -> str | None:
    reason = sheet.reason.cleaned_data["reason"].strip()
    if not sheet.failure or sheet.parked is None:
        sheet.values.refuse(
            "What was tested is not kept any longer: save it again, so that it is tested.", ""
        )
        return None
    if not reason:
        sheet.reason.add_error("reason", "Say why, for those who look into the audit later.")
        return None
    same = sheet.parked.tried == sheet.values.values()
    # Something else was typed since: what is stored then was never tried.
    store(Tested(ok=False, sentence=sheet.failure) if same else None, reason)
    return "It was stored although its test failed." if same else "It was stored without a test."


def _refuse(sheet: Sheet, error: PlatformError) -> None:
    if error.context.get("field") in sheet.head.fields:
        sheet.head.add_error(str(error.context["field"]), error.message)
        return
    complaints: Any = error.context.get("complaints")
    sheet.values.refuse(error.message, error.context.get("field"), complaints)


def _keep_typed(desk: Desk, sheet: Sheet) -> None:
    """Nobody types a secret twice because of a slip elsewhere."""
    typed = sheet.values.values()
    has_secret = any(not blank(typed.get(name)) for name in sheet.values.spec.secrets())
    if has_secret and (sheet.parked is None or sheet.parked.values != typed):
        tried = sheet.parked.tried if sheet.parked else None
        sheet.parked = attempt_park(desk=desk, values=typed, tried=tried, sentence=sheet.failure)
    if sheet.parked is None:
        return
    before = sheet.values
    sheet.values = sheet.again(sheet.parked)
    # What was said already; only the hints in the fields are new.
    sheet.values._errors = before.errors  # type: ignore[attr-defined]  # the stubs do not know where Django keeps it
