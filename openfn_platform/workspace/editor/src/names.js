// The names that a job has in scope, as the server tells them: asked once, when somebody begins to write.

import { EditorView } from "@codemirror/view";

export class Names {
  constructor(url) {
    this.url = url;
    this.asked = null;
  }

  /** The tree of names; empty when the server does not answer, asked again the next time. */
  load() {
    if (!this.url) return Promise.resolve(new Map());
    this.asked ??= fetchNames(this.url).catch(() => {
      this.asked = null;
      return new Map();
    });
    return this.asked;
  }

  loadOnFocus() {
    return EditorView.domEventHandlers({ focus: () => void this.load() });
  }
}

async function fetchNames(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the names answered ${answer.status}`);
  return tree((await answer.json()).names ?? []);
}

/** Name -> {name, signature, help, example, members}; a member called `fhir.get` stands in a group `fhir`. */
export function tree(items) {
  const root = new Map();
  for (const item of items) grow(root, item);
  return root;
}

function grow(root, item) {
  let level = root;
  let node;
  for (const part of String(item.name).split(".")) {
    node = level.get(part) ?? { name: part, members: new Map() };
    level.set(part, node);
    level = node.members;
  }
  Object.assign(node, { signature: item.signature, help: item.help, example: item.example });
  for (const member of item.members ?? []) grow(node.members, member);
}

export function find(root, path) {
  let level = root;
  let node = null;
  for (const part of path) {
    node = level.get(part);
    if (!node) return null;
    level = node.members;
  }
  return node;
}

/** Signature, help and example as elements; text only. */
export function card(node) {
  const box = document.createElement("div");
  box.className = "code-editor-card";
  const { signature = "" } = node;
  box.append(element("code", signature && !signature.startsWith("(") ? signature : node.name + signature));
  if (node.help) box.append(element("p", node.help));
  if (node.example) box.append(element("pre", node.example));
  return box;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
