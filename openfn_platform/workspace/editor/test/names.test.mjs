import assert from "node:assert/strict";
import test from "node:test";

import { Text } from "@codemirror/state";

import { findingsOf, place } from "../src/findings.js";
import { wordAt } from "../src/help.js";
import { find, tree } from "../src/names.js";

const NAMES = tree([
  { name: "openmrs", help: "The register", members: [{ name: "create", signature: "(kind, body)" }, { name: "fhir.get" }] },
  { name: "skip", signature: "(reason)" },
]);

test("members are found behind their alias, grouped ones behind their group", () => {
  assert.equal(find(NAMES, ["openmrs", "create"]).signature, "(kind, body)");
  assert.equal(find(NAMES, ["openmrs", "fhir", "get"]).name, "get");
  assert.equal(find(NAMES, ["openmrs", "nothing"]), null);
  assert.equal(find(NAMES, ["openmrs"]).help, "The register");
});

test("the word under the pointer comes with what stands before its point, not behind", () => {
  assert.deepEqual(wordAt("x = openmrs.create(1)", 6), { from: 4, to: 11, path: ["openmrs"] });
  assert.deepEqual(wordAt("x = openmrs.create(1)", 14), { from: 12, to: 18, path: ["openmrs", "create"] });
  assert.equal(wordAt("rows[0].openmrs", 10), null);
  assert.equal(wordAt("a  + b", 2), null);
});

test("a finding underlines the name that begins there", () => {
  const doc = Text.of(["x = 1", '    "😀" + openmrs.nope(1)', ""]);
  assert.deepEqual(place(doc, { line: 2, column: 11 }), { from: 17, to: 29 });
  assert.deepEqual(place(doc, { line: 2, column: 1 }), { from: 10, to: 11 });
});

test("a finding outside the text is shown inside it", () => {
  const doc = Text.of(["x = 1", ""]);
  assert.deepEqual(place(doc, { line: 99, column: 99 }), { from: 6, to: 6 });
  assert.deepEqual(place(doc, { line: 1, column: 99 }), { from: 4, to: 5 });
});

test("what is no finding is left out", () => {
  assert.deepEqual(findingsOf("not json"), []);
  assert.deepEqual(findingsOf('{"a": 1}'), []);
  assert.deepEqual(findingsOf([{ message: 5 }, null, { message: "m", line: -1, severity: "bad" }]), [
    { line: 1, column: 1, severity: "error", message: "m", hint: "" },
  ]);
});
