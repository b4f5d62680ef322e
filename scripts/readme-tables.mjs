/**
 * Writes the tables between markers: inputs and outputs from action.yml and of the reusable workflow, image formats from the program, checks from
 * the first sentence of their pages.
 * `--check` writes nothing and exits 1 where a table is stale.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";
import { FORMAT_NAMES, formatNamed } from "../src/image/formats.ts";

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

const { workflow_call: called } = parse(readFileSync(".github/workflows/unikernel.yml", "utf8")).on;
const workflow = [
  table(
    ["input", "default", "what it is"],
    Object.entries(called.inputs).map(([name, input]) => [
      `\`${name}\``,
      defaultText(input.default),
      input.description,
    ]),
  ),
  table(
    ["output", "what it is"],
    Object.entries(called.outputs).map(([name, { description }]) => [`\`${name}\``, description]),
  ),
].join("\n\n");

const formats = table(
  ["format", "what it is"],
  FORMAT_NAMES.map((name) => [`\`${name}\``, formatNamed(name).summary]),
);

/** The first sentence of each page in docs/checks/ says what holds when the check passes. */
const checks = (linkTo) =>
  table(
    ["check", "what it makes sure of"],
    readdirSync("docs/checks")
      .filter((name) => name.endsWith(".md") && name !== "README.md")
      .sort()
      .map((name) => {
        const page = readFileSync(`docs/checks/${name}`, "utf8");
        const sentence = /^# .+\n+([^#]+?[.!?])(?:\s|$)/.exec(page)?.[1];
        if (!sentence) throw new Error(`docs/checks/${name}: expected "# id" and then a sentence`);
        return [`[\`${name.slice(0, -3)}\`](${linkTo}${name})`, sentence];
      }),
  );

const stale = [];
update("README.md", { ...tables, checks: checks("docs/checks/"), formats });
update("docs/checks/README.md", { checks: checks("") });
update("docs/workflows.md", { workflow });
if (stale.length > 0 && process.argv.includes("--check")) {
  console.error(`${stale.join(", ")}: tables are not what their sources say now; run: npm run docs`);
  process.exitCode = 1;
} else if (stale.length > 0) console.log(`wrote the tables of ${stale.join(", ")}`);

function update(file, texts) {
  const before = readFileSync(file, "utf8");
  let after = before;
  for (const [name, text] of Object.entries(texts)) {
    const marked = new RegExp(`(<!-- ${name}: .*? -->\n)[^]*?(<!-- end of ${name} -->)`);
    if (!marked.test(after)) throw new Error(`${file} has no markers for the table of ${name}`);
    after = after.replace(marked, (_, begin, end) => `${begin}\n${text}\n\n${end}`);
  }
  if (after === before) return;
  stale.push(file);
  if (!process.argv.includes("--check")) writeFileSync(file, after);
}
