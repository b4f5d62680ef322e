/** schema/*.json: current, true of what the program writes, and false of what it would refuse. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { parseManifest } from "../src/manifest/manifest.ts";
import { run } from "./support/process.ts";
import { newProject } from "./support/project.ts";

const ROOT = path.join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, strictTypes: false });

function compile(name: string): ValidateFunction {
  return ajv.compile(JSON.parse(read(`schema/${name}.v1.json`)) as Record<string, unknown>);
}
const config = compile("config");
const host = compile("host");
const manifest = compile("manifest");
const report = compile("report");

function accepts(validate: ValidateFunction, value: unknown): void {
  assert.ok(validate(value), JSON.stringify(validate.errors, null, 2));
}
function refuses(validate: ValidateFunction, value: unknown): void {
  assert.ok(!validate(value), `accepted: ${JSON.stringify(value)}`);
}

/** A copy of a document with one value changed; undefined removes it. */
function changed(document: unknown, at: string, value: unknown): unknown {
  const copy = structuredClone(document);
  const keys = at.split(".");
  const last = keys.pop() as string;
  const node = keys.reduce((so, key) => so[key] as Record<string, unknown>, copy as Record<string, unknown>);
  if (value === undefined) delete node[last];
  else node[last] = value;
  return copy;
}

test("the schemas are what the validators say", async () => {
  const ran = await run(process.execPath, ["scripts/schemas.mjs", "--check"], { cwd: ROOT });
  assert.equal(ran.code, 0, ran.stderr);
});

describe("manifest.v1.json", () => {
  const block = /^```json\n([^]*?)^```$/m.exec(read("docs/manifest.md"))?.[1] ?? "";
  const example: unknown = JSON.parse(block);

  test("takes the example of docs/manifest.md, and so does the program", () => {
    accepts(manifest, example);
    assert.equal(parseManifest(block, "docs/manifest.md").sequence, 1);
  });

  test("takes what a build writes, and report.v1.json its report", async () => {
    await using project = await newProject();
    const release = await project.build();
    accepts(manifest, JSON.parse(readFileSync(path.join(release, "manifest.json"), "utf8")));
    const written: unknown = JSON.parse(readFileSync(path.join(release, "report.json"), "utf8"));
    accepts(report, written);
    refuses(report, changed(written, "passed", "yes"));
    refuses(report, changed(written, "findings", [{ check: "site-links", severity: "grave", message: "" }]));
  });

  test("takes a report with findings", async () => {
    await using project = await newProject();
    const release = project.directory.join("release");
    const argv = ["build", "--kernel", "www.hvt", "--data", "site", "--device", "disk", "--out", release];
    assert.equal((await project.cli(...argv)).code, 1);
    const written: unknown = JSON.parse(readFileSync(path.join(release, "report.json"), "utf8"));
    accepts(report, written);
    assert.equal((written as { passed: boolean }).passed, false);
  });

  test("keeps room for fields of newer versions", () => {
    accepts(manifest, changed(example, "shipment", { by: "post" }));
  });

  const BAD: readonly (readonly [string, unknown])[] = [
    ["type", "somebody.else"],
    ["version", 2],
    ["name", "two words"],
    ["sequence", 0],
    ["source.commit", "main"],
    ["source.committedAt", "yesterday"],
    ["kernels", undefined],
    ["kernels.0.target", "toaster"],
    ["kernels.0.path", "../kernels/www.hvt"],
    ["kernels.0.path", "/etc/passwd"],
    ["kernels.0.sha256", "FA49"],
    ["kernels.0.size", -1],
    ["kernels.0.devices.0.type", "serial"],
    ["volumes.0.size", undefined],
    ["volumes.0.layout", "folder"],
    ["volumes.0.index.sha256", "x"],
    ["volumes.1.device", ""],
    ["files.0.path", "launch//www.sh"],
    ["launch.memory", 1.5],
  ];
  for (const [at, value] of BAD) {
    test(`refuses ${at}: ${JSON.stringify(value)}, as the program does`, () => {
      const bad = changed(example, at, value);
      refuses(manifest, bad);
      assert.throws(() => parseManifest(JSON.stringify(bad), "manifest.json"), { code: "MANIFEST_INVALID" });
    });
  }
});

describe("config.v1.json", () => {
  const example: unknown = parse(read("examples/unikernel.yml"));

  test("takes the example", () => accepts(config, example));

  test("takes an empty configuration: every field is optional", () => accepts(config, {}));

  for (const size of ["20MB", "64 MiB", "1.5GB", "4096", 4096]) {
    test(`takes the size ${JSON.stringify(size)}`, () => accepts(config, { checks: { "max-kernel-size": size } }));
  }

  const BAD: readonly (readonly [string, unknown])[] = [
    ["name", "a b"],
    ["kernels", "dist/www.hvt"],
    ["launch.memory", 0],
    ["launch.memory", "64"],
    ["checks.max-kernel-size", "20 apples"],
    ["checks.max-kernel-size", -5],
    ["checks.ignore", ["Site Links"]],
    ["checks.release-size", { severity: "mild" }],
    ["deploy.layout", "folders"],
    ["deploy.branch", "a..b"],
    ["deploy.path", "../up"],
    ["depoly", {}],
    ["volumes.data", { form: "_site" }],
    ["volumes.data", { format: "tar" }],
    ["volumes.data", { from: "_site", size: "large" }],
    ["volumes.data", { from: "_site", device: "/dev/vda" }],
    ["volumes.tls", { secret: true, from: "tls" }],
  ];
  for (const [at, value] of BAD) {
    test(`refuses ${at}: ${JSON.stringify(value)}`, () => refuses(config, changed(example, at, value)));
  }

  test("takes a secret volume", () =>
    accepts(config, changed(example, "volumes.tls", { secret: true, device: "tls" })));
});

describe("host.v1.json", () => {
  const example: unknown = parse(read("examples/host.yml"));

  test("takes the example", () => accepts(host, example));

  test("takes durations", () => accepts(host, changed(example, "poll", "5m")));

  const BAD: readonly (readonly [string, unknown])[] = [
    ["name", undefined],
    ["state", undefined],
    ["target", "HVT"],
    ["keep", 1],
    ["poll", "often"],
    ["health", { timeout: "30s" }],
    ["allowed_signers", "file"],
  ];
  for (const [at, value] of BAD) {
    test(`refuses ${at}: ${JSON.stringify(value)}`, () => refuses(host, changed(example, at, value)));
  }
});
