// What stands below the editor: how many problems, and each with its line. The server wrote the first ones,
// so that they are there without this script too; on a phone, where nothing hovers, they are the only place.

import { setDiagnostics } from "@codemirror/lint";

import { diagnostic, place, sentence } from "./findings.js";

const SHOWN = 20;

export class Notes {
  constructor(textarea, { readOnly }) {
    this.host = textarea.closest(".code-editor") ?? wrap(textarea);
    this.status = part(this.host, "p", "code-editor-status");
    this.status.setAttribute("role", "status");
    this.list = part(this.host, "ul", "code-editor-findings");
    this.hint = part(this.host, "p", "code-editor-keys");
    this.hint.textContent ||= "Tab indents. To leave the editor with the keyboard: Escape, then Tab.";
    this.hint.hidden = readOnly; // there Tab leaves at once
    this.hint.id ||= `${textarea.id || textarea.name}_keys`;
    this.ids = readOnly ? [] : [this.hint.id];
  }

  attach(view) {
    this.view = view;
  }

  /** Mark findings in the text and list them. */
  show(findings) {
    const { state } = this.view;
    const marks = findings.map((finding) => diagnostic(state.doc, finding));
    marks.sort((one, other) => one.from - other.from || one.to - other.to);
    this.view.dispatch(setDiagnostics(state, marks));
    this.list.replaceChildren(...findings.slice(0, SHOWN).map((finding) => this.item(finding)));
    this.list.hidden = findings.length === 0;
    this.say(summary(findings));
  }

  /** One sentence for eyes and screen readers; unchanged text is not announced again. */
  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  item(finding) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    item.dataset.severity = finding.severity;
    button.type = "button";
    button.append(`Line ${finding.line}`);
    button.addEventListener("click", () => this.go(finding));
    item.append(button, " ", sentence(finding));
    return item;
  }

  go(finding) {
    const { from } = place(this.view.state.doc, finding);
    this.view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
    this.view.focus();
  }
}

function summary(findings) {
  const errors = findings.filter((finding) => finding.severity === "error").length;
  const others = findings.length - errors;
  return [count(errors, "error"), count(others, "remark")].filter(Boolean).join(", ");
}

function count(number, noun) {
  return number === 0 ? "" : `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function wrap(textarea) {
  const host = document.createElement("div");
  host.className = "code-editor";
  textarea.before(host);
  host.append(textarea);
  return host;
}

function part(host, tag, name) {
  const found = host.querySelector(`.${name}`);
  if (found) return found;
  const made = document.createElement(tag);
  made.className = name;
  host.append(made);
  return made;
}
