"""The code editor's widget: safe for any text, and whole without its script."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib.staticfiles import finders
from django.utils.datastructures import MultiValueDict
from hypothesis import given
from hypothesis import strategies as st

from jobs.language.check import Finding
from openfn_platform.workspace import editor_bundle
from openfn_platform.workspace.widgets import STYLE, CodeEditor

NASTY = '</textarea><script>alert("1")</script>\n\t& <b>'


class Page(HTMLParser):
    """What a browser would see: the tags, and the text inside the text area."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.textarea: dict[str, str | None] = {}
        self.text = ""
        self._inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "textarea":
            self._inside, self.textarea = True, dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "textarea"

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def page(widget: CodeEditor, value: Any = "", **attrs: Any) -> Page:
    return Page(widget.render("code", value, attrs or None))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "editor.js"
    monkeypatch.setattr(editor_bundle, "SCRIPT", script)
    return script


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")))
def test_any_code_comes_back_as_it_is_and_adds_no_tags(code):
    seen = page(CodeEditor(), code)
    assert seen.text == f"\n{code}"  # browsers drop the first line break of a text area
    assert seen.tags == page(CodeEditor()).tags


def test_code_cannot_leave_the_text_area():
    html = CodeEditor().render("code", NASTY)
    assert "<script" not in html
    assert html.count("</textarea>") == 1


def test_findings_are_told_to_the_script_and_to_people_without_it():
    finding = Finding(line=2, column=5, severity="error", code="x", message=NASTY, hint="'\"> do this")
    seen = page(CodeEditor(findings=[finding]))
    assert json.loads(seen.textarea["data-findings"] or "") == [
        {"line": 2, "column": 5, "severity": "error", "message": NASTY, "hint": "'\"> do this"}
    ]
    html = CodeEditor(findings=[finding]).render("code", "")
    assert "Line 2" in html
    assert "<script" not in html


def test_addresses_and_language_are_set_by_the_form_after_the_widget_was_made():
    class JobForm(forms.Form):
        code = forms.CharField(widget=CodeEditor(language="json"))

    form = JobForm()
    widget = form.fields["code"].widget
    assert isinstance(widget, CodeEditor)
    widget.check_url, widget.names_url = "/check/?a=1&b=2", "/names/"
    seen = Page(form.as_p())
    assert seen.textarea["data-editor"] == "json"
    assert seen.textarea["data-check-url"] == "/check/?a=1&b=2"
    assert seen.textarea["data-names-url"] == "/names/"
    assert seen.textarea["id"] == "id_code"
    assert CodeEditor().check_url == ""


def test_what_is_not_known_is_not_written():
    assert not {"data-check-url", "data-names-url", "data-findings", "readonly"} & set(
        page(CodeEditor()).textarea
    )


def test_the_read_only_editor_cannot_be_changed_without_the_script_either():
    assert {"readonly", "data-readonly"} <= set(page(CodeEditor(read_only=True)).textarea)


def test_the_text_area_is_named_sized_and_unwrapped_without_the_script(bundle):
    seen = page(CodeEditor(attrs={"rows": 5, "class": "vLarge"}), "x", id="id_code", required=True)
    assert seen.textarea["name"] == "code"
    assert seen.textarea["rows"] == "5"
    assert seen.textarea["class"] == "vLarge"
    assert seen.textarea["wrap"] == "off"
    assert "required" in seen.textarea
    assert "script" not in seen.tags


def test_pages_load_the_script_only_where_it_is_built(bundle):
    assert "<script" not in str(CodeEditor().media)
    bundle.write_text("//")
    media = str(CodeEditor().media)
    assert "built/editor/editor.js" in media
    assert "defer" in media


def test_a_form_with_two_editors_loads_the_script_once(bundle):
    bundle.write_text("//")

    class TwoForm(forms.Form):
        code = forms.CharField(widget=CodeEditor())
        settings = forms.CharField(widget=CodeEditor(language="json"))

    assert str(TwoForm().media).count("<script") == 1


def test_the_style_needs_no_build(bundle):
    assert STYLE in str(CodeEditor().media)
    assert finders.find(STYLE)


def test_what_is_submitted_is_the_text_as_typed():
    sent = {"code": "a = 1\r\n"}
    assert CodeEditor().value_from_datadict(sent, MultiValueDict(), "code") == "a = 1\r\n"
