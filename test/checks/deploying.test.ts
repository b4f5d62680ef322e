/** What checks leave out where a release that was checked before is about to be deployed, and what they do not. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { VolumeArtifact } from "../../src/artifact/artifact.ts";
import { type Check, type Remark, runChecks, type Severity } from "../../src/checks/check.ts";
import { CHECKS } from "../../src/checks/index.ts";
import { secretMaterial } from "../../src/checks/secret-material.ts";
import { volumeReadback } from "../../src/checks/volume-readback.ts";
import type { Destination } from "../../src/destination/destination.ts";
import { readConfig } from "../../src/inputs/config.ts";
import { flagStyle } from "../../src/inputs/raw.ts";
import { readRelease, writeRelease } from "../../src/release/directory.ts";
import type { Release } from "../../src/release/release.ts";
import { reportDocument } from "../../src/report/document.ts";
import { run } from "../../src/run.ts";
import { silentLog } from "../../src/util/log.ts";
import { solo5Kernel } from "../support/elf.ts";
import { buildRelease, type Files, findingsOf, subjectOf } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";

const KEY = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const TOKEN = `ghp_${"aB3dE5gH7j".repeat(3)}K1mN2p`;

/** A release as a deploy job reads it. */
async function received(directory: string, site: Files): Promise<Release> {
  const release = await buildRelease(directory, { kernels: { "www.hvt": solo5Kernel() }, sites: { data: site } });
  writeRelease(directory, release);
  return readRelease(directory);
}

async function collect(remarks: ReturnType<Check["run"]>): Promise<readonly Remark[]> {
  const found: Remark[] = [];
  for await (const remark of remarks) found.push(remark);
  return found;
}

describe("where only errors are wanted", () => {
  const check = (severity: Severity, gravest?: Severity): Check => ({
    id: "site-links",
    title: "",
    severity,
    ...(gravest ? { gravest } : {}),
    *run() {
      yield { message: "ran" };
    },
  });
  const cases: readonly (readonly [Check, Severity | undefined, boolean])[] = [
    [check("error"), undefined, true],
    [check("warning"), undefined, false],
    [check("note"), undefined, false],
    [check("warning", "error"), undefined, true],
    [check("warning"), "error", true],
    [check("error"), "warning", false],
    [check("warning", "error"), "note", false],
  ];
  for (const [one, configured, runs] of cases) {
    const { severity, gravest = severity } = one;
    test(`a check of ${severity}, ${gravest} at most, configured as ${configured}: ${runs ? "runs" : "does not"}`, async () => {
      await using directory = await tempDir("deploying");
      const release = await received(directory.path, { "index.html": "x" });
      const severities = new Map(configured ? [[one.id, configured]] : []);
      for (const errorsOnly of [true, false]) {
        const found = await runChecks([one], subjectOf(release, { errorsOnly }), { severities });
        assert.equal(found.length, runs || !errorsOnly ? 1 : 0);
      }
    });
  }

  test("no check says an error that it would not say otherwise, or keeps one back", async () => {
    await using directory = await tempDir("deploying");
    const site = {
      "index.html": '<a href="gone.html">x</a>',
      "a.pem": KEY,
      "b.txt": TOKEN,
      ".git/config": "[core]",
      "video.bin": `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`,
    };
    const release = await received(directory.path, site);
    const errors = async (errorsOnly: boolean) => {
      const found = await runChecks(CHECKS, subjectOf(release, { errorsOnly }));
      return found.filter(({ severity }) => severity === "error");
    };
    const all = await errors(false);
    assert.deepEqual(
      new Set(all.map(({ check: id }) => id)),
      new Set(["kernel-devices", "site-hygiene", "secret-material"]),
    );
    assert.deepEqual(await errors(true), all);
  });

  test("an image that proves itself is not read back, any other is", async () => {
    await using directory = await tempDir("deploying");
    const release = await received(directory.path, { "index.html": "x" });
    const reading = (errorsOnly: boolean, of: Release) => {
      const readBack = () => Promise.reject(new Error("was read back"));
      return runChecks([volumeReadback], { ...subjectOf(of, { errorsOnly }), readBack });
    };
    assert.deepEqual(await reading(true, release), []);
    assert.equal((await reading(false, release)).length, 1);
    const [{ offsets, ...data }] = release.volumes as [VolumeArtifact];
    assert.ok(offsets);
    assert.equal((await reading(true, { ...release, volumes: [data] })).length, 1);
  });

  test("keys are found wherever they begin, tokens are left to the build", async () => {
    const site = { "keys.txt": `${"-".repeat(4_194_290)}${KEY}${TOKEN}\n`.repeat(2) };
    const release = { sites: { data: site } };
    const found = await findingsOf(secretMaterial, release, { errorsOnly: true });
    assert.deepEqual(
      found.map(({ severity }) => severity),
      ["error", "error"],
    );
    assert.equal((await findingsOf(secretMaterial, release)).length, 4);
  });

  test("the thread that digests a large image has looked for keys on the way", async () => {
    await using directory = await tempDir("deploying");
    const site = { "a.bin": "x".repeat(33 * 1024 * 1024), "b/key.pem": KEY, "c.pem": "-----BEGIN CERTIFICATE-----" };
    const release = await received(directory.path, site);
    assert.equal(release.volumes[0]?.keyMarks?.length, 2);
    const found = await collect(secretMaterial.run(subjectOf(release, { errorsOnly: true })));
    assert.deepEqual(
      found.map(({ path: at }) => at),
      ["b/key.pem"],
    );
  });
});

describe("a deploy of a given release", () => {
  const publishing = {
    layout: "image",
    force: false,
    dryRun: false,
    now: 0,
    sign: undefined,
    isAncestor: () => Promise.resolve(undefined),
    commitsBetween: () => Promise.resolve(undefined),
    isOlder: () => Promise.resolve(false),
  } as const;

  /** Deploys to nowhere; what was said, what was found, and whether it was published. */
  async function deploy(directory: string, ignore: readonly string[]) {
    const lines: string[] = [];
    let published = false;
    const destination: Destination = {
      deployed: () => Promise.reject(new Error("nobody needs to ask")),
      publish({ manifest }) {
        published = true;
        const sums = { changed: 0, removed: 0, bytes: 0, sent: undefined };
        return Promise.resolve({ outcome: "deployed", manifest, revision: "1", tag: "t", ...sums });
      },
    };
    const plan = { release: { kind: "given", directory }, deploy: true, reason: "test" } as const;
    const result = await run(plan, readConfig(undefined, { ignore }, flagStyle), {
      log: { ...silentLog, info: (line: string) => void lines.push(line) },
      directory,
      env: {},
      tools: {},
      destination,
      publish: publishing,
    });
    return { lines, published, findings: result.findings };
  }

  const IGNORED = ["kernel-devices", "site-links"];

  test("passes on what its build said, and says nothing of rules for what it does not look for", async () => {
    await using directory = await tempDir("deploying");
    const { manifest } = await received(directory.path, { "index.html": '<a href="gone.html">x</a>' });
    const said = { check: "site-links", severity: "warning", message: "gone" } as const;
    const report = reportDocument(manifest, { findings: [said], ignored: [], passed: true });
    const without = await deploy(directory.path, IGNORED);
    assert.match(without.lines.join("\n"), /no report of the build/);
    writeFileSync(path.join(directory.path, "report.json"), JSON.stringify(report));
    const { lines, published, findings } = await deploy(directory.path, IGNORED);
    assert.match(lines.join("\n"), /its build reported 1 warning;/);
    assert.deepEqual({ published, findings }, { published: true, findings: [] });
    writeFileSync(path.join(directory.path, "report.json"), JSON.stringify({ ...report, commit: "0".repeat(40) }));
    assert.match((await deploy(directory.path, IGNORED)).lines.join("\n"), /no report of the build/);
  });

  test("is refused for an error, whatever its build said", async () => {
    await using directory = await tempDir("deploying");
    const { manifest } = await received(directory.path, { "index.html": KEY });
    const report = reportDocument(manifest, { findings: [], ignored: [], passed: true });
    writeFileSync(path.join(directory.path, "report.json"), JSON.stringify(report));
    const { published, findings } = await deploy(directory.path, IGNORED);
    assert.equal(published, false);
    assert.deepEqual(
      findings.map(({ check: id, severity }) => `${severity} ${id}`),
      ["error secret-material"],
    );
  });

  test("reads an index that is none, or not of the image, as nothing but a fault", async () => {
    await using directory = await tempDir("deploying");
    const release = await received(directory.path, { "index.html": "x", "other.html": "y" });
    const file = path.join(directory.path, "volumes", "data.index");
    const lines = (release.volumes[0]?.index ?? []).map(({ id, size, path: name }) => `${id} ${size} ${name}\n`);
    const indexes = ["", "\0", "no index\n", lines.toReversed().join(""), lines[0] as string, `${lines.join("")}\xff`];
    for (const index of indexes) {
      writeFileSync(file, Buffer.from(index, "latin1"));
      await assert.rejects(readRelease(directory.path), { code: "DIGEST_MISMATCH" }, JSON.stringify(index));
    }
  });
});
