// Turns every <textarea data-editor> into a code editor. Without this script the text area works as it is.

import { mount } from "./editor.js";

// Only while the script itself runs does the browser say which one it is.
const nonce = document.currentScript?.nonce ?? "";

function enhance(root) {
  if (!(root instanceof Element || root instanceof Document)) return;
  for (const textarea of root.querySelectorAll("textarea[data-editor]")) {
    // An inline form's blank copy is cloned later; an editor in it would be cloned dead.
    if (textarea.dataset.editorMounted || textarea.name.includes("__prefix__")) continue;
    try {
      mount(textarea, { nonce });
      textarea.dataset.editorMounted = "yes";
    } catch (error) {
      console.error("The code editor did not start; the plain text area stays.", error);
    }
  }
}

enhance(document);
document.addEventListener("formset:added", (event) => enhance(event.target));
document.addEventListener("htmx:load", (event) => enhance(event.target));
