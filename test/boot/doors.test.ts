/** Who boots and who does not: check when asked, the Action after a build, build and a deploying job never. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, describe, it } from "node:test";
import { readConfig } from "../../src/inputs/config.ts";
import { flagStyle } from "../../src/inputs/raw.ts";
import { planAction } from "../../src/plan.ts";
import { run as runPlan } from "../../src/run.ts";
import { silentLog } from "../../src/util/log.ts";
import { git, run } from "../support/process.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";
import { SITE, VIRTIO, without } from "./booting.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");
const VERSION = 'data:text/javascript,globalThis.__VERSION__="0"';

describe("planAction", () => {
  const config = (boot?: string) => readConfig(undefined, { boot, repository: "owner/site" }, flagStyle);
  const push = { name: "push", ref: "refs/heads/main", defaultBranch: "main" };
  const plan = (mode: "auto" | "check" | "deploy", release: string | undefined, boot?: string) =>
    planAction({ mode, release, out: "release" }, config(boot), push).boot;

  it("boots what it builds, where that is asked for", () => {
    assert.equal(plan("auto", undefined, "auto"), true);
    assert.equal(plan("auto", undefined), false);
    assert.equal(plan("check", "release", "required"), true);
  });
  it("boots nothing that another job built where it deploys", () => {
    assert.equal(plan("deploy", "release", "auto"), false);
    assert.equal(plan("auto", "release", "auto"), false);
  });
});

describe("checks.boot", () => {
  const read = (text: string) => readConfig({ name: "unikernel.yml", text }, {}, flagStyle).checks.boot;
  it("has its defaults", () => {
    assert.deepEqual(read("checks: {boot: {}}"), {
      tender: "auto",
      port: 80,
      required: false,
      timeout: 30_000,
      probe: { kind: "http" },
      accel: "auto",
    });
    assert.equal(read("checks: {}"), undefined);
  });
  it("keeps the file's tender where --boot only requires", () => {
    const file = { name: "unikernel.yml", text: "checks: {boot: {tender: unix}}" };
    const { boot } = readConfig(file, { boot: "required" }, flagStyle).checks;
    assert.deepEqual([boot?.tender, boot?.required], ["unix", true]);
  });
  it("lists what is wrong with it", () => {
    const text = "checks:\n  boot:\n    tender: vmware\n    probe: {kind: console}\n    timeout: soon\n";
    assert.throws(
      () => read(text),
      (error: { problems: string[] }) => {
        assert.equal(error.problems.length, 3, error.problems.join("\n"));
        assert.match(
          error.problems.join("\n"),
          /yml:3: checks\.boot\.tender[^]*yml:5: checks\.boot\.timeout[^]*yml:4: checks\.boot\.probe: a console probe/,
        );
        return true;
      },
    );
    assert.throws(() => read("checks: {boot: {probe: {kind: console, pattern: '('}}}"), { code: "CONFIG_INVALID" });
  });
});

describe("the command line", { skip: without("qemu-system-x86_64") }, () => {
  let dir: TempDir;
  const cli = (...args: string[]) => {
    const env = { PATH: process.env["PATH"], UNIKERNEL_DEPLOY_ACCEL: "tcg", HOME: dir.path };
    return run(process.execPath, ["--import", VERSION, CLI, ...args], { cwd: dir.path, env });
  };
  before(async () => {
    dir = await tempDir("boot-doors");
    mkdirSync(dir.join("site"));
    await writeTree(dir.join("site"), SITE);
    writeFileSync(dir.join("www.virtio"), VIRTIO);
    writeFileSync(dir.join("unikernel.yml"), "name: www\nlaunch: {memory: 16}\nchecks: {boot: {tender: qemu}}\n");
    await git(dir.path, "init", "--quiet");
    await git(dir.path, "commit", "--quiet", "--allow-empty", "--message=Begin");
  });
  after(() => dir[Symbol.asyncDispose]());

  it("builds without booting, whatever the configuration says", async () => {
    const built = await cli("build", "--kernel", "www.virtio", "--data", "site", "--out", "release", "--json");
    assert.equal(built.code, 0, built.stderr);
    assert.equal(JSON.parse(built.stdout).report.boot, undefined);
  });

  it("boots with check, and says what came of it", async () => {
    const { code, stdout, stderr } = await cli("check", "--release", "release");
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^boot: passed kernels\/www\.virtio with qemu \(tcg\) in 16 MiB, first byte after .* pages\/s/m,
    );
    const json = JSON.parse((await cli("check", "--release", "release", "--boot", "required", "--json")).stdout);
    assert.deepEqual([json.passed, json.report.boot[0].outcome, json.report.boot[0].mismatched], [true, "passed", 0]);
  });

  it("exits 1 where a boot fails, and 2 for a tender there is not", async () => {
    const { code, stdout } = await cli("check", "--release", "release", "--boot", "solo5-hvt");
    assert.equal(code, 1);
    assert.match(stdout, /error: kernels\/www\.virtio does not pass: the kernel is for virtio; tender solo5-hvt/);
    assert.equal((await cli("check", "--release", "release", "--boot", "vmware")).code, 2);
  });

  it("writes the boot into report.json where a plan builds and boots", async () => {
    const config = readConfig(
      { name: "unikernel.yml", text: readFileSync(dir.join("unikernel.yml"), "utf8") },
      {
        kernel: ["www.virtio"],
        data: ["site"],
      },
      flagStyle,
    );
    const plan = { release: { kind: "build", out: "booted" }, deploy: false, boot: true, reason: "" } as const;
    const env = { ...process.env, UNIKERNEL_DEPLOY_ACCEL: "tcg" };
    const result = await runPlan(plan, config, { log: silentLog, directory: dir.path, env, tools: {} });
    assert.ok((result.times["boot"] ?? 0) > 0);
    const report = JSON.parse(readFileSync(dir.join("booted/report.json"), "utf8"));
    assert.deepEqual([report.passed, report.boot.length, report.boot[0].kernel], [true, 1, "kernels/www.virtio"]);
  });
});
