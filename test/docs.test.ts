/** What the documentation says is there is there: codes, checks, inputs, links, and every command line it shows. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { CHECKS } from "../src/checks/index.ts";
import { parseCommand } from "../src/cli/command.ts";
import { findVerb } from "../src/cli/verbs.ts";
import { ERROR_CODES } from "../src/errors.ts";
import { readActionInputs } from "../src/github/inputs.ts";
import { readConfig, readHostConfig } from "../src/inputs/config.ts";
import { flagStyle } from "../src/inputs/raw.ts";
import { run } from "./support/process.ts";

const ROOT = path.join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const under = (directory: string, ending: string) =>
  readdirSync(path.join(ROOT, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(directory, name))
    .sort();

const MARKDOWN = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...under("docs", ".md"),
  ...under("examples", ".md"),
];

interface ActionFile {
  readonly inputs: Readonly<Record<string, { readonly description: string }>>;
  readonly outputs: Readonly<Record<string, { readonly description: string }>>;
}
const action = parse(read("action.yml")) as ActionFile;

/** A fenced block of a Markdown file. */
interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

const withoutBlocks = (markdown: string) => markdown.replaceAll(/^```\w*\n[^]*?^```$/gm, "");

describe("error codes and docs/troubleshooting.md", () => {
  const sections = read("docs/troubleshooting.md")
    .split(/^### /m)
    .slice(1)
    .map((text) => ({ code: text.slice(0, text.indexOf("\n")), text: text.slice(text.indexOf("\n")).trim() }));

  test("every code has its section, and every section is a code", () => {
    assert.deepEqual(sections.map(({ code }) => code).sort(), [...ERROR_CODES].sort());
  });

  test("every section says something", () => {
    for (const { code, text } of sections) assert.ok(text.length > 30, `${code} has nothing to say`);
  });

  test("each stands under its exit code", async () => {
    const { DeployError } = await import("../src/errors.ts");
    const parts = read("docs/troubleshooting.md").split(/^## Exit code /m);
    for (const part of parts.slice(1)) {
      const codes = [...part.matchAll(/^### (\w+)$/gm)].map(([, code]) => code as (typeof ERROR_CODES)[number]);
      for (const code of codes) assert.equal(new DeployError(code, "").exitCode, Number.parseInt(part, 10), code);
    }
  });
});

describe("checks and docs/checks/", () => {
  const pages = under("docs/checks", ".md")
    .map((file) => path.basename(file, ".md"))
    .filter((name) => name !== "README");

  test("every check has a page", () => {
    for (const { id } of CHECKS) assert.ok(pages.includes(id), `docs/checks/${id}.md is missing`);
  });

  test("every page is about a check", () => {
    // Checks that act (boot, say) stand outside the list of those that do not, and have a file all the same.
    for (const page of pages) {
      assert.ok(existsSync(path.join(ROOT, `src/checks/${page}.ts`)), `docs/checks/${page}.md is about no check`);
    }
  });

  test("every page is headed by its check's id", () => {
    for (const page of pages) assert.match(read(`docs/checks/${page}.md`), new RegExp(`^# ${page}\n\n\\S`), page);
  });
});

describe("the Action's inputs and outputs", () => {
  test("action.yml declares exactly the inputs that are read", () => {
    const names = new Set<string>();
    readActionInputs((name) => {
      names.add(name);
      return "";
    }, {});
    assert.deepEqual([...names].sort(), Object.keys(action.inputs).sort());
  });

  test("README's tables are what action.yml says", async () => {
    const ran = await run(process.execPath, ["scripts/readme-tables.mjs", "--check"], { cwd: ROOT });
    assert.equal(ran.code, 0, ran.stderr);
    const readme = read("README.md");
    for (const name of [...Object.keys(action.inputs), ...Object.keys(action.outputs)]) {
      assert.ok(readme.includes(`| \`${name}\` |`), `README does not list ${name}`);
    }
  });

  test("every step in an example uses inputs that exist", () => {
    const steps = [
      ...under("examples/workflows", ".yml").map((file) => ({ file, text: read(file) })),
      ...MARKDOWN.flatMap((file) =>
        blocksOf(read(file))
          .filter(({ language }) => language === "yaml")
          .map(({ text }) => ({ file, text })),
      ),
    ].flatMap(({ file, text }) => ourSteps(parse(text)).map((step) => ({ file, step })));
    assert.ok(steps.length >= 3, "the examples use the Action");
    for (const { file, step } of steps) {
      for (const name of Object.keys(step)) assert.ok(name in action.inputs, `${file}: there is no input ${name}`);
    }
  });
});

/** The `with` of every step that uses this Action, anywhere in a parsed workflow. */
function ourSteps(node: unknown): Readonly<Record<string, unknown>>[] {
  if (typeof node !== "object" || node === null) return [];
  const { uses, with: given } = node as { uses?: unknown; with?: Readonly<Record<string, unknown>> };
  const own =
    typeof uses === "string" && /^(?:\.\/?$|unikernel-deploy\/unikernel-deploy@)/.test(uses) ? [given ?? {}] : [];
  return [...own, ...Object.values(node).flatMap(ourSteps)];
}

describe("links", () => {
  for (const file of MARKDOWN) {
    test(`${file}: every relative link leads somewhere`, () => {
      const text = withoutBlocks(read(file)).replaceAll(/`[^`\n]*`/g, "");
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [name = "", anchor] = target.split("#");
        const to = name === "" ? file : path.join(path.dirname(file), decodeURIComponent(name));
        assert.ok(existsSync(path.join(ROOT, to)), `${target} is not there`);
        if (anchor !== undefined) assert.ok(anchorsOf(read(to)).has(anchor), `${target}: no such heading`);
      }
    });
  }
});

/** Anchors as a forge makes them from headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...withoutBlocks(markdown).matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The program at the beginning of a command, by any path, or by its file. */
const PROGRAM = /^(?:\$ |ExecStart=)?(?:\S*\/)?(?:unikernel-deploy|node dist\/cli\.js)\s+(\S.*)$/;

/** Words of a simple command line; comments end it. */
const words = (line: string) =>
  [...line.replace(/\s#\s.*$/, "").matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? "");

/** Command lines in the fenced blocks of a file: whole ones, which must be ready to run. */
function commandLines(markdown: string): string[] {
  return blocksOf(markdown)
    .filter(({ language }) => language !== "yaml" && language !== "json")
    .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, " ").split("\n"))
    .flatMap((line) => line.split(/ && | \| /))
    .flatMap((line) => PROGRAM.exec(line.trim())?.[1] ?? []);
}

/** Commands in running text, which may leave out what does not matter there. */
const mentions = (markdown: string) =>
  [...withoutBlocks(markdown).matchAll(/`([^`]+)`/g)].flatMap(
    ([, code = ""]) => PROGRAM.exec(code.replaceAll(/\s+/g, " "))?.[1] ?? [],
  );

describe("command lines", () => {
  for (const file of MARKDOWN) {
    test(`${file}: every command is one the program takes`, async () => {
      const text = read(file);
      for (const line of commandLines(text)) await checkCommand(words(line), true);
      for (const line of mentions(text)) await checkCommand(words(line), false);
    });
  }

  test("this test sees the commands", () => {
    const all = MARKDOWN.map(read);
    assert.ok(all.flatMap(commandLines).length >= 4);
    assert.ok(all.flatMap(mentions).length >= 3);
  });

  test("a command that does not exist would be found", async () => {
    await assert.rejects(checkCommand(["teleport", "--to", "host"], true), /no verb/);
    await assert.rejects(checkCommand(["check", "--realease", "x"], false), /no option --realease/);
    await assert.rejects(checkCommand(["check"], true), { code: "USAGE" });
  });
});

async function checkCommand(argv: readonly string[], whole: boolean): Promise<void> {
  if (argv[0]?.startsWith("-")) return;
  const found = findVerb(argv);
  assert.ok(found, `there is no verb ${argv.slice(0, 2).join(" ")}`);
  const command = await found.verb.load();
  for (const word of found.rest) {
    const name = /^--([a-z-]+)/.exec(word)?.[1];
    if (name === undefined || ["help", "json", "quiet"].includes(name)) continue;
    assert.ok(name in command.options, `${found.name} has no option --${name}`);
  }
  if (whole && !found.rest.includes("--help")) await parseCommand(command, found.rest);
}

describe("help", () => {
  test("the examples of every verb are commands it takes", async () => {
    const { VERBS } = await import("../src/cli/verbs.ts");
    for (const { load } of Object.values(VERBS)) {
      for (const example of (await load()).examples) {
        const line = PROGRAM.exec(example)?.[1];
        assert.ok(line, example);
        await checkCommand(words(line), true);
      }
    }
  });

  test("README's table of verbs has them all", async () => {
    const { VERBS } = await import("../src/cli/verbs.ts");
    const readme = read("README.md");
    for (const name of Object.keys(VERBS)) {
      const [first = "", second = first] = name.split(" ");
      const row = readme.split("\n").find((line) => line.startsWith(`| \`${first}`));
      assert.ok(row?.includes(second), `README's table of verbs has no ${name}`);
    }
  });
});

describe("examples", () => {
  test("unikernel.yml is a configuration", () => {
    const config = readConfig({ name: "unikernel.yml", text: read("examples/unikernel.yml") }, {}, flagStyle);
    assert.equal(config.name, "www");
  });

  test("host.yml is a host's configuration, and so are those in the documentation", () => {
    assert.equal(readHostConfig({ name: "host.yml", text: read("examples/host.yml") }).target, "hvt");
    const shown = MARKDOWN.flatMap((file) => blocksOf(read(file)))
      .filter(({ language, text }) => language === "yaml" && /^state: /m.test(text))
      .map(({ text }) => readHostConfig({ name: "host.yml", text }));
    assert.ok(shown.length > 0);
  });

  test("the site is small, self-contained and links only to what it has", () => {
    const root = path.join(ROOT, "examples", "site");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
      statSync(path.join(root, name)).isFile(),
    );
    assert.ok(files.includes("index.html") && files.includes("404.html"));
    for (const name of files) {
      const text = readFileSync(path.join(root, name), "utf8");
      assert.doesNotMatch(text, /(?:src|href)="(?:https?:)?\/\//, `${name} needs another server`);
      for (const [, target = ""] of text.matchAll(/(?:src|href)="([^"#]+)(?:#[^"]*)?"/g)) {
        const to = path.join(root, path.dirname(name), target);
        assert.ok(existsSync(target.endsWith("/") ? path.join(to, "index.html") : to), `${name}: ${target} is missing`);
      }
    }
  });
});

describe("workflows", () => {
  test("actions of others are pinned by commit, with their version in a comment", () => {
    const texts = [...under(".github", ".yml"), ...under("examples/workflows", ".yml"), ...MARKDOWN].map((file) => ({
      file,
      text: read(file),
    }));
    for (const { file, text } of texts) {
      for (const [, used = ""] of text.matchAll(/^\s*(?:- )?uses: ([^\n]+)/gm)) {
        if (/^(?:\.\/|unikernel-deploy\/|`)/.test(used)) continue;
        assert.match(used, /^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${file}: ${used}`);
      }
    }
  });
});
