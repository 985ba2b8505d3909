"""`openhim`: the health information mediator OpenHIM, by its management API."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, basic
from jobs.adaptors.paging import PageNumber
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="openhim",
    title="OpenHIM",
    summary="Channels, clients, transactions and tasks of an OpenHIM mediator.",
    schema=credential(
        {
            "apiUrl": address(
                "Address", "Of the management API.", example="https://openhim.example.org:8080"
            ),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("apiUrl", "username", "password"),
    ),
    base="{apiUrl}",
    auth=basic("username", "password"),
    paging=PageNumber(page="filterPage", size_param="filterLimit", size=100, start=0),
    test="/heartbeat",
    calls=(
        Call(
            "get_transactions",
            "(*, filters=None)",
            "GET",
            "/transactions",
            query={"filters": "filters"},
            paging=PageNumber(page="filterPage", size_param="filterLimit", size=100, start=0),
            help="Transactions, newest first; `filters` is OpenHIM's JSON text.",
            example="openhim.get_transactions(max=50)",
        ),
        Call(
            "get_channels",
            "()",
            "GET",
            "/channels",
            help="All channels.",
            example="openhim.get_channels()",
        ),
        Call("get_clients", "()", "GET", "/clients", help="All clients.", example="openhim.get_clients()"),
        Call(
            "create_channel",
            "(data)",
            "POST",
            "/channels",
            body="data",
            help="Make a channel.",
            example='openhim.create_channel({"name": "Lab", "urlPattern": "^/lab$", "routes": []})',
        ),
        Call("get_tasks", "()", "GET", "/tasks", help="Rerun tasks.", example="openhim.get_tasks()"),
        Call(
            "create_task",
            "(data)",
            "POST",
            "/tasks",
            body="data",
            help="Run transactions again.",
            example='openhim.create_task({"tids": ["53e096fea0af3105689acd6a"], "batchSize": 1})',
        ),
        Call(
            "create_encounter",
            "(encounter)",
            "POST",
            "/encounters",
            body="encounter",
            help="Send an encounter through the mediator.",
            example='openhim.create_encounter({"patient": "7"})',
        ),
    ),
).adaptor()
