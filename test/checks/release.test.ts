/** Checks of the release as a whole, and what runs them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Check, type Finding, type Remark, runChecks } from "../../src/checks/check.ts";
import { applyIgnores, passes } from "../../src/checks/ignore.ts";
import { CHECKS } from "../../src/checks/index.ts";
import { releaseSize } from "../../src/checks/release-size.ts";
import { reproducible } from "../../src/checks/reproducible.ts";
import { DeployError } from "../../src/errors.ts";
import { readConfig } from "../../src/inputs/config.ts";
import { flagStyle } from "../../src/inputs/raw.ts";
import { renderFindings } from "../../src/report/text.ts";
import { solo5Kernel } from "../support/elf.ts";
import { buildRelease, findingsOf, type ReleaseSpec, subjectOf } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";

const release = (memory = 64, code = Buffer.from("code")): ReleaseSpec => ({
  kernels: { "www.hvt": solo5Kernel({ devices: [{ name: "data", type: "block" }], code }) },
  sites: { data: { "index.html": "x".repeat(20_000) } },
  memory,
});
const brief = (findings: readonly Finding[]) => findings.map(({ severity, path }) => `${severity} ${path}`);

describe("release-size", () => {
  it("holds kernels and images to their budgets", async () => {
    const found = await findingsOf(releaseSize, release(), { limits: { maxKernelSize: 1000, maxImageSize: 1000 } });
    assert.deepEqual(brief(found), ["error kernels/www.hvt", "error volumes/data.img"]);
    assert.deepEqual(
      await findingsOf(releaseSize, release(), { limits: { maxKernelSize: 1e6, maxImageSize: 1e6 } }),
      [],
    );
  });

  it("refuses a kernel that the guest's memory cannot hold", async () => {
    const code = Buffer.alloc(3_000_000, 1);
    assert.deepEqual(brief(await findingsOf(releaseSize, release(3, code))), ["error kernels/www.hvt"]);
    assert.deepEqual(await findingsOf(releaseSize, release(8, code)), []);
  });

  it("refuses a kernel that forges refuse", async () => {
    const found = await findingsOf(releaseSize, release(1024, Buffer.alloc(100_000_001, 1)));
    assert.match(found[0]?.message ?? "", /forges refuse/);
    assert.deepEqual(await findingsOf(releaseSize, release(1024, Buffer.alloc(90_000_000, 1))), []);
  });

  it("compares with the release now deployed", async () => {
    await using dir = await tempDir("deployed");
    const { manifest } = await buildRelease(dir.path, release());
    const grown = release(64, Buffer.alloc(9_000_000, 1));
    const limit = (percent: number) => ({
      deployed: manifest,
      settings: { "release-size": { "max-growth": percent } },
    });
    assert.deepEqual(brief(await findingsOf(releaseSize, grown, { deployed: manifest })), ["warning kernels/www.hvt"]);
    assert.deepEqual(brief(await findingsOf(releaseSize, grown, limit(10))), ["error kernels/www.hvt"]);
    assert.deepEqual(await findingsOf(releaseSize, release(), { deployed: manifest }), []);
    assert.deepEqual(await findingsOf(releaseSize, release(), limit(0)), []);
  });
});

describe("reproducible", () => {
  const enabled = { reproducible: { enabled: true } };
  /** Finds in `first` what differs from `second`, as if a second build had left that. */
  async function compare(first: ReleaseSpec, second: ReleaseSpec | DeployError, settings = enabled) {
    await using dir = await tempDir("second");
    const rebuild = async () => {
      if (second instanceof DeployError) throw second;
      return { ...(await buildRelease(dir.path, second)), [Symbol.dispose]() {} };
    };
    return await findingsOf(reproducible, first, { settings, rebuild });
  }
  const dated = (date: string): ReleaseSpec => ({
    ...release(),
    sites: { data: { "index.html": `<p>Built ${date}</p>`, "a.txt": "a" } },
  });

  it("says which bytes of which file differ", async () => {
    const [finding, ...more] = await compare(dated("20:01"), dated("20:47"));
    assert.equal(finding?.path, "index.html");
    assert.equal(finding?.severity, "warning");
    assert.match(
      finding?.message ?? "",
      /2 bytes differ in 1 place, the first at byte 12: "<p>Built 20:01<\/p>" and then "<p>Built 20:47<\/p>"/,
    );
    assert.deepEqual(more, []);
    assert.deepEqual(await compare(dated("20:01"), dated("20:01")), []);
  });

  it("compares kernels", async () => {
    const [finding] = await compare(release(64, Buffer.from("one")), release(64, Buffer.from("two")));
    assert.equal(finding?.path, "kernels/www.hvt");
    assert.match(finding?.message ?? "", /3 bytes differ in 1 place, the first at byte 4096/);
  });

  it("compares lists of files", async () => {
    const without = { ...release(), sites: { data: { "a.txt": "a" } } };
    assert.match(
      (await compare(dated("x"), without))[0]?.message ?? "",
      /index\.html is not the same in a second build: it is missing/,
    );
    assert.match((await compare(without, dated("x")))[0]?.message ?? "", /index\.html is in the second build only/);
  });

  it("reports a second build that fails, and one that cannot be", async () => {
    const [failed] = await compare(release(), new DeployError("BUILD_FAILED", "the build ended with exit code 2"));
    assert.match(failed?.message ?? "", /the second build failed: the build ended/);
    assert.equal(failed?.broken, undefined);
    assert.deepEqual(
      (await findingsOf(reproducible, release(), { settings: enabled })).map(({ severity }) => severity),
      ["note"],
    );
  });

  it("does nothing unless asked", async () => {
    const never = async () => assert.fail("built again");
    assert.deepEqual(await findingsOf(reproducible, release(), { rebuild: never }), []);
  });
});

describe("the runner", () => {
  const check = (run: Check["run"], more: Partial<Check> = {}): Check => ({
    id: "odd",
    title: "odd",
    severity: "warning",
    run,
    ...more,
  });
  const runIn = async (checks: readonly Check[], options: Parameters<typeof runChecks>[2] = {}) => {
    await using dir = await tempDir("release");
    return await runChecks(checks, subjectOf(await buildRelease(dir.path, release())), options);
  };
  const sound = check(() => [{ message: "found", path: "a" }], { id: "sound" });

  it("survives a check that throws, and keeps what it said before", async () => {
    const odd = check(function* () {
      yield { message: "first" };
      throw new TypeError("no such thing");
    });
    const findings = await runIn([odd, sound]);
    assert.deepEqual(
      findings.map(({ check: id, severity, broken }) => [id, severity, broken]),
      [
        ["odd", "warning", undefined],
        ["odd", "error", true],
        ["sound", "warning", undefined],
      ],
    );
    assert.match(findings[1]?.message ?? "", /no such thing/);
    assert.deepEqual(
      await runIn([
        check(() => {
          throw new Error("at once");
        }),
      ]).then((all) => all.map(({ broken }) => broken)),
      [true],
    );
  });

  it("survives a check that waits for ever", async () => {
    const odd = check(async function* () {
      yield await new Promise<Remark>(() => {});
    });
    const findings = await runIn([odd, sound], { timeout: 50 });
    assert.deepEqual(
      findings.map(({ check: id, broken }) => [id, broken]),
      [
        ["odd", true],
        ["sound", undefined],
      ],
    );
    assert.match(findings[0]?.message ?? "", /no answer within 0\.05 s/);
  });

  it("survives a check that reads for ever and never gives way", async () => {
    const odd = check(function* (subject) {
      using source = subject.open(subject.release.kernels[0]?.file as string);
      for (;;) if (source.read(0, 16).length === 0) yield { message: "never" };
    });
    const findings = await runIn([odd, sound], { timeout: 50 });
    assert.deepEqual(
      findings.map(({ check: id, broken }) => [id, broken]),
      [
        ["odd", true],
        ["sound", undefined],
      ],
    );
  });

  it("survives a check that never stops finding", async () => {
    const odd = check(function* () {
      for (let i = 0; ; i++) yield { message: `finding ${i}` };
    });
    const inTime = await runIn([odd, sound], { timeout: 100 });
    assert.deepEqual(inTime.map(({ broken }) => broken).filter(Boolean), [true]);
    assert.ok(inTime.length <= 1002);
    const counted = await runIn([odd, sound]);
    assert.equal(counted.length, 1002);
    assert.match(counted[1000]?.message ?? "", /more than 999,000 more findings/);
    assert.equal(counted[1001]?.check, "sound");
  });

  it("counts exactly what it does not show", async () => {
    const odd = check(() => Array.from({ length: 1234 }, (_, i): Remark => ({ message: String(i) })));
    assert.equal((await runIn([odd])).at(-1)?.message, "and 234 more findings of this check");
  });

  it("gives a check another severity, and leaves lesser findings as they are", async () => {
    const mixed = check(() => [
      { message: "usual" },
      { message: "grave", severity: "error" },
      { message: "small", severity: "note" },
    ]);
    const graded = async (severity: "error" | "warning" | "note" | "off") =>
      (await runIn([mixed], { severities: new Map([["odd", severity]]) })).map((finding) => finding.severity);
    assert.deepEqual(await graded("error"), ["error", "error", "note"]);
    assert.deepEqual(await graded("note"), ["note", "note", "note"]);
    assert.deepEqual(await graded("off"), []);
  });

  it("passes a sound release", async () => {
    assert.deepEqual(await runIn(CHECKS), []);
  });
});

describe("the list of checks", () => {
  it("has each id once, and settings for each", () => {
    const ids = CHECKS.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const text = `checks:\n${ids.map((id) => `  ${id}: {severity: warning}\n`).join("")}`;
    readConfig({ name: "unikernel.yml", text }, {}, flagStyle);
    const wrong = { name: "unikernel.yml", text: "checks:\n  site-link: {severity: warning}\n" };
    assert.throws(() => readConfig(wrong, {}, flagStyle), { code: "CONFIG_INVALID" });
  });
});

describe("ignoring", () => {
  const IDS = ["site-links", "site-index", "release-size"];
  const finding = (check: string, path?: string): Finding => ({
    check,
    severity: "error",
    message: "x",
    ...(path === undefined ? {} : { path }),
  });

  it("goes by check, or by check and path", () => {
    const findings = [finding("site-links", "a:b.html"), finding("site-links", "c.html"), finding("release-size")];
    assert.deepEqual(applyIgnores(findings, ["site-links"], IDS).findings, [findings[2]]);
    const byPath = applyIgnores(findings, ["site-links:a:b.html", "release-size"], IDS);
    assert.deepEqual(byPath.findings, [findings[1]]);
    assert.deepEqual(byPath.ignored, [findings[0], findings[2]]);
    assert.equal(passes(byPath.findings), false);
    assert.equal(passes(applyIgnores(findings, ["site-links", "release-size"], IDS).findings), true);
  });

  it("notes rules that cover nothing", () => {
    const { findings } = applyIgnores([], ["site-links", "site-links:x.html"], IDS);
    assert.deepEqual(
      findings.map(({ severity, check }) => [severity, check]),
      [
        ["note", "ignore"],
        ["note", "ignore"],
      ],
    );
    assert.equal(passes(findings), true);
  });

  it("says so where a rule names no check, and which was probably meant", () => {
    const { findings } = applyIgnores([], ["site-link", "nothing:a.html", "site-links"], IDS);
    assert.deepEqual(
      findings.map(({ message, hint }) => [message.split(": ")[1], hint]),
      [
        ['there is no check "site-link"', "did you mean site-links?"],
        ['there is no check "nothing"', "the checks are site-links, site-index, release-size"],
        [undefined, "remove it, so that it does not hide the next one"],
      ],
    );
  });
});

describe("reports", () => {
  it("sum up 200 findings of one kind", () => {
    const findings = Array.from(
      { length: 200 },
      (_, i): Finding => ({
        check: "site-links",
        severity: "warning",
        path: `${i}.html`,
        message: `link ${i}`,
        hint: "correct it",
      }),
    );
    const lines = renderFindings(findings).split("\n");
    assert.equal(lines.length, 13);
    assert.match(lines[11] ?? "", /190 more findings/);
  });
});
