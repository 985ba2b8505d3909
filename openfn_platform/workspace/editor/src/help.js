// Help for the name under the pointer.

import { hoverTooltip } from "@codemirror/view";

import { isQuiet } from "./completion.js";
import { card, find } from "./names.js";

const PATHS = /[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*/gu;

export function help(names) {
  return hoverTooltip(async (view, position) => {
    const line = view.state.doc.lineAt(position);
    const word = wordAt(line.text, position - line.from);
    if (!word || isQuiet(view.state, line.from + word.to)) return null;
    const node = find(await names.load(), word.path);
    if (!node || !(node.signature || node.help)) return null;
    return { pos: line.from + word.from, end: line.from + word.to, above: true, create: () => ({ dom: card(node) }) };
  });
}

/** The name at an offset of a line with everything before its last point: `openmrs` or `openmrs.create`. */
export function wordAt(text, offset) {
  for (const match of text.matchAll(PATHS)) {
    const end = match.index + match[0].length;
    if (offset < match.index || offset > end) continue;
    if (text[match.index - 1] === ".") return null; // something's member, and nobody knows of what
    const rest = match[0].slice(offset - match.index).indexOf(".");
    const to = rest < 0 ? end : offset + rest;
    const path = text.slice(match.index, to).split(".");
    return { from: to - path.at(-1).length, to, path };
  }
  return null;
}
