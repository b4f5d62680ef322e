/** Solo5 kernels: every target, ABI version and number of devices. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type Device, inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import { solo5Releases } from "../../src/kernel/solo5-releases.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import { type SegmentSpec, type Solo5Spec, SOLO5_TARGET_NUMBERS, solo5Kernel } from "../support/elf.ts";
import { tempDir } from "../support/temp.ts";

const inspect = (spec: Solo5Spec): KernelInfo => inspectKernel(bytesSource(solo5Kernel(spec)));
const TARGETS = Object.keys(SOLO5_TARGET_NUMBERS) as (keyof typeof SOLO5_TARGET_NUMBERS)[];
const DEVICES: readonly Device[] = [
  { name: "storage", type: "block" },
  { name: "service", type: "net" },
];
const many = (count: number): Device[] =>
  Array.from({ length: count }, (_, i) => ({ name: `d${i}`, type: i % 2 === 0 ? "block" : "net" }));

describe("inspectKernel on Solo5 kernels", () => {
  for (const target of TARGETS) {
    it(`names ${target} and reads its manifest in order`, () => {
      const info = inspect({ target, devices: DEVICES });
      assert.equal(info.target, target);
      assert.equal(info.format, "elf");
      assert.equal(info.arch, "x86_64");
      assert.deepEqual(info.devices, DEVICES);
      assert.equal(info.manifest, "read");
      assert.deepEqual(info.problems, []);
      assert.ok(isSound(info));
      assert.equal(info.pvh, target === "xen");
      assert.equal(info.multiboot, target === "xen" || target === "virtio" ? 1 : null);
      assert.equal(info.interpreter, "/nonexistent/solo5/");
      assert.equal(info.dynamic, false);
    });
  }

  for (const abiVersion of [1, 2]) {
    it(`reads ABI version ${abiVersion}`, () => assert.equal(inspect({ abiVersion }).abiVersion, abiVersion));
  }

  for (const count of [0, 1, 63]) {
    it(`reads ${count} devices`, () => {
      const info = inspect({ devices: many(count) });
      assert.deepEqual(info.devices, many(count));
      assert.deepEqual(info.problems, []);
    });
  }

  for (const [machine, arch] of [
    [183, "aarch64"],
    [21, "ppc64le"],
  ] as const) {
    it(`accepts ${arch}`, () => {
      const info = inspect({ machine, edit: withAlign(65536) });
      assert.equal(info.arch, arch);
      assert.deepEqual(
        info.problems.filter(({ severity }) => severity === "error"),
        [],
      );
    });
  }

  it("reads a name of 67 characters", () => {
    const name = "a".repeat(67);
    assert.deepEqual(inspect({ devices: [{ name, type: "net" }] }).devices, [{ name, type: "net" }]);
  });

  it("is still identified without section headers, and says what memory it takes", () => {
    const info = inspect({ edit: (segments) => segments.map(withoutSection) });
    assert.equal(info.target, "hvt");
    assert.deepEqual(info.sections, []);
    assert.equal(info.stripped, true);
    // Linked at 1 MiB, a page of code, four bytes of data and 4096 of bss.
    assert.equal(info.memory, 0x100000 + 4096 + 8192);
  });

  it("has a layout that readelf finds nothing wrong with", async () => {
    await using dir = await tempDir("elf");
    for (const target of TARGETS) {
      const file = dir.join(target);
      writeFileSync(file, solo5Kernel({ target, devices: DEVICES }));
      const text = execFileSync("readelf", ["-ahW", file], { encoding: "utf8" });
      assert.match(text, /program interpreter: \/nonexistent\/solo5\//);
      assert.match(text, /Solo5 +0x00000010/);
      assert.match(text, /Solo5 +0x00000144/);
      const warnings = execFileSync("sh", ["-c", 'readelf -ahW "$1" 2>&1 >/dev/null', "sh", file], {
        encoding: "utf8",
      });
      assert.equal(warnings, "");
    }
  });
});

const withoutSection = ({
  type,
  data,
  flags = "r--",
  vaddr = 0n,
  memSize = data.length,
}: SegmentSpec): SegmentSpec => ({
  type,
  data,
  flags,
  vaddr,
  memSize,
});
const withAlign = (align: number) => (segments: readonly SegmentSpec[]) =>
  segments.map((segment) => (segment.type === "load" ? { ...segment, align, vaddr: spread(segment) } : segment));
const spread = ({ vaddr = 0n }: SegmentSpec) => (vaddr === 0x100000n ? vaddr : vaddr + 0x10000n - 0x1000n);
describe("solo5Releases", () => {
  it("knows which releases speak an ABI version", () => {
    assert.equal(solo5Releases("hvt", 1), "0.6.0 to 0.7.5");
    assert.equal(solo5Releases("spt", 2), "0.8.0 and later");
    assert.equal(solo5Releases("muen", 3), "0.8.0 to 0.12.0");
    assert.equal(solo5Releases("virtio", 2), null);
  });
});
