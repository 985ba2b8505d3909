// Checks while one types: first here (JSON), then by the server, at most once per pause.

import { EditorView } from "@codemirror/view";

import { findingsOf } from "./findings.js";

const PAUSE = 600;
const PATIENCE = 15_000;

export function checks({ textarea, inside, notes }) {
  const { checkUrl: url, editor: language } = textarea.dataset;
  let timer = 0;
  let asking = null;

  async function check(code) {
    const problem = inside(code);
    if (problem || !url) return notes.show(problem ? [problem] : []);
    const question = (asking = new AbortController());
    const waiting = setTimeout(() => question.abort(), PATIENCE);
    try {
      const findings = await ask({ url, form: textarea.form, language, code, signal: question.signal });
      // An answer about an older text would mark the wrong places.
      if (asking === question) notes.show(findings);
    } catch {
      if (asking === question) notes.say("The check does not answer just now; saving checks again.");
    } finally {
      clearTimeout(waiting);
    }
  }

  return EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    clearTimeout(timer);
    asking?.abort();
    asking = null;
    timer = setTimeout(() => check(update.view.state.doc.toString()), PAUSE);
  });
}

async function ask({ url, form, language, code, signal }) {
  const answer = await fetch(url, {
    method: "POST",
    body: new URLSearchParams({ code, language }),
    headers: { Accept: "application/json", "X-CSRFToken": csrfToken(form) },
    credentials: "same-origin",
    signal,
  });
  if (!answer.ok) throw new Error(`the check answered ${answer.status}`);
  const { findings } = await answer.json();
  return findingsOf(findings ?? []);
}

function csrfToken(form) {
  const field = (form ?? document).querySelector("input[name=csrfmiddlewaretoken]");
  return field?.value ?? /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}
