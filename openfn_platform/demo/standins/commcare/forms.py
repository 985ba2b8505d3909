"""Forms as they are kept and shown."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.commcare.xforms import XForm
from openfn_platform.demo.standins.store import Record

ABOUT = ("deviceID", "timeStart", "timeEnd", "username", "userID", "instanceID", "appVersion")


def form_record(
    xform: XForm, *, unique: str, app_id: str | None, from_phone: bool, now: str, older: Record | None
) -> Record:
    """A form as it is kept. One that replaces an older one was still received when that was."""
    return {
        "id": unique,
        "xml": xform.xml,
        "xmlns": xform.xmlns,
        "app_id": app_id,
        "form": xform.form,
        "metadata": {name: xform.meta.get(name) for name in ABOUT},
        "blocks": xform.blocks,
        "case_ids": list(dict.fromkeys(block["case_id"] for block in xform.blocks)),
        "from_phone": from_phone,
        "archived": False,
        "received_on": older["received_on"] if older else now,
        "edited_on": now if older else None,
        "server_modified_on": now,
        "indexed_on": now,
        "problem": None,
    }


def form_shown(form: Record, domain: str) -> dict[str, Any]:
    """As in the list API, and as forwarded in JSON."""
    about = form["form"]
    file = {
        "content_type": "text/xml",
        "length": len(form["xml"].encode()),
        "url": f"/a/{domain}/api/form_attachment/v1/{form['id']}/form.xml",
    }
    return {
        "app_id": form["app_id"],
        "archived": form["archived"],
        "attachments": {"form.xml": file},
        "build_id": None,
        "domain": domain,
        "edited_by_user_id": form["metadata"]["userID"] if form["edited_on"] else None,
        "edited_on": form["edited_on"],
        "form": about,
        "id": form["id"],
        "indexed_on": form["indexed_on"],
        "initial_processing_complete": True,
        "is_phone_submission": form["from_phone"],
        "metadata": {**form["metadata"], "doc_type": "Metadata"},
        "problem": form["problem"],
        "received_on": form["received_on"],
        "resource_uri": "",
        "server_modified_on": form["server_modified_on"],
        "submit_ip": "127.0.0.1",
        "type": about["#type"],
        "uiversion": about.get("@uiVersion"),
        "version": about.get("@version"),
    }
