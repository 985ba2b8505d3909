// Light and dark follow the page's class, at once; the colours themselves stand in editor.css.

import { syntaxHighlighting } from "@codemirror/language";
import { Compartment } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

const darkness = new Compartment();
const wrapping = new Compartment();
const narrow = window.matchMedia("(max-width: 40rem)");
const views = new Set();

/** Long lines are wrapped where there is no room to scroll them. */
export function appearance() {
  return [syntaxHighlighting(classHighlighter), darkness.of(dark()), wrapping.of(wrap())];
}

/** Keeps an editor as the page is, for as long as it stands in the page. */
export function follow(view) {
  views.add(view);
}

function dark() {
  return EditorView.darkTheme.of(document.documentElement.classList.contains("dark"));
}

function wrap() {
  return narrow.matches ? EditorView.lineWrapping : [];
}

function refresh() {
  for (const view of views) {
    if (view.dom.isConnected) {
      view.dispatch({ effects: [darkness.reconfigure(dark()), wrapping.reconfigure(wrap())] });
    } else {
      views.delete(view);
    }
  }
}

new MutationObserver(refresh).observe(document.documentElement, { attributeFilter: ["class"] });
narrow.addEventListener("change", refresh);
