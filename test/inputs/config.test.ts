/** unikernel.yml, flags and Action inputs: one configuration, and every mistake at the place where it was made. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeployError } from "../../src/errors.ts";
import { readConfig, readHostConfig } from "../../src/inputs/config.ts";
import { actionStyle, flagStyle, type RawInputs } from "../../src/inputs/raw.ts";
import { fc, fuzzRuns } from "../support/fuzz.ts";

const file = (text: string) => ({ name: "unikernel.yml", text });
const read = (text: string, raw: RawInputs = {}) => readConfig(file(text), raw, flagStyle);

/** The problems of a configuration; fails if there are none. */
function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof DeployError && error.code === "CONFIG_INVALID", String(error));
    return error.problems;
  }
  return assert.fail("it was accepted");
}

describe("a configuration", () => {
  it("needs nothing", () => {
    assert.deepEqual(readConfig(undefined, {}, flagStyle), read(""));
    assert.deepEqual(read("# nothing\n").launch, { memory: 64, args: [] });
  });

  it("is read as docs/configuration describes it", () => {
    const config = read(
      [
        "name: www",
        "build: make",
        "kernels: [dist/www.hvt, dist/www.xen]",
        "volumes:",
        "  data: {from: _site, format: tar, device: storage, size: 64MiB}",
        "  tls: {secret: true}",
        'launch: {memory: 128, args: ["--ipv4=10.0.0.2/24"]}',
        "checks: {boot: {port: 8080}, max-kernel-size: 20MB, ignore: [site-links], site-links: {severity: note}}",
        "deploy: {repository: mirage/www-deployment, layout: files, path: www}",
      ].join("\n"),
    );
    assert.deepEqual(config.volumes["data"], {
      from: "_site",
      format: "tar",
      device: "storage",
      size: 64 * 1024 * 1024,
      secret: false,
    });
    assert.equal(config.volumes["tls"]?.secret, true);
    assert.equal(config.checks["max-kernel-size"], 20_000_000);
    assert.partialDeepStrictEqual(config.checks.boot, { tender: "auto", port: 8080, required: false });
    assert.deepEqual(config.deploy, {
      repository: "mirage/www-deployment",
      branch: "main",
      path: "www",
      layout: "files",
      runnable: false,
    });
  });

  it("takes flags over the file, key by key, and lists whole", () => {
    const text =
      "name: a\nkernels: [a, b]\nvolumes:\n  data: {from: one, device: storage}\nlaunch: {memory: 32, args: [x]}\n";
    const config = read(text, { name: "b", kernel: ["c"], data: ["two"], memory: "16" });
    assert.equal(config.name, "b");
    assert.deepEqual(config.kernels, ["c"]);
    assert.equal(config.volumes["data"]?.from, "two");
    assert.equal(config.volumes["data"]?.device, "storage");
    assert.deepEqual(config.launch, { memory: 16, args: ["x"] });
  });

  it("gives --device and --format to the one data volume there is", () => {
    const config = read("volumes:\n  pages: {from: _site}\n  tls: {secret: true}\n", { device: "disk" });
    assert.equal(config.volumes["pages"]?.device, "disk");
    assert.equal(config.volumes["tls"]?.device, undefined);
  });
});

describe("misspelt keys", () => {
  it("are told all at once, each with the key that was probably meant", () => {
    const text = [
      "nme: x",
      "kernel: [a]",
      "volumes: {data: {fromm: x, fromat: tar}}",
      "checks: {site-link: {}, boot: {tendr: auto}}",
      "launch: {memroy: 3}",
      "deploy: {repo: o/r, xyzzy: 1, branch: 7}",
    ].join("\n");
    assert.deepEqual(
      problemsOf(() => read(text)).filter((problem) => problem.includes("unknown")),
      [
        'unikernel.yml:1: nme: unknown key; did you mean "name"?',
        'unikernel.yml:2: kernel: unknown key; did you mean "kernels"?',
        'unikernel.yml:3: volumes.data.fromm: unknown key; did you mean "from"?',
        'unikernel.yml:3: volumes.data.fromat: unknown key; did you mean "format"?',
        'unikernel.yml:4: checks.site-link: unknown key; did you mean "site-links"?',
        'unikernel.yml:4: checks.boot.tendr: unknown key; did you mean "tender"?',
        'unikernel.yml:5: launch.memroy: unknown key; did you mean "memory"?',
        'unikernel.yml:6: deploy.repo: unknown key; did you mean "repository"?',
        "unikernel.yml:6: deploy.xyzzy: unknown key",
      ],
    );
    assert.ok(problemsOf(() => read(text)).some((problem) => /deploy\.branch: expected text/.test(problem)));
    const host = problemsOf(() => readHostConfig({ name: "host.yml", text: "name: www\ntraget: hvt\nsecret: {}\n" }));
    assert.ok(host.includes('host.yml:2: traget: unknown key; did you mean "target"?'), host.join("\n"));
    assert.ok(host.includes('host.yml:3: secret: unknown key; did you mean "secrets"?'));
  });
});

describe("mistakes in a configuration", () => {
  const wrong: readonly (readonly [string, string, string])[] = [
    ["an unknown key", "nme: x", "unikernel.yml:1: nme: unknown key"],
    [
      "an unknown key further down",
      "volumes:\n  data:\n    from: a\n    form: b",
      "unikernel.yml:4: volumes.data.form: unknown key",
    ],
    ["a key twice", "name: a\nname: b", "unikernel.yml:2: Map keys must be unique"],
    ["a tab", "volumes:\n\tdata: x", "unikernel.yml:2: Tabs are not allowed"],
    ["an open bracket", "kernels: [a\nname: b", "unikernel.yml:2: "],
    ["text for a list", "kernels: a", 'unikernel.yml:1: kernels: expected a list, found "a"'],
    ["a number in a list of texts", "kernels:\n  - a\n  - 1", "unikernel.yml:3: kernels[1]: expected text, found 1"],
    ["a list for a map", "volumes: [{from: a}]", "unikernel.yml:1: volumes: expected a map of names, found a list"],
    ["nothing where a list is needed", "kernels:", "unikernel.yml:1: kernels: expected a list, found null"],
    ["an empty text", 'name: ""', "unikernel.yml:1: name: "],
    ["a NUL", 'build: "a\\0b"', "unikernel.yml:1: build: expected text without a NUL"],
    [
      "a size without a number",
      "checks: {max-image-size: big}",
      "unikernel.yml:1: checks.max-image-size: expected a size",
    ],
    ["memory in words", "launch:\n  memory: 64MB", 'unikernel.yml:2: launch.memory: expected a number, found "64MB"'],
    ["half a MiB", "launch:\n  memory: 0.5", "unikernel.yml:2: launch.memory: expected whole MiB"],
    ["a branch that is a flag", "deploy: {branch: --force}", "unikernel.yml:1: deploy.branch: expected a branch name"],
    ["a path that climbs", "deploy: {path: a/../../b}", "unikernel.yml:1: deploy.path: expected a relative directory"],
    [
      "runnable images for a git repository",
      "deploy:\n  repository: mirage/www-deployment\n  runnable: true",
      "unikernel.yml:3: deploy.runnable: runnable images go to a registry",
    ],
    ["a volume without a directory", "volumes:\n  data: {}", "unikernel.yml:2: volumes.data.from: missing"],
    [
      "a secret with a directory",
      "volumes:\n  tls: {secret: true, from: x}",
      'unikernel.yml:2: volumes.tls: a secret volume has no "from"',
    ],
    [
      "a volume called __proto__",
      "volumes:\n  __proto__: {from: a}",
      "unikernel.yml:2: volumes.__proto__: this name cannot be used",
    ],
    [
      "a volume called constructor",
      "volumes:\n  constructor: {from: a}",
      "unikernel.yml:2: volumes.constructor: this name cannot be used",
    ],
    ["a value that contains itself", "name: &a [*a]", "unikernel.yml: values are nested more than 16 deep"],
  ];
  for (const [name, text, problem] of wrong) {
    it(name, () => {
      const problems = problemsOf(() => read(text));
      assert.ok(
        problems.some((found) => found.startsWith(problem)),
        problems.join("\n"),
      );
    });
  }

  it("are all told at once, each at its place", () => {
    const problems = problemsOf(() =>
      read("kernels: x\nvolumes:\n  a b: {}\nlaunch:\n  args: 1\n", { layout: "both", branch: "-" }),
    );
    assert.deepEqual(problems.map((problem) => problem.slice(0, problem.indexOf(" ", 15))).toSorted(), [
      "--branch: expected",
      "--layout: expected",
      "unikernel.yml:1:",
      "unikernel.yml:3:",
      "unikernel.yml:5:",
    ]);
  });

  it("are named as the user wrote them: a flag, or an input of the Action", () => {
    const raw = { repository: "", maxKernelSize: "x" };
    assert.deepEqual(
      problemsOf(() => readConfig(undefined, raw, actionStyle)).map((problem) => problem.split(": ")[0]),
      ['input "max-kernel-size"', 'input "deployment-repository"'],
    );
    assert.ok(problemsOf(() => readConfig(undefined, { build: "" }, flagStyle))[0]?.startsWith("--command: "));
  });

  const flags: readonly (readonly [string, RawInputs, string])[] = [
    ["two volumes of one name", { data: ["a", "b"] }, '--data: two volumes are called "data"'],
    ["--device with two volumes", { data: ["x=a", "y=b"], device: "d" }, "--device: there are 2 data volumes (x, y)"],
    ["--format with none", { format: "tar" }, "--format: there is no data volume"],
    ["a volume called __proto__", { data: ["__proto__=a"] }, "--data"],
    ["a volume without a name", { data: ["=a"] }, "--data"],
    ["memory in words", { memory: "lots" }, '--memory: expected a number, found "lots"'],
  ];
  for (const [name, raw, problem] of flags) {
    it(`flags: ${name}`, () => {
      const problems = problemsOf(() => readConfig(undefined, raw, flagStyle));
      assert.ok(problems[0]?.startsWith(problem), problems.join("\n"));
    });
  }

  it("with bytes changed are a configuration or are told as mistakes", () => {
    const good = Buffer.from(
      "name: www\nbuild: make\nkernels: [dist/www.hvt]\nvolumes:\n  data: {from: _site, format: tar, device: storage}\n" +
        "  tls: {secret: true, format: fat}\nlaunch: {memory: 64, args: [a]}\nchecks: {max-kernel-size: 20MB, ignore: [site-links]}\n" +
        "deploy: {repository: mirage/www-deployment, layout: image}\n",
    );
    const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), fc.nat(good.length), (changes, cut) => {
        const bytes = Buffer.from(cut % 4 === 0 ? good.subarray(0, cut) : good);
        for (const [at, to] of changes) if (at < bytes.length) bytes[at] = to;
        try {
          read(bytes.toString("utf8"));
        } catch (error) {
          assert.ok(error instanceof DeployError && error.code === "CONFIG_INVALID", String(error));
          assert.ok(error.problems.length > 0);
        }
      }),
      { numRuns: fuzzRuns(1500) },
    );
  });

  it("of any text are told as mistakes", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "name: www",
        "kernels: [a]",
        "volumes:",
        "  data: {from: a}",
        "  - x",
        "launch: {memory: 1}",
        "? x",
        "&a [*a]",
      ),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          read(lines.join("\n"));
        } catch (error) {
          assert.ok(error instanceof DeployError && error.code === "CONFIG_INVALID", String(error));
          for (const problem of error.problems) assert.ok(problem.startsWith("unikernel.yml"), problem);
        }
      }),
      { numRuns: fuzzRuns(500) },
    );
  });
});

describe("host.yml", () => {
  const host = (text: string) => readHostConfig({ name: "host.yml", text });
  const NEEDED = "name: www\nrepository: r\ntarget: hvt\nstate: s\n";

  it("needs four keys, and fills in the rest", () => {
    const config = host(NEEDED);
    assert.equal(config.branch, "main");
    assert.equal(config.keep, 3);
    assert.equal(config.poll, 60_000);
    assert.equal(problemsOf(() => host("")).length, 4);
  });

  const wrong: readonly (readonly [string, string, string])[] = [
    ["a page that cannot be asked", 'health: {url: "http://["}', "host.yml:5: health.url: expected a URL with a host"],
    ["a command for another tender", "launch: {command: [a]}", "host.yml:5: launch.command: nothing runs it"],
    [
      "a tender without its command",
      "launch: {tender: command}",
      "host.yml:5: launch.command: missing, with tender: command",
    ],
    ["an unknown key", "stat: s", "host.yml:5: stat: unknown key"],
    ["a branch with a colon", "branch: a:b", "host.yml:5: branch: expected a branch name"],
    ["a path that climbs", "path: ../x", "host.yml:5: path: expected a relative directory"],
    ["a duration without a unit", 'poll: "60"', "host.yml:5: poll: expected a duration"],
    ["no room for a rollback", "keep: 1", "host.yml:5: keep: expected 2 or more"],
    ["a secret without a source", "secrets:\n  tls: {format: fat}", "host.yml:6: secrets.tls.from: missing"],
    ["a NUL in an argument", 'launch: {args: ["a\\0"]}', "host.yml:5: launch.args[0]: expected text without a NUL"],
  ];
  for (const [name, text, problem] of wrong) {
    it(`refuses ${name}`, () => {
      const problems = problemsOf(() => host(NEEDED + text));
      assert.ok(problems[0]?.startsWith(problem), problems.join("\n"));
    });
  }
});
