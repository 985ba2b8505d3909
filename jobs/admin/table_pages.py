"""The pages of one table: its rows, one row with its history, its settings, CSV in and out.

Rows may be personal data: who may not see data sees how many there are and nothing else, and opening them is audited.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from jobs.admin.table_forms import (
    ConfirmForm,
    RowForm,
    SheetForm,
    TableForm,
    ValueForm,
    table_initial,
    value_initial,
)
from jobs.models import Table, TableRow
from jobs.row_history import row_changes, row_restore
from jobs.rows import row_get, row_set, rows_page, rows_remove
from jobs.sheet_loading import Brought, SheetMode, sheet_bring_in
from jobs.sheet_writing import sheet_write
from jobs.tables import table_change
from jobs.uploads import upload_chunks, upload_find, upload_park
from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.common.text import one_line, plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Role

ROWS = 50
CHANGES = 50
SHOWN = 120  # characters of a value in a list
NOBODY_KNOWS = "Somebody changed this row while you were looking at it. Here is what it is now; decide again."


def table_page(model_admin: Any, request: HttpRequest, table: Table) -> HttpResponse:
    """The rows, with a form for one more."""
    may_edit, sees = _may(model_admin, request, table)
    if request.method == "POST" and not (may_edit and sees):
        raise PermissionDenied
    form = RowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = _tried(
            form,
            lambda: row_set(
                table=table,
                key=given["key"],
                value=given["plain"],
                ttl=form.ttl,
                if_absent=True,
                by=actor_of(request),
            ),
        )
        if made is not None and made.done and made.made:
            messages.success(request, f"“{one_line(given['key'], 60)}” was added.")
            return HttpResponseRedirect(request.get_full_path())
        if made is not None:
            form.add_error("key", "This key is there already; open it to change its value.")
    context = {
        **model_admin.page_context(request, table, title=table.name),
        "table": table,
        "form": form,
        "may_edit": may_edit and sees,
        "may_see_data": sees,
        "deed_buttons": model_admin.buttons(request, table),
        "change_url": "",
        **(_rows(request, table) if sees else {}),
    }
    return TemplateResponse(request, "workspace/table.html", context)


def _rows(request: HttpRequest, table: Table) -> dict[str, Any]:
    prefix, after = (_asked(request, name) for name in ("prefix", "after"))
    rows = rows_page(table=table, prefix=prefix, after=after, size=ROWS + 1)
    _opened(request, table, "rows")
    following = urlencode({"prefix": prefix, "after": rows[ROWS - 1].key}) if len(rows) > ROWS else ""
    return {
        "rows": [(row, _brief(row.value), urlencode({"key": row.key})) for row in rows[:ROWS]],
        "prefix": prefix,
        "after": after,
        "following": following,
    }


def row_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """One row: change it, remove it, or bring an earlier value back."""
    table = _table_with_data(model_admin, request, object_id)
    may_edit = model_admin.may(request, Role.EDITOR, table)
    key = _asked(request, "key")
    back = model_admin.url_of("change", table.pk)
    if request.method == "POST":
        if not may_edit:
            raise PermissionDenied
        said, form = _changed(request, table, key)
        if said:
            messages.success(request, said)
            gone = "remove" in request.POST
            return HttpResponseRedirect(back if gone else request.get_full_path())
        return _row_page(model_admin, request, table, key, form, may_edit=may_edit)
    return _row_page(model_admin, request, table, key, None, may_edit=may_edit)


def _changed(request: HttpRequest, table: Table, key: str) -> tuple[str, ValueForm | None]:
    """Do what was asked: a sentence about it, or the form that says why not."""
    by, change = actor_of(request), request.POST.get("restore", "")
    form = ValueForm(request.POST)
    if change:
        number = int(change) if change.isascii() and change.isdigit() and len(change) < 19 else 0
        done = _tried(None, lambda: row_restore(table=table, change=number, by=by), request)
        return ("The earlier value is back." if done else "", None)
    if "remove" in request.POST:
        version = _version(request)
        removed = _tried(None, lambda: rows_remove(table=table, keys=[key], by=by, version=version), request)
        if removed == 0:
            messages.error(request, "It was gone already.")
        return (f"“{one_line(key, 60)}” was removed; its history is kept." if removed else "", None)
    if not form.is_valid():
        return "", form
    value, ttl, version = form.cleaned_data["plain"], form.ttl, _version(request)
    done = _tried(form, lambda: row_set(table=table, key=key, value=value, ttl=ttl, version=version, by=by))
    return ("Saved." if done is not None else "", form)


def _row_page(
    model_admin: Any, request: HttpRequest, table: Table, key: str, form: Any, *, may_edit: bool
) -> HttpResponse:
    row = _row_or_none(table, key)
    changes = row_changes(table=table, key=key, size=CHANGES) if key else []
    if row is None and not changes:
        raise Http404
    _opened(request, table, "a row")
    if form is None:
        form = ValueForm(initial=value_initial(row.value) if row else None)
    context = {
        **model_admin.page_context(request, table, title=one_line(key, 80)),
        "table": table,
        "row": row,
        "key": key,
        "form": form,
        "may_edit": may_edit,
        "changes": _told(changes, row),
    }
    return TemplateResponse(request, "workspace/table_row.html", context)


def _told(changes: list[Any], row: TableRow | None) -> list[dict[str, Any]]:
    """Each change with what it made: that is what the next one found, or what is there now."""
    found = []
    after, there = (row.value, True) if row else (None, False)
    for change in changes:
        gone = change.kind in ("removed", "expired")
        made = change.kind == "made"
        found.append(
            {
                "change": change,
                "after": "" if gone or not there else _brief(after),
                "before": "" if made or change.kind == "expired" else _brief(change.before),
                "restores": not made and change.kind != "expired",
            }
        )
        after, there = change.before, change.kind != "expired"
    return found


def history_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """What happened to all rows, newest first."""
    table = _table_with_data(model_admin, request, object_id)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    changes = row_changes(table=table, before=before, size=CHANGES + 1)
    _opened(request, table, "the history of its rows")
    context = {
        **model_admin.page_context(request, table, title="History"),
        "table": table,
        "changes": [(each, _brief(each.before), urlencode({"key": each.key})) for each in changes[:CHANGES]],
        "following": changes[CHANGES - 1].pk if len(changes) > CHANGES else None,
    }
    return TemplateResponse(request, "workspace/table_changes.html", context)


def csv_view(model_admin: Any, request: HttpRequest, object_id: str) -> Any:
    """The table as a file to save."""
    table = _table_with_data(model_admin, request, object_id)
    chunks = sheet_write(table=table, by=actor_of(request), prefix=_asked(request, "prefix"))
    answer = StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{table.key}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def bring_in_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Choose a file, look at what it would change, decide."""
    table = _table_with_data(model_admin, request, object_id)
    if not model_admin.may(request, Role.EDITOR, table):
        raise PermissionDenied
    context: dict[str, Any] = {"form": SheetForm()}
    if request.method == "POST" and "upload" in request.POST:
        done, context = _confirmed(request, table)
        if done is not None:
            messages.success(request, brought_sentence(done))
            return HttpResponseRedirect(model_admin.url_of("change", table.pk))
    elif request.method == "POST":
        form = SheetForm(request.POST, request.FILES)
        context = {"form": form}
        if form.is_valid():
            context = _tried(form, lambda: _looked_at(request, table, form)) or context
    page = {**model_admin.page_context(request, table, title="Bring in CSV"), "table": table}
    return TemplateResponse(request, "workspace/table_bring_in.html", page | context)


def _looked_at(request: HttpRequest, table: Table, form: SheetForm) -> dict[str, Any]:
    by, file = actor_of(request), form.cleaned_data["file"]
    mode = SheetMode(form.cleaned_data["mode"])
    upload = upload_park(table=table, name=file.name or "file", chunks=file.chunks(), by=by)
    brought = sheet_bring_in(table=table, chunks=upload_chunks(upload), by=by, mode=mode, dry=True)
    samples = [(each, _brief(each.before), _brief(each.after)) for each in brought.samples]
    confirm = ConfirmForm(initial={"upload": upload.pk, "mode": mode})
    return {"upload": upload, "brought": brought, "samples": samples, "confirm": confirm, "mode": mode}


def _confirmed(request: HttpRequest, table: Table) -> tuple[Brought | None, dict[str, Any]]:
    by, confirm = actor_of(request), ConfirmForm(request.POST)
    if not confirm.is_valid():
        raise Http404
    given = confirm.cleaned_data
    upload = upload_find(table=table, upload=given["upload"], by=by)
    form = SheetForm(initial={"mode": given["mode"]})
    if upload is None:
        messages.error(request, "The file was kept for a quarter of an hour, which is over. Choose it again.")
        return None, {"form": form}
    try:
        done = sheet_bring_in(
            table=table,
            chunks=upload_chunks(upload),
            by=by,
            mode=SheetMode(given["mode"]),
            leave_out_bad=given["leave_out_bad"],
        )
    except PlatformError as error:
        messages.error(request, error.message)
        return None, {"form": form}
    upload.delete()
    return done, {}


def brought_sentence(done: Brought) -> str:
    if done.nothing:
        return "The file brought nothing new: the table has all of it."
    said = (
        f"{plural(done.made, 'row')} made, {done.changed:,} changed, {done.removed:,} removed, "
        f"{done.same:,} as before."
    )
    return f"{said} {plural(done.bad_count, 'line')} left out." if done.bad_count else said


def settings_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Name, kind and limits."""
    table = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.EDITOR, table):
        raise PermissionDenied
    form = TableForm(request.POST or None, initial=table_initial(table))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if _tried(form, lambda: table_change(table=table, by=actor_of(request), **given)) is not None:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(model_admin.url_of("change", table.pk))
    context = {**model_admin.page_context(request, table, title="Settings"), "form": form, "table": table}
    return TemplateResponse(request, "workspace/table_settings.html", context)


# --- what they share ----------------------------------------------------------------------------------


def _may(model_admin: Any, request: HttpRequest, table: Table) -> tuple[bool, bool]:
    return model_admin.may(request, Role.EDITOR, table), model_admin.may_see_data(request, table)


def _table_with_data(model_admin: Any, request: HttpRequest, object_id: str) -> Table:
    table: Table = model_admin.object_or_404(request, object_id)
    if not model_admin.may_see_data(request, table):
        raise PermissionDenied
    return table


def _opened(request: HttpRequest, table: Table, what: str) -> None:
    """Somebody looked at what may be personal data."""
    audit("data opened", actor_of(request), project=table.project, target=table, changes={"shown": what})


def _tried(form: Any, do: Callable[[], Any], request: HttpRequest | None = None) -> Any:
    """What a verb gives; None when it refused, which the form or the page says then."""
    try:
        return do()
    except NotFound as error:
        if request is None:
            raise Http404 from None
        messages.error(request, error.message)
    except PlatformError as error:
        said = NOBODY_KNOWS if error.code == "row_changed" else error.message
        if form is None:
            messages.error(request, said)  # type: ignore[arg-type]  # one of the two is given
        else:
            field = error.context.get("field")
            form.add_error(field if isinstance(field, str) and field in form.fields else None, said)
    return None


def _row_or_none(table: Table, key: str) -> TableRow | None:
    try:
        return row_get(table=table, key=key)
    except NotFound:
        return None


def _version(request: HttpRequest) -> int | None:
    """The version that the page showed: 0 where the row was not there."""
    text = request.POST.get("version", "")
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _asked(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "")[:300].replace("\0", "")


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
