/** What checks leave out where a release that was checked before is about to be deployed, and what they do not. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import type { VolumeArtifact } from "../../src/artifact/artifact.ts";
import { type Check, runChecks, type Severity } from "../../src/checks/check.ts";
import { CHECKS } from "../../src/checks/index.ts";
import { secretMaterial } from "../../src/checks/secret-material.ts";
import { volumeReadback } from "../../src/checks/volume-readback.ts";
import { readRelease, writeRelease } from "../../src/release/directory.ts";
import type { Release } from "../../src/release/release.ts";
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

  test("keys are looked for in files that are not deployed yet", async () => {
    await using directory = await tempDir("deploying");
    const release = await received(directory.path, { "old.pem": KEY, "new.pem": `${KEY}\n`, "text.txt": "text" });
    const [data] = release.volumes;
    const id = (path: string) => data?.index.find((entry) => entry.path === path)?.id as string;
    const keys = async (errorsOnly: boolean, ...deployed: string[]) => {
      const subject = subjectOf(release, { errorsOnly, deployedIds: new Set(deployed) });
      return (await runChecks([secretMaterial], subject)).map(({ path }) => path);
    };
    assert.deepEqual(await keys(true), ["new.pem", "old.pem"]);
    assert.deepEqual(await keys(true, id("old.pem"), id("text.txt")), ["new.pem"]);
    assert.deepEqual(await keys(true, id("text.txt")), ["new.pem", "old.pem"]);
    assert.deepEqual(await keys(false, id("old.pem")), ["new.pem", "old.pem"]);
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
});
