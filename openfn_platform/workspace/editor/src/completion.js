// What can stand at the cursor: members after `alias.`, elsewhere the job's names, its own variables and Python's words.

import { globalCompletion, localCompletionSource } from "@codemirror/lang-python";
import { syntaxTree } from "@codemirror/language";

import { card, find } from "./names.js";

const PATH = /[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}\p{N}_]*)*$/u;
const QUIET = new Set(["String", "FormatString", "Comment"]);
const WORD = /^[\p{L}\p{N}_]*$/u;

export function completion(names) {
  return async (context) => {
    if (isQuiet(context.state, context.pos)) return null;
    const path = context.matchBefore(PATH);
    if (!path && !context.explicit) return null;
    const known = await names.load();
    if (context.aborted) return null;
    const parts = path ? path.text.split(".") : [""];
    const from = context.pos - parts.at(-1).length;
    const follows = path && context.state.sliceDoc(path.from - 1, path.from) === ".";
    if (parts.length === 1 && !follows) return everything(context, known, from);
    const owner = follows ? null : find(known, parts.slice(0, -1));
    return owner ? { from, options: offers(owner.members, 2), validFor: WORD } : null;
  };
}

function everything(context, known, from) {
  const own = offers(known, 1);
  const python = [localCompletionSource(context), globalCompletion(context)];
  const others = python.flatMap((found) => found?.options ?? []).filter((option) => !known.has(option.label));
  return { from, options: [...own, ...others], validFor: WORD };
}

function offers(level, boost) {
  return [...level.values()].map((node) => ({
    label: node.name,
    detail: node.signature?.startsWith("(") ? node.signature : "",
    info: node.signature || node.help ? () => card(node) : undefined,
    boost,
  }));
}

/** In a text or a remark nothing is offered or explained. */
export function isQuiet(state, position) {
  return QUIET.has(syntaxTree(state).resolveInner(position, -1).name);
}
