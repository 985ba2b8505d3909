"""The form receiver: OpenRosa submissions, raw or in a form with files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from openfn_platform.demo.standins.commcare.answers import page
from openfn_platform.demo.standins.commcare.submissions import Submissions, Unprocessable
from openfn_platform.demo.standins.commcare.xforms import BadForm
from openfn_platform.demo.standins.multipart import NotMultipart, parts_of
from openfn_platform.demo.standins.wire import Answer, Request

FILE = "xml_submission_file"
NO_APP = ("api", "submission")  # paths that name no application
ROSA = '<OpenRosaResponse xmlns="http://openrosa.org/http/response"><message nature="{}">{}</message></OpenRosaResponse>'


class Receiver:
    """Where phones, and integrations, send forms."""

    def __init__(self, submissions: Submissions, config: Callable[[], Mapping[str, Any]]) -> None:
        self._submissions = submissions
        self._config = config

    def post(self, request: Request, domain: str, app: str | None = None) -> Answer:
        """POST a form; the status alone does not say whether it was processed."""
        if self._config()["blocked"]:
            return Answer(509)
        version = request.headers.get("x-openrosa-version")
        try:
            body = _form_of(request)
        except NotMultipart as error:
            return Answer(400, str(error).encode(), {"Content-Type": "text/plain; charset=utf-8"})
        try:
            app_id = None if app in NO_APP else app
            self._submissions.submit(body, app_id=app_id, from_phone=version is not None)
        except BadForm as error:
            return rosa(500, "submit_error", str(error))
        except Unprocessable as error:
            if version == "3.0":
                return rosa(422, "processing_failure", str(error))
            return rosa(201, "submit_error", str(error))
        return rosa(201, "submit_success", "   √   ")


def rosa(status: int, nature: str, text: str) -> Answer:
    """An OpenRosa answer. HQ declares it as HTML, whatever it is."""
    return page(status, ROSA.format(nature, escape(text)))


def _form_of(request: Request) -> bytes:
    if request.content_type == "multipart/form-data":
        parts = parts_of(request)
        if FILE not in parts:
            raise NotMultipart(f"The form has no file `{FILE}`.")
        return parts[FILE].body
    if not request.body:
        raise NotMultipart("There is no form in the request.")
    return request.body
