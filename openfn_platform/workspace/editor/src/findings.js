// Findings are told as {line, column, severity, message, hint}; the editor wants them as places in its text.

const SEVERITIES = new Set(["error", "warning", "info", "hint"]);

/** The findings in an attribute's or an answer's text, leaving out what is none. */
export function findingsOf(value) {
  let list = value;
  if (typeof value === "string" || value === undefined) {
    try {
      list = JSON.parse(value || "[]");
    } catch {
      list = [];
    }
  }
  if (!Array.isArray(list)) return [];
  return list.filter((finding) => typeof finding?.message === "string").map(clean);
}

function clean(finding) {
  return {
    line: whole(finding.line),
    column: whole(finding.column),
    severity: SEVERITIES.has(finding.severity) ? finding.severity : "error",
    message: finding.message,
    hint: typeof finding.hint === "string" ? finding.hint : "",
  };
}

function whole(number) {
  return Number.isInteger(number) && number > 0 ? number : 1;
}

/** What to underline: the name at that place, or one character; places outside the text move inside. */
export function place(doc, { line, column }) {
  const { from, to, text } = doc.line(Math.min(line, doc.lines));
  // Python counts characters, the editor counts halves of those beyond the first 65,536.
  let start = [...text].slice(0, column - 1).join("").length;
  if (column === 1) start = text.length - text.trimStart().length;
  if (start >= text.length) start = Math.max(0, text.length - 1);
  const name = /^[\p{L}\p{N}_]+(?:\.[\p{L}\p{N}_]+)*/u.exec(text.slice(start));
  const length = name ? name[0].length : 1;
  return { from: from + start, to: Math.min(to, from + start + length) };
}

/** The same as the editor's own kind of value. */
export function diagnostic(doc, finding) {
  return {
    ...place(doc, finding),
    severity: finding.severity,
    message: finding.message,
    renderMessage: () => sentence(finding),
  };
}

/** Message and hint as elements; text only, for both may quote the code. */
export function sentence(finding) {
  const box = document.createElement("span");
  box.append(finding.message);
  if (finding.hint) {
    const hint = document.createElement("span");
    hint.className = "code-editor-advice";
    hint.append(finding.hint);
    box.append(" ", hint);
  }
  return box;
}
