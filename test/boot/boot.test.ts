/** The example kernels booted for real, under emulation: every page equal, and what the report says of it. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { bootFindings } from "../../src/checks/boot.ts";
import type { BootReport } from "../../src/checks/boot/report.ts";
import { renderBoot } from "../../src/report/boot.ts";
import { boot, noise, PAGES, PVH, SITE, unixKernel, VIRTIO, without } from "./booting.ts";

function assertServed(report: BootReport, pages = PAGES): void {
  assert.equal(report.outcome, "passed", renderBoot([report]));
  assert.deepEqual([report.figures?.pages, report.mismatched], [pages + 1, 0]);
  assert.ok((report.figures?.connections ?? 9) <= 2, `${report.figures?.connections} connections`);
  assert.ok((report.firstByte ?? Infinity) >= (report.ready ?? 0));
}

describe("a boot that goes well", () => {
  it("serves every page with qemu virtio, from a path with spaces and a comma", {
    skip: without("qemu-system-x86_64"),
  }, async () => {
    const { report } = await boot({ kernels: { "www.virtio": VIRTIO }, sites: { data: SITE } });
    assertServed(report);
    assert.deepEqual([report.tender, report.accel, report.memory], ["qemu", "tcg", 16]);
    assert.deepEqual(bootFindings([report], true), []);
  });

  it("serves every page with qemu PVH", { skip: without("qemu-system-x86_64") }, async () => {
    const { report } = await boot({ kernels: { "www.pvh": PVH }, sites: { data: SITE } });
    assertServed(report);
  });

  it("serves 200 MB from 16 MB of memory", { skip: without("qemu-system-x86_64") }, async () => {
    const { report } = await boot({
      kernels: { "www.virtio": VIRTIO },
      sites: { data: { "index.html": "small", "film.bin": noise(200_000_003) } },
    });
    assertServed(report, 3);
    assert.ok((report.figures?.bytes ?? 0) > 200_000_003);
  });
});

describe("a kernel that is a host executable", { skip: without("gcc") }, () => {
  let kernel: Uint8Array;
  before(async () => {
    kernel = await unixKernel();
  });

  it("serves every page", async () => {
    const { report } = await boot({ kernels: { www: kernel }, sites: { data: SITE }, devices: { data: "storage" } });
    assertServed(report);
    assert.deepEqual([report.tender, report.accel], ["unix", null]);
  });

  it("runs under the user's own command", async () => {
    const { report } = await boot(
      { kernels: { www: kernel }, sites: { data: SITE }, devices: { data: "storage" } },
      { tender: "command", command: "env -- '{kernel}' {image:data} --port={port}" },
    );
    assertServed(report);
    assert.equal(report.tender, "command");
  });

  it("ends with the exit code expected, or is told apart", async () => {
    const spec = { kernels: { www: kernel }, sites: { data: SITE }, devices: { data: "storage" } };
    const args = ["{image:data}", "--fault=exit"];
    const { report } = await boot(spec, { args, probe: { kind: "exit" } });
    assert.equal(report.outcome, "passed", renderBoot([report]));
    const { report: wrong } = await boot(spec, { args, probe: { kind: "exit", code: 7 } });
    assert.match(wrong.reason ?? "", /ended with exit code 0, expected 7/);
    const { report: serving } = await boot(spec, { probe: { kind: "exit" }, timeout: 400 });
    assert.match(serving.reason ?? "", /did not end within 0\.40 s/);
  });

  it("prints the line expected, or is told apart", async () => {
    const spec = { kernels: { www: kernel }, sites: { data: SITE }, devices: { data: "storage" } };
    const { report } = await boot(spec, { probe: { kind: "console", pattern: "^listening on .*:\\d+$" } });
    assert.equal(report.outcome, "passed", renderBoot([report]));
    const { report: silent } = await boot(spec, { probe: { kind: "console", pattern: "^hello$" }, timeout: 400 });
    assert.match(silent.reason ?? "", /no line of its console matched \/\^hello\$\/ within 0\.40 s/);
  });

  it("does not see the secrets of the job that boots it", async () => {
    const spec = { kernels: { www: kernel }, sites: { data: SITE }, devices: { data: "storage" } };
    const { report } = await boot(
      spec,
      { tender: "command", command: ["env"], probe: { kind: "exit", code: 1 } },
      { env: { ...process.env, INPUT_TOKEN: "ghs_secret", GITHUB_TOKEN: "ghs_secret" } },
    );
    assert.match(report.console.join("\n"), /PATH=/);
    assert.doesNotMatch(report.console.join("\n"), /ghs_secret/);
  });
});

describe("secret volumes", () => {
  it("get an empty stand-in of their format", { skip: without("qemu-system-x86_64") }, async () => {
    const { report } = await boot({ kernels: { "www.virtio": VIRTIO }, secrets: ["tls"], devices: { tls: "storage" } });
    assertServed(report, 0);
  });
});

describe("what cannot be booted here", () => {
  it("is SKIPPED with the reason and the command, and an error where it is required", async () => {
    const { report } = await boot(
      { kernels: { "www.virtio": VIRTIO }, sites: { data: SITE } },
      {},
      { env: { PATH: "/nonexistent" } },
    );
    assert.deepEqual([report.outcome, report.reason], ["skipped", "qemu-system-x86_64 is not installed"]);
    assert.equal(report.hint, "apt-get install --no-install-recommends qemu-system-x86");
    const [note] = bootFindings([report], false);
    const [error] = bootFindings([report], true);
    assert.deepEqual([note?.severity, error?.severity], ["note", "error"]);
    assert.match(renderBoot([report]), /^boot: SKIPPED kernels\/www\.virtio: .*\n    → apt-get install/);
  });

  it("is no error beside a kernel that could be", { skip: without("qemu-system-x86_64") }, async () => {
    const { reports } = await boot(
      { kernels: { "www.virtio": VIRTIO, "www.pvh": PVH }, sites: { data: SITE } },
      {},
      { spoil: (release) => Object.assign(release.kernels[1]?.info ?? {}, { target: "genode" }) },
    );
    assert.deepEqual(
      reports.map(({ outcome }) => outcome),
      ["passed", "skipped"],
    );
    assert.deepEqual(
      bootFindings(reports, true).map(({ severity }) => severity),
      ["note"],
    );
  });
});
