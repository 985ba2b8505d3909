// The text area stays the form's field: it always holds the editor's text, and what others write into it is taken over.

import { EditorView } from "@codemirror/view";

export class Field {
  constructor(textarea) {
    this.textarea = textarea;
    this.sendingNow = false;
  }

  /** Each change of the text goes into the text area. */
  sending() {
    return EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      this.sendingNow = true;
      this.textarea.value = update.state.doc.toString();
      this.textarea.dispatchEvent(new Event("input", { bubbles: true }));
      this.sendingNow = false;
    });
  }

  attach(view) {
    const { textarea } = this;
    const { form } = textarea;
    const take = () => this.take(view);
    textarea.addEventListener("input", take);
    textarea.addEventListener("change", take);
    textarea.addEventListener("editor:insert", (event) => insert(view, event));
    form?.addEventListener("submit", () => {
      if (view.state.doc.toString() !== unified(textarea.value)) textarea.value = view.state.doc.toString();
    });
    // A form empties its fields after the event; going back in the browser fills them late.
    form?.addEventListener("reset", () => setTimeout(take));
    window.addEventListener("pageshow", take);
    // A hidden field that is required stops the form without a word; the server says it instead.
    textarea.required = false;
    for (const label of textarea.labels ?? []) label.addEventListener("click", () => view.focus());
  }

  take(view) {
    if (this.sendingNow || unified(this.textarea.value) === view.state.doc.toString()) return;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: this.textarea.value } });
  }
}

/** The editor ends lines in one way; a lone carriage return must not look like a change. */
function unified(text) {
  return text.replace(/\r\n?/g, "\n");
}

/** `editor:insert` {text}: instead of the selection, cursor behind it. Cancelled when done, so that whoever
 * sent it knows that it need not write into the text area itself. */
function insert(view, event) {
  const text = event.detail?.text;
  if (typeof text !== "string" || view.state.readOnly) return;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(text), { userEvent: "input.paste", scrollIntoView: true });
  view.focus();
}

/** Names and descriptions of the field, for the element that takes its place. */
export function accessibility(textarea, described) {
  const attributes = {
    "aria-describedby": [textarea.getAttribute("aria-describedby"), ...described].filter(Boolean).join(" "),
    tabindex: "0", // a read-only text is scrolled and searched by keyboard too
  };
  const labels = [...(textarea.labels ?? [])].map((label, number) => {
    label.id ||= `${textarea.id || textarea.name}_label${number || ""}`;
    return label.id;
  });
  if (labels.length > 0) attributes["aria-labelledby"] = labels.join(" ");
  else attributes["aria-label"] = textarea.getAttribute("aria-label") ?? "Code";
  if (textarea.required) attributes["aria-required"] = "true";
  const invalid = textarea.getAttribute("aria-invalid");
  if (invalid) attributes["aria-invalid"] = invalid;
  return EditorView.contentAttributes.of(attributes);
}
