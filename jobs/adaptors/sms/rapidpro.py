"""RapidPro and TextIt: broadcasts to numbers, contacts, flows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.adaptors.auth import Auth, token
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AdaptorError, AuthError, Forbidden
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.sms.provider import Provider, Receipt, account
from jobs.adaptors.spec import address, credential, operation, secret, text

HOST = "https://app.rapidpro.io"
PAGES = NextUrl("next")
# With these words a 403 is about the token, otherwise about what its user may do.
WRONG_TOKEN = ("invalid token", "authentication credentials")


class RapidPro(Provider):
    """One workspace."""

    system = "RapidPro"
    schema = credential(
        {
            "host": address("Address", "Of RapidPro or TextIt.", example=HOST, default=HOST),
            "token": secret("API token", minLength=1),
            "apiVersion": text("API version", default="v2"),
        },
        required=("token",),
    )

    def base_url(self, configuration: dict[str, Any]) -> str:
        host = str(configuration.get("host") or HOST).rstrip("/")
        return f"{host}/api/{configuration.get('apiVersion') or 'v2'}"

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return token("Token", configuration["token"])

    def words(self, response: Response) -> str:
        """Their answers name the field: `{"urns": ["…"]}`."""
        body = response.body
        if isinstance(body, dict) and not {"detail", "message", "error"} & set(body):
            return "; ".join(f"{name}: {' '.join(_flat(said))}" for name, said in body.items())
        return super().words(response)

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {"id": 0, "uuid": "dry-run", "status": "Q", **(data if isinstance(data, dict) else {})}

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """A broadcast to one number. The workspace's channel is the sender; another one cannot be chosen."""
        urn = to if ":" in to else f"tel:{to}"
        response = self.post(
            "broadcasts.json",
            {"urns": [urn], "text": text},
            repeatable=False,
            retry_statuses=(429,),
            errors={400: False},
        )
        body = response.body if isinstance(response.body, dict) else {}
        if response.status == 400 and "urns" in body:
            return Receipt(
                to=to, provider_id=None, status="rejected", message=self._sentence(response), raw=body
            )
        if response.status == 400:
            raise self._error(response, safe=False)
        self.part(body, "uuid" if "uuid" in body else "id", (int, str))
        failed = body.get("status") in ("F", "failed")
        return Receipt(
            to=to,
            provider_id=str(body.get("id") or body.get("uuid") or "") or None,
            status="rejected" if failed else "accepted",
            message="RapidPro: the broadcast failed" if failed else None,
            raw=body,
        )

    @operation(example='rapidpro.add_contact({"name": "Ama", "urns": ["tel:+22890112233"]})', writes=True)
    def add_contact(self, contact: dict[str, Any]) -> dict[str, Any]:
        """Make a contact."""
        return self._made("contacts.json", contact)

    @operation(example='rapidpro.upsert_contact({"name": "Ama", "urns": ["tel:+22890112233"]})', writes=True)
    def upsert_contact(self, contact: dict[str, Any]) -> dict[str, Any]:
        """Make a contact, or change the one that has its first URN already."""
        response = self.post("contacts.json", contact, errors={400: _unless_taken})
        if response.status != 400:
            return dict(self.part(response.body))
        urn = contact["urns"][0]
        rest = {name: value for name, value in contact.items() if name != "urns"}
        # To the same contact with the same values: sending that twice changes nothing more.
        changed = self.post("contacts.json", rest, params={"urn": urn}, repeatable=True)
        return dict(self.part(changed.body))

    @operation(example='rapidpro.start_flow({"flow": uuid, "urns": ["tel:+22890112233"]})', writes=True)
    def start_flow(self, start: dict[str, Any]) -> dict[str, Any]:
        """Start people in a flow."""
        return self._made("flow_starts.json", start)

    @operation(example='rapidpro.send_broadcast({"text": "Hello", "groups": [uuid]})', writes=True)
    def send_broadcast(self, broadcast: dict[str, Any]) -> dict[str, Any]:
        """Send a text to contacts, groups or numbers."""
        return self._made("broadcasts.json", broadcast)

    @operation(example='rapidpro.get_list("contacts", group="Mothers")')
    def get_list(self, name: str, *, max: int = 10_000, **params: Any) -> list[dict[str, Any]]:
        """Records of a list (contacts, flows, groups, messages, runs …), all pages, at most `max`."""
        return list(self.each(name, max=max, **params))

    @operation(example='for contact in rapidpro.each("contacts"): print(contact["uuid"])')
    def each(self, name: str, *, max: int = 1_000_000, **params: Any) -> Iterator[dict[str, Any]]:
        """The same, one by one, without holding them all."""
        return self.records(f"{name}.json", params=params, paging=PAGES, items="results", max=max)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        workspace = self.get("workspace.json").body
        name = workspace.get("name") if isinstance(workspace, dict) else None
        return (
            f"RapidPro accepts the token of the workspace {name}." if name else "RapidPro accepts the token."
        )

    def _error(self, response: Response, *, safe: bool, message: str = "") -> AdaptorError:
        error = super()._error(response, safe=safe, message=message)
        if isinstance(error, Forbidden) and any(each in error.message.lower() for each in WRONG_TOKEN):
            return AuthError(error.message, status=error.status, body=error.body)
        return error

    def _made(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self.part(self.post(path, data, retry_statuses=(429,)).body)
        return made


def _unless_taken(response: Response) -> bool | None:
    """A 400 about a URN that somebody has: the nested list is how they say so."""
    urns = response.body.get("urns") if isinstance(response.body, dict) else None
    taken = isinstance(urns, (list, dict)) and bool(urns) and not isinstance(next(iter(_values(urns))), str)
    return False if taken else None


def _values(found: Any) -> Any:
    return found.values() if isinstance(found, dict) else found


def _flat(said: Any) -> list[str]:
    if isinstance(said, (list, dict)):
        return [text for each in _values(said) for text in _flat(each)]
    return [str(said)]


ADAPTOR = account("rapidpro", "RapidPro", RapidPro)
