/** Every planted fault is caught, and named by what it is. */
import assert from "node:assert/strict";
import { openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync, closeSync } from "node:fs";
import { describe, it } from "node:test";
import { bootKernel } from "../../src/checks/boot/boot-kernel.ts";
import { DEFAULT_BOOT } from "../../src/checks/boot/settings.ts";
import { bootFindings } from "../../src/checks/boot.ts";
import type { Release } from "../../src/release/release.ts";
import { buildRelease, type ReleaseSpec } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";
import { boot, fault, PAGES, PVH, SITE, VIRTIO, without } from "./booting.ts";

const RELEASE: ReleaseSpec = { kernels: { "www.virtio": VIRTIO }, sites: { data: SITE } };
const imageOf = (release: Release, i = 0) => release.volumes[i]?.file as string;

/** Changes one byte of picture.bin, 123,456 bytes into it. */
function flip(image: string): void {
  const content = readFileSync(image);
  const at = content.indexOf("picture.bin") + 512 + 123_456;
  const fd = openSync(image, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  writeSync(fd, Buffer.of((byte[0] as number) ^ 0x10), 0, 1, at);
  closeSync(fd);
}

/** Boots with other images attached than the release holds. */
async function bootWith(attached: (release: Release) => string, spec: ReleaseSpec = RELEASE) {
  await using dir = await tempDir("fault");
  const release = await buildRelease(dir.path, { memory: 16, ...spec });
  const [kernel, volume] = [release.kernels[0], release.volumes[0]];
  if (!kernel || !volume) throw new Error("the release is empty");
  const settings = { ...DEFAULT_BOOT, accel: "tcg", timeout: 5000 } as const;
  const blocks = [{ volume: "data", device: "storage", file: attached(release) }];
  const subject = {
    path: "kernels/www.virtio",
    kernel,
    blocks,
    volumes: [volume],
    memory: 16,
    production: [],
    settings,
    onProgress() {},
  };
  const { target, devices } = kernel.info;
  return await bootKernel(subject, {
    tender: "qemu",
    kernel: kernel.file,
    target,
    devices,
    memory: 16,
    args: [],
    template: undefined,
    volumes: blocks,
    port: 80,
    accel: "tcg",
    command: undefined,
    env: process.env,
  });
}

describe("faults of an image", { skip: without("qemu-system-x86_64") }, () => {
  it("one flipped byte between release and guest: the page and the offset", async () => {
    const report = await bootWith((release) => {
      const copy = `${imageOf(release)}.flipped`;
      writeFileSync(copy, readFileSync(imageOf(release)));
      flip(copy);
      return copy;
    });
    assert.equal(report.outcome, "failed");
    assert.equal(report.mismatched, 1);
    const [mismatch] = report.mismatches;
    assert.deepEqual([mismatch?.path, mismatch?.offset], ["/picture.bin", 123_456]);
    assert.match(mismatch?.message ?? "", /^differs from the image at byte 123456 of 300001: 0x.., expected 0x..$/);
  });

  it("one byte flipped in the release since it was built: the page and both blob ids", async () => {
    const { report } = await boot(RELEASE, {}, { spoil: (release) => flip(imageOf(release)) });
    assert.equal(report.mismatched, 1);
    assert.match(
      report.mismatches[0]?.message ?? "",
      /not those of the file the release was built from \(blob [0-9a-f]{40}/,
    );
  });

  it("truncated: the guest's own words", async () => {
    const { report } = await boot(RELEASE, {}, { spoil: (release) => truncateSync(imageOf(release), 65_536) });
    assert.match(
      report.reason ?? "",
      /the guest ended with exit code 255: panic: truncated image: picture\.bin ends at/,
    );
    assert.ok(report.console.some((line) => line.includes("solo5_abort")));
  });

  it("swapped volumes: the pages of the other one", async () => {
    const spec = { ...RELEASE, sites: { data: SITE, other: { "index.html": "not the same\n", "b.html": "b" } } };
    const report = await bootWith((release) => imageOf(release, 1), {
      ...spec,
      devices: { data: "storage", other: "other" },
    });
    assert.equal(report.outcome, "failed");
    assert.equal(report.mismatched, PAGES);
    const home = report.mismatches.find(({ path }) => path === "/index.html");
    assert.match(home?.message ?? "", /differs from the image at byte 0 of 35/);
    assert.equal(report.mismatches.find(({ path }) => path === "/picture.bin")?.status, 404);
  });
});

describe("faults of devices and targets", { skip: without("qemu-system-x86_64") }, () => {
  it("a wrong device name is refused before launch, with the name that is right", async () => {
    const { report } = await boot({ ...RELEASE, devices: { data: "strage" } });
    assert.equal(report.reason, 'volume data goes to device "strage", but the kernel declares block device storage');
    assert.deepEqual(report.console, []);
  });

  it("devices in the wrong slots: what Solo5 says", async () => {
    const spoil = (release: Release) =>
      Object.assign(release.kernels[0]?.info ?? {}, {
        devices: [
          { name: "storage", type: "block" },
          { name: "service", type: "net" },
        ],
      });
    const { report } = await boot(RELEASE, {}, { spoil });
    assert.match(report.reason ?? "", /the guest ended with exit code 255: Solo5: .*PCI:00:0[23] not in manifest/);
  });

  it("a device that the kernel declares and nothing is attached to", async () => {
    const { report } = await boot({ kernels: { "www.virtio": VIRTIO } });
    assert.match(report.reason ?? "", /declares block device "storage", and no volume goes to it/);
  });

  it("a kernel of another target than the tender's", async () => {
    const { report, reports } = await boot(RELEASE, { tender: "solo5-hvt" });
    assert.match(report.reason ?? "", /the kernel is for virtio; tender solo5-hvt runs kernels for hvt/);
    assert.equal(bootFindings(reports, false)[0]?.severity, "error");
  });

  it("a kernel of another target than its description says", async () => {
    const spoil = (release: Release) =>
      Object.assign(release.kernels[0]?.info ?? {}, {
        target: "virtio",
        devices: [
          { name: "service", type: "net" },
          { name: "storage", type: "block" },
        ],
      });
    const { report } = await boot(
      { kernels: { "www.virtio": PVH }, sites: { data: SITE }, devices: { data: "storage" } },
      {},
      { spoil },
    );
    assert.equal(report.outcome, "failed");
    assert.match(
      report.reason ?? "",
      /the guest ended with exit code 255: Solo5: Device 'storage' of type BLOCK_BASIC not attached/,
    );
  });
});

describe("faults of a guest", { skip: without("qemu-system-x86_64") }, () => {
  it("panics: at once, in its own words", async () => {
    const started = performance.now();
    const { report } = await boot(RELEASE, { args: fault("panic"), timeout: 60_000 });
    assert.match(report.reason ?? "", /ended with exit code 255: panic: asked for with --fault=panic/);
    assert.ok(performance.now() - started < 20_000, "an early end is not waited for");
  });

  it("never listens: the deadline and its last line", async () => {
    const { report } = await boot(RELEASE, { args: fault("never-listen"), timeout: 2000 });
    assert.match(
      report.reason ?? "",
      /did not serve HTTP within 2\.00 s; its last line was: fault: not going to listen/,
    );
    assert.match(report.hint ?? "", /checks\.boot\.port/);
  });

  it("serves the wrong status: each page's", async () => {
    const { report, reports } = await boot(RELEASE, { args: fault("status") });
    assert.equal(report.mismatched, PAGES + 1);
    assert.ok(report.mismatches.every(({ status }) => status === 500));
    const findings = bootFindings(reports, false);
    assert.match(findings[0]?.message ?? "", /the first \/index\.html|: status 500, expected 200/);
    assert.ok(findings.some(({ path }) => path === "/picture.bin"));
  });

  it("hangs half-way through a page: how far it got", async () => {
    const { report } = await boot(RELEASE, { args: fault("hang"), timeout: 4000 });
    const stalled = report.mismatches.find(({ message }) => message.startsWith("hangs"));
    assert.match(stalled?.message ?? "", /^hangs after \d+ of \d+ bytes: nothing came for 4\.00 s$/);
    assert.match(report.reason ?? "", /not asked for, as it had stopped answering/);
  });

  it("floods the console: how much", async () => {
    const { report } = await boot(RELEASE, { args: fault("flood") });
    assert.match(report.reason ?? "", /floods its console: \d.*(?: for 10 pages| in 300 ms)|printed more than 8 MiB/);
    assert.ok(report.console.length > 0 && report.console.length <= 15);
  });

  it("ends once it listens", async () => {
    const { report } = await boot(RELEASE, { args: fault("exit") });
    assert.equal(report.outcome, "failed");
    // It may be gone before the first page is asked for, or in the middle of it.
    assert.match(report.reason ?? "", /ended|closed|refused|reset|hang up|disconnect/i);
  });
});
