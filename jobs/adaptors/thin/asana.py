"""`asana`: tasks and comments in Asana."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, bearer
from jobs.adaptors.paging import Cursor
from jobs.adaptors.spec import address, credential, secret

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
    paging=Cursor("offset", "next_page.offset"),
    test="/users/me",
    calls=(
        Call(
            "get_tasks",
            "(project, *, fields=None)",
            "GET",
            "/projects/{project}/tasks?limit=100",  # without a limit Asana does not page, and cuts long lists off
            query={"opt_fields": "fields"},
            take="data",
            paging=Cursor("offset", "next_page.offset"),
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
).adaptor()
