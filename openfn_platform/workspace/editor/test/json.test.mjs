import assert from "node:assert/strict";
import test from "node:test";

import { jsonProblem } from "../src/json.js";

const BROKEN = [
  ['{"a": 1,\n}', 1, 8, /comma/],
  ['{"a": 1\n "b": 2}', 2, 2, /comma is missing/],
  ["{'a': 1}", 1, 2, /double quotes/],
  ["{a: 1}", 1, 2, /"a"/],
  ['{"a" 1}', 1, 6, /colon/],
  ['{"a": True}', 1, 7, /true/],
  ['["é😀", x]', 1, 8, /"x"/],
  ['{"a": [1, 2}', 1, 12, /\] is missing/],
  ['{"a": {\n', 1, 7, /never closed/],
  ['["a\n"]', 1, 2, /closing quote/],
  ["[01]", 1, 2, /number/],
  ["[1,,2]", 1, 4, /before this comma/],
  ["{} {}", 1, 4, /ends before/],
  ['["\\x"]', 1, 3, /backslash/],
  ["[1] // no", 1, 5, /ends before/],
  ["[ // no\n1]", 1, 3, /remarks/],
];

for (const [text, line, column, words] of BROKEN) {
  test(`${JSON.stringify(text)} is explained where it breaks`, () => {
    const problem = jsonProblem(text);
    assert.match(problem.message, words);
    assert.deepEqual([problem.line, problem.column], [line, column]);
  });
}

test("what the browser reads is never a problem", () => {
  for (const text of ['{"a": [1, -0.5e+3, "\\u00e9\\n", true, null, {}], "b": []}', "  ", "3", '"x"', "[[[]]]"]) {
    assert.equal(jsonProblem(text), null);
  }
});

test("every prefix of a document is explained, not only said to be wrong by the browser", () => {
  const whole = '{"a": [1, -2.5, "x\\n"], "b": {"c": null}, "d": true}';
  for (let length = 1; length < whole.length; length += 1) {
    assert.doesNotMatch(jsonProblem(whole.slice(0, length)).message, /JSON at position|Unexpected/);
  }
});

test("nesting too deep to follow is still refused", () => {
  assert.equal(jsonProblem("[".repeat(200_000)).severity, "error");
});
