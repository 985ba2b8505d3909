"""Mobile workers and groups, which the list APIs also make and change."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from openfn_platform.demo.standins.commcare.answers import Refused, bad, json, page
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

TEXTS = ("first_name", "last_name", "email", "language", "default_phone_number", "primary_location")
LISTS = ("phone_numbers", "groups", "locations")


class People:
    """Makes, changes and retires them."""

    def __init__(self, store: Store, config: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._config = config

    def make(self, request: Request, name: str) -> Answer:
        """A mobile worker is answered in full, a group with its id."""
        if name == "group":
            return self._make_group(_values(request))
        if name != "user":
            raise Refused(page(405))
        values = _values(request)
        username = self._new_username(values)
        if not values.get("password"):
            raise bad("Password is required.")
        user = worker(self._config()["domain"], uuid.uuid4().hex, username)
        user = self._updated(user, values)
        return json(201, self._store.put("user", user["id"], user))

    def change(self, request: Request, name: str, key: str) -> Answer:
        """Only what was sent changes; lists and user data are replaced whole."""
        user = self._user(name, key)
        return json(200, self._store.put("user", key, self._updated(user, _values(request))))

    def remove(self, name: str, key: str) -> Answer:
        """Retire a mobile worker."""
        self._user(name, key)
        self._store.remove("user", key)
        return page(202)

    def _user(self, name: str, key: str) -> Record:
        if name != "user":
            raise Refused(page(405))
        user = self._store.get("user", key)
        if user is None:
            raise Refused(page(404))
        return user

    def _new_username(self, values: Mapping[str, Any]) -> str:
        given = values.get("username")
        if not isinstance(given, str) or not given:
            raise bad("Username is required.")
        full = given if "@" in given else f"{given}@{self._config()['domain']}.commcarehq.org"
        if any(user["username"] == full for user in self._store.table("user").values()):
            raise bad(f"Username '{full}' is already taken or reserved.")
        return full

    def _make_group(self, values: Mapping[str, Any]) -> Answer:
        if not values.get("name"):
            raise Refused(json(400, {"error_message": "Name is required"}))
        group = {
            "id": uuid.uuid4().hex,
            "name": values["name"],
            "domain": self._config()["domain"],
            "case_sharing": values.get("case_sharing", False),
            "reporting": values.get("reporting", True),
            "metadata": values.get("metadata", {}),
            "users": values.get("users", []),
        }
        self._store.put("group", group["id"], group)
        return json(201, {"id": group["id"]})

    def _updated(self, user: Record, values: Mapping[str, Any]) -> Record:
        for name, kind in (*((n, str) for n in TEXTS), *((n, list) for n in LISTS), ("user_data", dict)):
            if name in values and not isinstance(values[name], kind):
                raise bad(f"Invalid value for {name}.")
        changes = {n: values[n] for n in (*TEXTS, *LISTS, "user_data") if n in values}
        if changes.get("phone_numbers") and "default_phone_number" not in changes:
            changes["default_phone_number"] = changes["phone_numbers"][0]
        return {**user, **changes}


def worker(domain: str, unique: str, username: str, **known: Any) -> Record:
    """A mobile worker as the API shows one."""
    empty: Record = {
        "id": unique,
        "username": username,
        "first_name": "",
        "last_name": "",
        "default_phone_number": None,
        "email": "",
        "phone_numbers": [],
        "groups": [],
        "primary_location": None,
        "locations": [],
        "user_data": {"commcare_project": domain},
        "eulas": "[]",
        "resource_uri": f"/a/{domain}/api/user/v1/{unique}/",
    }
    return {**empty, **known}


def _values(request: Request) -> dict[str, Any]:
    try:
        values = request.json()
    except ValueError:
        raise bad("The request body is not valid JSON.") from None
    if not isinstance(values, dict):
        raise bad("Send one JSON object.")
    return values
