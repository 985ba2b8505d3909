"""`asana`: tasks and comments in Asana."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from jobs.adaptors.descriptor import Call, Descriptor, ThinClient, bearer
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.paging import Cursor
from jobs.adaptors.searching import as_text, refuse_empty, the_one, told_apart
from jobs.adaptors.spec import address, credential, operation, secret

PAGES = Cursor("offset", "next_page.offset")
ALL = 1_000_000  # of a project: a list cut short would have the same task made twice
SET_ONCE = ("projects", "workspace")  # Asana refuses them in a change


@operation(example='asana.upsert_task("1206", {"name": "Referral 7", "notes": "Call back"})', writes=True)
def upsert_task(
    self: ThinClient, project: str, task: Mapping[str, Any], *, key: str = "name"
) -> dict[str, Any]:
    """Change the task of a project that has the same value in a field, or make it there.

    `key` is that field: `name`, `external.gid`, or `custom_fields.` and the number of a text or number field.
    Several tasks with that value raise AmbiguousError.
    """
    refuse_empty("asana.upsert_task", {"project": project})
    conditions = told_apart("asana.upsert_task", task, key)
    found = the_one("Asana", "tasks", _tasks(self, as_text(project), key), conditions)
    if found is None:
        projects = [as_text(each) for each in task.get("projects") or ()]
        made = {**task, "projects": list(dict.fromkeys([*projects, as_text(project)]))}
        answer = self.request("POST", "/tasks", {"data": made})
    else:
        changes = {name: value for name, value in task.items() if name not in SET_ONCE}
        answer = self.request("PUT", f"/tasks/{found['gid']}", {"data": changes})
    return dict(self.part(answer.body, "data"))


def _tasks(client: ThinClient, project: str, key: str) -> Iterator[dict[str, Any]]:
    """All tasks of a project with the field that tells them apart."""
    own = key.startswith("custom_fields.")
    fields = ",".join(f"custom_fields.{each}" for each in ("gid", "text_value", "number_value"))
    params = {"limit": 100, "opt_fields": fields if own else key}
    path = f"/projects/{quote(project, safe='')}/tasks"
    for task in client.records(path, params=params, paging=PAGES, items="data", max=ALL):
        if own:
            yield {**task, key: _custom(task, key.partition(".")[2])}
        elif key.startswith("external."):  # not part of a task that was made elsewhere
            yield {**task, "external": task.get("external") or {key.partition(".")[2]: None}}
        else:
            yield task


def _custom(task: Mapping[str, Any], gid: str) -> Any:
    for field in task.get("custom_fields") or ():
        if field.get("gid") == gid:
            return field.get("number_value") if field.get("text_value") is None else field["text_value"]
    raise ValidationError(f"The tasks of that project in Asana have no custom field {gid}.", sent=False)


ADAPTOR = Descriptor(
    name="asana",
    title="Asana",
    summary="Tasks and comments in Asana.",
    schema=credential(
        {
            "token": secret("Personal access token", minLength=1),
            "baseUrl": address("Address", "Only for a test server.", example="https://app.asana.com"),
        },
        required=("token",),
    ),
    base="{baseUrl|https://app.asana.com}/api/1.0",
    auth=bearer("token"),
    words=("errors.0.message",),
    items="data",
    paging=PAGES,
    test="/users/me",
    calls=(
        Call(
            "get_tasks",
            "(project, *, fields=None)",
            "GET",
            "/projects/{project}/tasks?limit=100",  # without a limit Asana does not page, and cuts long lists off
            query={"opt_fields": "fields"},
            take="data",
            paging=PAGES,
            help="Tasks of a project, all pages; `fields` is a list of names with commas.",
            example='asana.get_tasks("1206")',
        ),
        Call(
            "get_task",
            "(task)",
            "GET",
            "/tasks/{task}",
            take="data",
            help="One task.",
            example='asana.get_task("1207")',
        ),
        Call(
            "search_task",
            "(workspace, *, text=None)",
            "GET",
            "/workspaces/{workspace}/tasks/search",
            query={"text": "text"},
            take="data",
            help="Tasks of a workspace that have this text.",
            example='asana.search_task("1205", text="Referral 7")',
        ),
        Call(
            "create_task",
            "(task)",
            "POST",
            "/tasks",
            fields={"data": "task"},
            take="data",
            help="Make a task.",
            example='asana.create_task({"name": "Call back", "projects": ["1206"]})',
        ),
        Call(
            "update_task",
            "(gid, task)",
            "PUT",
            "/tasks/{gid}",
            fields={"data": "task"},
            take="data",
            help="Change a task.",
            example='asana.update_task("1207", {"completed": True})',
        ),
        Call(
            "create_task_story",
            "(task, comment)",
            "POST",
            "/tasks/{task}/stories",
            fixed={},
            fields={"data": "comment"},
            take="data",
            help="Write a comment on a task.",
            example='asana.create_task_story("1207", {"text": "Seen"})',
        ),
    ),
    methods=(upsert_task,),
).adaptor()
