/**
 * Writes the tables of inputs and outputs in README.md, between their markers, from action.yml. `--check` writes nothing
 * and exits 1 where they are stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

const FILE = "README.md";

const cell = (text) => text.replaceAll("|", "\\|").replace(/\s+/g, " ").trim();
const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n");

/** `${{ github.token }}` is an expression for the runner; a reader needs only its name. */
const defaultText = (value) => {
  if (value === undefined || value === "") return "";
  return `\`${String(value).replace(/^\$\{\{\s*(.*?)\s*\}\}$/, "$1")}\``;
};

const { inputs, outputs } = parse(readFileSync("action.yml", "utf8"));
const tables = {
  inputs: table(
    ["input", "default", "what it is"],
    Object.entries(inputs).map(([name, input]) => [`\`${name}\``, defaultText(input.default), input.description]),
  ),
  outputs: table(
    ["output", "what it is"],
    Object.entries(outputs).map(([name, { description }]) => [`\`${name}\``, description]),
  ),
};

const before = readFileSync(FILE, "utf8");
let after = before;
for (const [name, text] of Object.entries(tables)) {
  const marked = new RegExp(`(<!-- ${name}: .*? -->\n)[^]*?(\n<!-- end of ${name} -->)`);
  if (!marked.test(after)) throw new Error(`${FILE} has no markers for the table of ${name}`);
  after = after.replace(marked, (_, begin, end) => `${begin}\n${text}\n${end}`);
}

if (before !== after && process.argv.includes("--check")) {
  console.error(`${FILE}: the tables are not what action.yml says now; run: npm run docs`);
  process.exitCode = 1;
} else if (before !== after) {
  writeFileSync(FILE, after);
  console.log(`wrote the tables of ${FILE}`);
}
