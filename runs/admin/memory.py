"""Memories: what a scheduled job keeps for its next slot; readable, editable, resettable."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import By, actor_of, require
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import Role
from runs import words
from runs.admin.filters import JobFilter, TriggerFilter
from runs.admin.pages import HistoryAdmin, Part, number_of
from runs.admin.run_retry import StateField
from runs.memories import KEPT, memory_set
from runs.models import Memory, MemoryValue
from runs.selectors import payloads
from runs.templatetags.runs import when


def change(*, memory: Memory, value: dict[str, Any], by: By) -> None:
    """A person writes the memory; the earlier values stay readable."""
    require(by, memory.project_id, Role.EDITOR)
    memory_set(trigger=memory.trigger, job_id=memory.job_id, value=value, by=by)


def _reset(request: HttpRequest, memory: Memory, _values: dict[str, Any]) -> str:
    change(memory=memory, value={}, by=actor_of(request))
    return "The memory is empty: the next slot starts as the very first one did."


def _value(request: HttpRequest, memory: Memory) -> dict[str, Any]:
    return {"payload": payloads.state_payload(state_id=memory.state_id)}


def _earlier(request: HttpRequest, memory: Memory) -> dict[str, Any]:
    rows = MemoryValue.objects.filter(memory=memory).select_related("state", "run", "author").order_by("-id")
    values = list(rows.defer("state__body", "run__failure", "run__problems", "run__trial_code")[:KEPT])
    chosen = next((value for value in values if value.pk == number_of(request, "value")), None)
    context: dict[str, Any] = {"values": values, "chosen": chosen}
    if chosen is not None:
        context["payload"] = payloads.state_payload(state_id=chosen.state_id)
        context["difference"] = payloads.states_difference(before=chosen.state_id, after=memory.state_id)
    return context


class MemoryForm(forms.Form):
    value = StateField(required=True, label="Memory")


@admin.register(Memory)
class MemoryAdmin(HistoryAdmin):
    empty = "What a job remembers from one run to the next, such as how far it has read, stands here."
    page_template = "admin/runs/memory/page.html"
    list_display = ("trigger", "job", "slot", "changed", "size")
    list_display_links = ("trigger",)
    list_select_related = ("trigger", "job", "state")
    list_filter = (TriggerFilter, JobFilter)
    ordering = ("-updated_at",)
    parts = (
        Part(name="value", label="Now", template="admin/runs/memory/part_value.html", context=_value),
        Part(
            name="earlier",
            label="Earlier values",
            template="admin/runs/memory/part_earlier.html",
            context=_earlier,
        ),
    )
    deeds = (
        Deed(
            name="reset",
            label="Reset",
            role=Role.EDITOR,
            do=_reset,
            ask="The next slot then starts with an empty memory, as the very first one did. The values so far "
            "stay readable here.",
            tone="danger",
            icon="restart_alt",
        ),
    )

    def list_rows(self, queryset: Any) -> Any:
        return queryset.defer("state__body")

    @admin.display(description="written by the slot of")
    def slot(self, memory: Memory) -> SafeString | str:
        return when(memory.slot_at)

    @admin.display(description="changed")
    def changed(self, memory: Memory) -> SafeString | str:
        return when(memory.updated_at)

    @admin.display(description="size")
    def size(self, memory: Memory) -> str:
        return words.size_of(memory.state.size)

    def page_row(self, request: HttpRequest, object_id: str) -> Memory:
        key = as_uuid(object_id)
        rows = (
            self.get_queryset(request)
            .select_related("project", "trigger", "job", "state")
            .defer("state__body")
        )
        found: Memory | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def page_title(self, thing: Memory) -> str:
        return f"Memory of {thing.job.name}"

    def page_more(self, request: HttpRequest, thing: Memory) -> dict[str, Any]:
        return {"memory": thing}

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        memory = thing
        found = super().buttons(request, thing)
        if self.may(request, Role.EDITOR, memory) and self.may_see_data(request, memory):
            edit = Button(
                url=self.url_of("edit", memory.pk),
                label="Edit",
                asks=True,
                icon="edit",
                tone="plain",
                hint="",
            )
            found.insert(0, edit)
        return found

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "edit": self.edit_view}

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        memory = self.page_row(request, object_id)
        back = self.url_of("change", memory.pk)
        if not self.may(request, Role.EDITOR, memory) or not self.may_see_data(request, memory):
            raise Http404
        text = payloads.state_text(state_id=memory.state_id, limit=payloads.EDITABLE)
        if text is None:
            messages.error(request, "This memory was erased or is too large for a form; it can be reset.")
            return HttpResponseRedirect(back)
        if request.method == "POST":
            form = MemoryForm(request.POST)
            if form.is_valid():
                change(memory=memory, value=form.cleaned_data["value"], by=actor_of(request))
                messages.success(request, "The memory was changed; the next slot starts with it.")
                return HttpResponseRedirect(back)
        else:
            self.opened(request, memory, "memory, to edit it")
            form = MemoryForm(initial={"value": text})
        context = {
            **self.page_context(request, memory, title=f"Edit the memory of {memory.job.name}"),
            "form": form,
            "memory": memory,
            "back": back,
        }
        return TemplateResponse(request, "admin/runs/memory/edit.html", context)
