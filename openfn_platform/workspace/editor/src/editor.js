// One editor for one text area: puts the parts together.

import { autocompletion } from "@codemirror/autocomplete";
import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { indentUnit } from "@codemirror/language";
import { lintGutter } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { basicSetup } from "codemirror";

import { checks } from "./checks.js";
import { completion } from "./completion.js";
import { findingsOf } from "./findings.js";
import { accessibility, Field } from "./field.js";
import { help } from "./help.js";
import { jsonProblem } from "./json.js";
import { keys } from "./keys.js";
import { Names } from "./names.js";
import { Notes } from "./notes.js";
import { appearance, follow } from "./theme.js";

const LANGUAGES = { python, json };

export function mount(textarea, { nonce = "" } = {}) {
  const language = textarea.dataset.editor;
  if (!(language in LANGUAGES)) throw new Error(`no language called ${language}`);
  const readOnly = textarea.dataset.readonly !== undefined || textarea.readOnly;
  const notes = new Notes(textarea, { readOnly });
  const field = new Field(textarea);
  const inside = !readOnly && language === "json" ? jsonProblem : () => null;
  const first = findingsOf(textarea.dataset.findings);
  const problem = first.length === 0 ? inside(textarea.value) : null;
  if (problem) first.push(problem);
  const view = new EditorView({
    doc: textarea.value,
    extensions: [
      keys(textarea),
      basicSetup,
      LANGUAGES[language](),
      indentUnit.of(language === "python" ? "    " : "  "),
      appearance(),
      accessibility(textarea, notes.ids),
      nonce ? EditorView.cspNonce.of(nonce) : [],
      assistance(textarea, language),
      readOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(false)] : [],
      first.length > 0 || !readOnly ? lintGutter() : [],
      readOnly ? [] : checks({ textarea, inside, notes }),
      field.sending(),
    ],
  });
  notes.attach(view);
  field.attach(view);
  notes.show(first);
  notes.host.prepend(view.dom);
  textarea.classList.add("code-editor-source");
  follow(view);
  return view;
}

function assistance(textarea, language) {
  if (language !== "python") return autocompletion({ override: [] });
  const names = new Names(textarea.dataset.namesUrl);
  return [autocompletion({ override: [completion(names)], icons: false }), help(names), names.loadOnFocus()];
}
