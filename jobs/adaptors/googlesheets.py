"""`googlesheets`: values in Google's spreadsheets, by an access token or a service account."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from jobs.adaptors.auth import Auth, bearer
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import ConfigurationError, ValidationError
from jobs.adaptors.signing_in import SignIn
from jobs.adaptors.spec import AdaptorSpec, address, credential, operation, secret, text

API = "https://sheets.googleapis.com"
TOKENS = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Rows = Sequence[Sequence[Any]]


class Client(RestClient):
    """Everything that the account may open."""

    system = "Google Sheets"
    schema = {
        **credential(
            {
                "access_token": secret("Access token", "Ends after an hour; better a service account."),
                "client_email": text("E-mail of the service account", "Share the spreadsheet with it."),
                "private_key": {**secret("Private key of the service account"), "x-lines": 6},
                "tokenUrl": address("Token address", "Only for a test server.", example=TOKENS),
                "baseUrl": address("Address", "Only for a test server.", example=API),
            }
        ),
        "anyOf": [{"required": ["access_token"]}, {"required": ["client_email", "private_key"]}],
    }

    def base_url(self, configuration: dict[str, Any]) -> str:
        return f"{configuration.get('baseUrl') or API}/v4/spreadsheets"

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        if configuration.get("access_token"):
            return bearer(configuration["access_token"])
        where = str(configuration.get("tokenUrl") or TOKENS)

        def log_in(client: RestClient) -> Response:
            signed = _assertion(configuration["client_email"], configuration["private_key"], where)
            form = {"grant_type": GRANT, "assertion": signed}
            return client.ask("POST", where, form, content_type="form")

        return SignIn(log_in, also=(configuration["private_key"],))

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {"updates": {"updatedRows": len(data.get("values") or ()) if isinstance(data, dict) else 0}}

    @operation(example='rows = googlesheets.get_values(sheet, "Visits!A1:F")')
    def get_values(self, spreadsheet: str, range: str) -> list[list[Any]]:
        """The rows of a range; cells at the end of a row that are empty are missing."""
        body = self.get(_path(spreadsheet, range)).body
        return list(self.part(body).get("values") or [])

    @operation(example='googlesheets.append_values(sheet, "Visits!A1", [["2026-03-06", 12]])', writes=True)
    def append_values(self, spreadsheet: str, range: str, rows: Rows, *, raw: bool = False) -> int:
        """Add rows below a table; answers how many. `raw` keeps a text such as `=1+1` a text.

        Never repeated by itself: a second time would add them twice.
        """
        cells = _cells(rows)
        if not cells:
            return self._nothing()
        response = self.post(
            f"{_path(spreadsheet, range)}:append",
            {"values": cells},
            params={"valueInputOption": _option(raw), "insertDataOption": "INSERT_ROWS"},
            repeatable=False,
        )
        return int((self.part(response.body).get("updates") or {}).get("updatedRows") or 0)

    @operation(
        example='googlesheets.batch_update_values(sheet, [{"range": "Visits!A2:B2", "values": [[1, 2]]}])',
        writes=True,
    )
    def batch_update_values(
        self, spreadsheet: str, data: Sequence[Mapping[str, Any]], *, raw: bool = False
    ) -> int:
        """Write into several ranges at once; answers how many cells. A second time writes the same."""
        if not data:
            return self._nothing()
        ranges = [{**each, "values": _cells(each.get("values") or ())} for each in data]
        body = {"valueInputOption": _option(raw), "data": ranges}
        response = self.post(f"/{quote(spreadsheet, safe='')}/values:batchUpdate", body, repeatable=True)
        return int(self.part(response.body).get("totalUpdatedCells") or 0)

    @operation(example='googlesheets.clear_values(sheet, "Visits!A2:F")', writes=True)
    def clear_values(self, spreadsheet: str, range: str) -> None:
        """Empty a range."""
        self.post(f"{_path(spreadsheet, range)}:clear", {}, repeatable=True)

    @operation(example='googlesheets.request("GET", f"/{sheet}").body', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send any request below the list of spreadsheets; `.body` is the parsed answer."""
        return super().request(method, path, data, **options)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        if not isinstance(self.auth, SignIn):
            return "The credential is complete; without a spreadsheet there is nothing to ask it for."
        with self._told():
            self._sign_in()
        return f"Google accepts the service account {self._configuration['client_email']}."

    def _nothing(self) -> int:
        self.context.log("warning", "There was no row to write, so nothing was sent to Google Sheets.")
        return 0


def _assertion(email: str, key: str, audience: str) -> str:
    import jwt

    now = int(time.time())
    claims = {"iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + 3600}
    try:
        # Keys are often pasted as they stand in the JSON file, with \n for the ends of lines.
        return jwt.encode(claims, key.replace("\\n", "\n"), algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigurationError(
            "The private key of the service account cannot be read; paste all of it."
        ) from None


def _cells(rows: Rows) -> list[list[Any]]:
    """Lists of cells. A row by name would be taken for its names, and a text for a cell a letter."""
    kept = list(rows)
    if not all(isinstance(row, (list, tuple)) for row in kept):
        raise ValidationError(
            'Each row for Google Sheets is a list of cells, as in [["2026-03-06", 12]].', sent=False
        )
    return [list(row) for row in kept]


def _path(spreadsheet: str, range: str) -> str:
    return f"/{quote(spreadsheet, safe='')}/values/{quote(range, safe='')}"


def _option(raw: bool) -> str:
    return "RAW" if raw else "USER_ENTERED"


ADAPTOR = AdaptorSpec(
    name="googlesheets",
    title="Google Sheets",
    summary="Values in Google's spreadsheets.",
    schema=Client.schema,
    client=Client,
)
