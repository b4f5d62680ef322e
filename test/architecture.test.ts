/** The house rules that a reader relies on: imports point one way, pure rooms are pure, only the doors talk and exit. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

const SRC = path.join(import.meta.dirname, "..", "src");

/** Room → rooms it may import; itself always. The order is that of the data flow. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  util: ["errors"],
  registry: ["errors", "util"],
  image: ["errors", "util"],
  kernel: ["errors", "util"],
  tender: ["errors", "util", "kernel"],
  build: ["errors", "util"],
  artifact: ["errors", "util", "image", "kernel", "build"],
  manifest: ["errors", "util", "kernel", "build", "artifact"],
  release: ["errors", "util", "image", "kernel", "artifact", "manifest"],
  checks: ["errors", "util", "image", "kernel", "artifact", "manifest", "release", "tender"],
  destination: ["errors", "util", "registry", "build", "image", "artifact", "manifest", "release"],
  report: ["errors", "util", "checks", "manifest", "destination"],
  inputs: ["errors", "util", "image", "manifest"],
  plan: ["errors", "inputs"],
  host: ["errors", "util", "registry", "image", "kernel", "tender", "manifest", "destination", "inputs"],
  run: [
    "errors",
    "util",
    "registry",
    "plan",
    "inputs",
    "build",
    "image",
    "artifact",
    "release",
    "checks",
    "manifest",
    "destination",
    "report",
  ],
  ports: ["errors", "util", "destination"],
  github: [
    "errors",
    "util",
    "registry",
    "plan",
    "run",
    "ports",
    "inputs",
    "destination",
    "release",
    "checks",
    "manifest",
    "report",
    "cli",
  ],
  cli: [
    "errors",
    "util",
    "registry",
    "plan",
    "run",
    "ports",
    "inputs",
    "image",
    "kernel",
    "artifact",
    "release",
    "manifest",
    "checks",
    "destination",
    "report",
    "host",
    "tender",
  ],
  action: ["errors", "util", "github", "report"],
  post: ["util"],
};

/** Rooms and files that decide and never do. */
const PURE = [
  /^image\//,
  /^kernel\//,
  /^manifest\//,
  /^checks\/(?!boot\/)/,
  /^inputs\//,
  /^report\//,
  /^(?:plan|errors)\.ts$/,
  /^registry\/(?:address|challenge|refusal)\.ts$/,
  /^host\/(?:state|trust)\.ts$/,
  /^destination\/(?:destination|launch\/[a-z0-9]+|provenance|readme|runnable\/(?:oci|tags)|git-errors|host-keys)\.ts$/,
  /^util\/(?:bytes|digest|hash-set|literals|log|mark-finder|nearest|pem|printable|same-lines|schema|size|ssh-key)\.ts$/,
];
const PURE_MODULES = new Set(["node:crypto", "node:zlib", "valibot", "yaml"]);
/** Clocks, randomness and the outside world; doc comments may name them. */
const IMPURE = /\b(?:process\.|(?<![.\w])console\.|Date\.now|Math\.random|performance\.now|new Date\(\)|fetch\()/;
/** Check timing guards a runner against a check that never ends; it decides nothing else. */
const MAY_TIME = new Set(["checks/check.ts"]);

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .sort();
const roomOf = (file: string) => (file.includes("/") ? (file.split("/")[0] as string) : path.basename(file, ".ts"));
const sourceOf = (file: string) => readFileSync(path.join(SRC, file), "utf8");
const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");

function importsOf(file: string): Import[] {
  const text = withoutComments(sourceOf(file));
  const fixed = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"/gm)];
  const bare = [...text.matchAll(/^import\s+"([^"]+)"/gm)];
  const lazy = [...text.matchAll(/\bimport\("([^"]+)"\)/g)];
  return [
    ...fixed.map(([, type, specifier]) => ({ specifier: specifier as string, typeOnly: type !== undefined })),
    ...[...bare, ...lazy].map(([, specifier]) => ({ specifier: specifier as string, typeOnly: false })),
  ];
}

const targetOf = (file: string, specifier: string) => path.join(path.dirname(file), specifier);
const isPure = (file: string) => PURE.some((pattern) => pattern.test(file));

describe("imports", () => {
  for (const file of files) {
    test(`${file} imports along the data flow`, () => {
      const room = roomOf(file);
      const allowed = MAY_IMPORT[room];
      assert.ok(allowed, `${room} has no row in the import table`);
      for (const { specifier } of importsOf(file)) {
        if (!specifier.startsWith(".")) continue;
        const target = roomOf(targetOf(file, specifier));
        assert.ok(target === room || allowed.includes(target), `${room} may not import ${target} (${specifier})`);
      }
    });
  }
});

describe("purity", () => {
  for (const file of files.filter(isPure)) {
    test(`${file} is pure`, () => {
      for (const { specifier, typeOnly } of importsOf(file)) {
        if (typeOnly) continue;
        if (specifier.startsWith(".")) {
          const target = targetOf(file, specifier);
          assert.ok(
            isPure(target) || /^util\/html\.ts$|^util\/secrets\.ts$/.test(target),
            `imports ${target}, which is not pure`,
          );
        } else assert.ok(PURE_MODULES.has(specifier), `imports ${specifier}`);
      }
      if (!MAY_TIME.has(file)) assert.doesNotMatch(withoutComments(sourceOf(file)), IMPURE);
    });
  }
});

describe("doors", () => {
  test("only the Action's door and its adapters import @actions", () => {
    for (const file of files) {
      const uses = importsOf(file).some(({ specifier }) => specifier.startsWith("@actions/"));
      if (uses) assert.match(file, /^action\.ts$|^github\//);
    }
  });
  test("only the doors exit or print", () => {
    for (const file of files) {
      if (file === "action.ts" || file === "cli.ts") continue;
      assert.doesNotMatch(
        withoutComments(sourceOf(file)),
        /process\.exit\b(?!Code)|(?<![.\w])console\.(?:log|error|warn|info|debug)\(/,
        file,
      );
    }
  });
  test("what is heavy is loaded only when used", () => {
    for (const file of files) {
      const heavy = importsOf(file).filter(
        ({ specifier, typeOnly }) => !typeOnly && /^@actions\/(?:github|cache)$|^tar$|^tinyglobby$/.test(specifier),
      );
      if (heavy.length > 0)
        assert.match(file, /^github\/(?:octokit|actions-cache)\.ts$|^util\/(?:tar-parser|glob)\.ts$/);
    }
  });
  test("the host's program needs nothing that builds or reports", () => {
    const reached = new Set<string>();
    const visit = (file: string) => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const { specifier, typeOnly } of importsOf(file)) {
        if (!typeOnly && specifier.startsWith(".")) visit(targetOf(file, specifier));
      }
    };
    visit("host/sync.ts");
    visit("host/up.ts");
    const rooms = new Set([...reached].map(roomOf));
    for (const room of ["build", "artifact", "checks", "report", "release"]) {
      assert.ok(!rooms.has(room), `host/sync.ts reaches ${room}/`);
    }
  });
});

describe("size", () => {
  for (const file of files) {
    test(`${file} is one thing`, () => {
      const lines = sourceOf(file).split("\n").length;
      assert.ok(lines <= 330, `${lines} lines; a room of more than 300 is two rooms`);
    });
  }
});
