"""Form widgets of the workspace: a text area for code that becomes an editor where its script is built.

The text area is the form's field either way. The editor itself is JavaScript, in `editor/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from django import forms
from django.forms.renderers import BaseRenderer, TemplatesSetting
from django.forms.widgets import Media, Script
from django.utils.safestring import SafeString

from openfn_platform.workspace.editor_bundle import bundle_is_built

STYLE = "workspace/editor.css"
SCRIPT = "built/editor/editor.js"


class Remark(Protocol):
    """What the editor shows at a line; `jobs.language.check.Finding` is one."""

    @property
    def line(self) -> int: ...  # from 1
    @property
    def column(self) -> int: ...  # from 1, in characters
    @property
    def severity(self) -> str: ...  # error | warning | info | hint
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


class CodeEditor(forms.Textarea):
    """Python or JSON with errors at their line, completion and help.

    `check_url` takes POST with `code` and `language` and answers {"findings": [...]}; `names_url` takes GET and
    answers {"names": [...]}. What depends on the object that is edited is set by the form, after it was made:
    `form.fields["code"].widget.check_url = …`.
    """

    template_name = "workspace/widgets/code_editor.html"

    def __init__(
        self,
        attrs: Mapping[str, Any] | None = None,
        *,
        language: Literal["python", "json"] = "python",
        check_url: str = "",
        names_url: str = "",
        findings: Sequence[Remark] = (),
        read_only: bool = False,
    ) -> None:
        # No wrapping: a browser that submits wrapped lines would change the code.
        as_code = {"rows": "20", "wrap": "off", "spellcheck": "false", "autocapitalize": "off"}
        super().__init__({**as_code, "autocomplete": "off", "translate": "no", **(attrs or {})})
        self.language = language
        self.check_url = check_url
        self.names_url = names_url
        self.findings = findings
        self.read_only = read_only

    @property
    def media(self) -> Media:
        """The style always, for the plain text area too; the script only where it is built."""
        # Deferred: it needs the text areas, and the admin puts scripts before them.
        script = [Script(SCRIPT, defer=True)] if bundle_is_built() else []
        return Media(css={"all": [STYLE]}, js=script)  # type: ignore[arg-type]  # the stubs know only addresses, not scripts

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        remarks = [_plain(remark) for remark in self.findings]
        # An attribute without a value would stand there as an address to ask.
        told = {
            "data-check-url": self.check_url,
            "data-names-url": self.names_url,
            "data-findings": json.dumps(remarks) if remarks else "",
        }
        context["widget"]["findings"] = remarks
        context["widget"]["attrs"] |= {
            "data-editor": self.language,
            **{attribute: text for attribute, text in told.items() if text},
            **({"data-readonly": True, "readonly": True} if self.read_only else {}),
        }
        return context

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        # The forms' own renderer looks into apps only; this template lies with the project's others.
        return super().render(name, value, attrs, TemplatesSetting())


def _plain(remark: Remark) -> dict[str, Any]:
    return {
        "line": remark.line,
        "column": remark.column,
        "severity": remark.severity,
        "message": remark.message,
        "hint": remark.hint or "",
    }
