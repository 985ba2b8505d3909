// Where a JSON text breaks and why, as a finding. Browsers say it in their own words, some without the place.

export function jsonProblem(text) {
  if (text.trim() === "") return null; // whether it may be empty, the server knows
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return finding(text, broken(text) ?? { at: 0, message: error.message });
  }
}

function finding(text, { at, message }) {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: [...before.at(-1)].length + 1, severity: "error", message, hint: "" };
}

function broken(text) {
  try {
    new Reader(text).document();
    return null;
  } catch (error) {
    return error instanceof Broken ? error : null;
  }
}

class Broken extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\p{L}\p{N}_.+-])/uy;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WORDS = new Set(["true", "false", "null"]);
const MEANT = { True: "true", False: "false", None: "null", undefined: "null", NaN: "null", Infinity: "null" };

/** Reads along the rules and stops at the first thing that breaks one. */
class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  document() {
    this.value();
    this.space();
    if (this.at < this.text.length) this.stop("The JSON ends before this; take it out, or put everything in [ ]");
  }

  value() {
    this.space();
    const next = this.text[this.at];
    if (next === undefined) this.stop("The text ends here, but a value is missing");
    if (next === "{") return this.list("}", () => this.member());
    if (next === "[") return this.list("]", () => this.value());
    if (next === '"') return this.string();
    if (/[-\d]/.test(next)) return this.skip(NUMBER) || this.stop("This is not a number as JSON writes it");
    return this.word(next);
  }

  word(next) {
    const begin = this.at;
    const word = this.skip(WORD);
    if (WORDS.has(word)) return;
    if (Object.hasOwn(MEANT, word)) this.stop(`JSON does not know ${word}; write ${MEANT[word]}`, begin);
    if (word) this.stop(`Text needs double quotes: "${word}"`, begin);
    if (next === "'") this.stop("JSON wants double quotes, not single ones");
    if (next === "/" || next === "#") this.stop("JSON has no remarks; take this one out");
    this.stop(next === "," ? "A value is missing before this comma" : `A value is missing before this ${next}`);
  }

  member() {
    if (this.text[this.at] !== '"') {
      const begin = this.at;
      const name = this.skip(WORD);
      this.stop(name ? `A name needs double quotes: "${name}"` : "A name in double quotes is missing here", begin);
    }
    this.string();
    this.space();
    if (this.text[this.at] !== ":") this.stop("A colon is missing here, between the name and its value");
    this.at += 1;
    this.value();
  }

  /** Both kinds of brackets: items with commas between them. */
  list(close, item) {
    const opened = this.at;
    this.at += 1;
    this.space();
    for (let comma = -1; this.text[this.at] !== close || comma >= 0; ) {
      if (comma >= 0 && this.text[this.at] === close) this.stop("Nothing follows this comma; take it out", comma);
      if (this.at >= this.text.length) this.unclosed(opened, close);
      item();
      this.space();
      comma = this.text[this.at] === "," ? this.at : -1;
      if (comma >= 0) this.at += 1;
      else if (this.text[this.at] !== close) this.between(opened, close);
      this.space();
    }
    this.at += 1;
  }

  between(opened, close) {
    const next = this.text[this.at];
    if (next === undefined) this.unclosed(opened, close);
    if (next === "}" || next === "]") this.stop(`A ${close} is missing before this ${next}`);
    this.stop("A comma is missing before this");
  }

  unclosed(opened, close) {
    this.stop(`This ${this.text[opened]} is never closed; a ${close} is missing`, opened);
  }

  string() {
    const begin = this.at;
    this.at += 1;
    while (this.text[this.at] !== '"') {
      const next = this.text[this.at];
      if (next === undefined || next === "\n") this.stop("This text has no closing quote on its line", begin);
      if (next < " ") this.stop("A tab or control character inside a text is written \\t or \\u00…");
      if (next === "\\") this.skip(ESCAPE) || this.stop("After a backslash only \" \\ / b f n r t or u and four digits");
      else this.at += 1;
    }
    this.at += 1;
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  skip(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  stop(message, at = this.at) {
    throw new Broken(at, message);
  }
}
