// Keys beside the usual ones: Tab indents until Escape lets it leave the editor; Ctrl/Cmd-S saves the draft.

import { acceptCompletion } from "@codemirror/autocomplete";
import { indentWithTab } from "@codemirror/commands";
import { Prec } from "@codemirror/state";
import { keymap } from "@codemirror/view";

// Long enough for people who are slow with keys; any other key ends it.
const LEAVING = 60_000;

export function keys(textarea) {
  return [
    keymap.of([
      { key: "Mod-s", run: () => saveDraft(textarea) },
      { key: "Tab", run: acceptCompletion },
      indentWithTab,
    ]),
    // Last of all: Escape first closes what is open, a list of names or the search.
    Prec.lowest(keymap.of([{ key: "Escape", run: leave }])),
  ];
}

function leave(view) {
  view.setTabFocusMode(LEAVING);
  return true;
}

/** Presses the form's own button, so that whatever else listens to it takes part. */
function saveDraft(textarea) {
  const button = [...(textarea.form?.elements ?? [])].find((element) => element.name === "_save_draft");
  if (!button) return false;
  button.click();
  return true;
}
