// Makes static-built/bundle/editor/editor.js, one script without further downloads, and the licences of its parts.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "..", "..", "static-built", "bundle", "editor");

await mkdir(target, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.js"],
  outfile: join(target, "editor.js"),
  bundle: true,
  minify: true,
  metafile: true,
  // A classic script: `defer` keeps the order, and only such a script can tell its own nonce.
  format: "iife",
  target: ["es2020"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
}).catch(() => process.exit(1)); // esbuild has said why

const parts = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const part = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (part) parts.add(part[1]);
}
const licences = await Promise.all([...parts].sort().map(licence));
await writeFile(join(target, "licences.txt"), licences.join("\n\n"));

const script = await readFile(join(target, "editor.js"));
console.log(`editor.js: ${kilobytes(script.length)}, ${kilobytes(gzipSync(script).length)} compressed`);

async function licence(part) {
  const folder = join(here, "node_modules", part);
  const name = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const text = name ? await readFile(join(folder, name), "utf8") : `Licence: ${license}`;
  return `${part} ${version}\n\n${text.trim()}\n`;
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`;
}
