/** Real binaries, with readelf as the judge wherever it has an opinion. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { readElf } from "../../src/kernel/elf.ts";
import { inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import { cloudImage, debianFile, type Fetched, gunzipped, vmlinuxOf } from "../support/debian.ts";

const then = (file: Fetched, make: (path: string) => string): Fetched =>
  "skip" in file ? file : { path: make(file.path) };

const vmlinuz = debianFile(cloudImage(), "amd64", "boot/vmlinuz-*-cloud-amd64");
const grub = (name: string) => debianFile("grub-xen-host", "amd64", `usr/lib/grub-xen/${name}`);
const xenGz = debianFile("xen-hypervisor-4.17-amd64", "amd64", "boot/xen-4.17-amd64.gz");

interface Row {
  readonly name: string;
  readonly file: Fetched;
  readonly expected: Partial<KernelInfo>;
  readonly codes?: readonly string[];
}

const WX = "segment-writable-executable";
const elf = (bits: 32 | 64, arch: KernelInfo["arch"]) =>
  ({ format: "elf", class: bits, endian: "little", arch }) as const;

const TABLE: readonly Row[] = [
  {
    name: "GRUB for Xen PV, 64 bit",
    file: grub("grub-x86_64-xen.bin"),
    expected: { ...elf(64, "x86_64"), target: "pv", pv: true, pvh: false, entry: "0x0" },
    codes: [WX, WX],
  },
  {
    name: "GRUB for Xen PV, 32 bit, with a truncated note",
    file: grub("grub-i386-xen.bin"),
    expected: { ...elf(32, "i386"), target: "pv", pv: true, pvh: false },
    codes: ["note-truncated", WX, WX],
  },
  {
    name: "GRUB for Xen PVH",
    file: grub("grub-i386-xen_pvh.bin"),
    expected: { ...elf(32, "i386"), target: "pvh", pv: false, pvh: true, entry: "0x100000" },
    codes: [WX, WX],
  },
  {
    name: "the cloud vmlinuz",
    file: vmlinuz,
    expected: { format: "bzimage", arch: "x86_64", target: "linux", segments: [] },
  },
  {
    name: "the cloud vmlinux",
    file: then(vmlinuz, vmlinuxOf),
    expected: { ...elf(64, "x86_64"), target: "linux", pv: true, pvh: true, entry: "0x1000000" },
    codes: [WX],
  },
  {
    name: "the Xen hypervisor",
    file: then(xenGz, gunzipped),
    expected: { ...elf(32, "i386"), target: "multiboot", multiboot: 1, pv: false, pvh: false },
    codes: [WX],
  },
  {
    name: "the Xen hypervisor, compressed",
    file: xenGz,
    expected: { format: "compressed", target: null, arch: null },
    codes: ["compressed"],
  },
  {
    name: "a static executable",
    file: debianFile("busybox-static", "amd64", "bin/busybox"),
    expected: { ...elf(64, "x86_64"), target: "unix", dynamic: false, libraries: [], stripped: true, pie: false },
  },
  {
    name: "a static executable for aarch64",
    file: debianFile("busybox-static", "arm64", "bin/busybox"),
    expected: { ...elf(64, "aarch64"), target: "unix", dynamic: false },
  },
  {
    name: "a static executable for armhf",
    file: debianFile("busybox-static", "armhf", "bin/busybox"),
    expected: { ...elf(32, "arm"), target: "unix", dynamic: false },
  },
  {
    name: "a static executable for ppc64le",
    file: debianFile("busybox-static", "ppc64el", "bin/busybox"),
    expected: { ...elf(64, "ppc64le"), target: "unix", dynamic: false },
  },
  {
    name: "a static big-endian executable",
    file: debianFile("busybox-static", "s390x", "bin/busybox"),
    expected: { format: "elf", class: 64, endian: "big", arch: "s390x", target: "unix", dynamic: false },
  },
  {
    name: "a position-independent executable",
    file: debianFile("coreutils", "amd64", "bin/ls"),
    expected: {
      ...elf(64, "x86_64"),
      target: "unix",
      dynamic: true,
      pie: true,
      interpreter: "/lib64/ld-linux-x86-64.so.2",
      libraries: ["libselinux.so.1", "libc.so.6"],
    },
  },
  {
    name: "node",
    file: { path: process.execPath },
    expected: { ...elf(64, "x86_64"), target: "unix", dynamic: true, stripped: false },
  },
];

describe("inspectKernel on real binaries", () => {
  for (const { name, file, expected, codes = [] } of TABLE) {
    it(name, { skip: "skip" in file ? file.skip : false }, () => {
      if ("skip" in file) return;
      const info = inspectKernel(bytesSource(readFileSync(file.path)));
      assert.deepEqual(pick(info, Object.keys(expected)), expected);
      assert.deepEqual(
        info.problems.map(({ code }) => code),
        codes,
      );
      assert.equal(isSound(info), info.target !== null);
      if (info.format !== "elf") return;
      compareWithReadelf(info, file.path);
      compareNotes(file.path);
    });
  }

  it("extracts the very vmlinux that Debian compressed", { skip: "skip" in vmlinuz ? vmlinuz.skip : false }, () => {
    if ("skip" in vmlinuz) return;
    const vmlinux = readFileSync(vmlinuxOf(vmlinuz.path));
    const lz4 = spawnSync("lz4", ["-dc"], { input: payloadOf(vmlinuz.path), maxBuffer: 1 << 30 });
    if (lz4.error !== undefined) return;
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    assert.equal(digest(vmlinux), digest(lz4.stdout));
  });
});

function payloadOf(bzImage: string): Buffer {
  const file = readFileSync(bzImage);
  const start = ((file[0x1f1] as number) + 1) * 512 + file.readUInt32LE(0x248);
  return file.subarray(start, start + file.readUInt32LE(0x24c) - 4);
}

function pick(info: KernelInfo, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(info).filter(([key]) => keys.includes(key)));
}

/** Entry, type, loadable segments, sections, symbol table, interpreter and libraries, as readelf sees them. */
function compareWithReadelf(info: KernelInfo, path: string): void {
  const text = execFileSync("readelf", ["-hlSdW", path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const address = (digits: string) => `0x${BigInt(`0x${digits}`).toString(16)}`;
  assert.equal(info.entry, text.match(/Entry point address:\s+(0x[0-9a-f]+)/)?.[1]);
  assert.equal(info.pie, /Type:\s+DYN/.test(text));
  const loads = [...text.matchAll(/^ {2}LOAD +0x\S+ 0x(\S+) 0x(\S+) 0x(\S+) 0x(\S+) (...) /gm)].map((match) => ({
    vaddr: address(match[1] as string),
    paddr: address(match[2] as string),
    fileSize: Number.parseInt(match[3] as string, 16),
    memSize: Number.parseInt(match[4] as string, 16),
    flags: (match[5] as string).toLowerCase().replaceAll(" ", "-").replace("e", "x"),
  }));
  assert.deepEqual(info.segments, loads);
  const sections = [
    ...text.matchAll(/^ {2}\[ *(\d+)\] (.{17,}?) +[A-Z0-9_+: <>]+ +[0-9a-f]{8,16} [0-9a-f]{6,} ([0-9a-f]{6,}) /gm),
  ];
  const sizes = sections.filter(([, number]) => number !== "0").map((match) => Number.parseInt(match[3] as string, 16));
  assert.deepEqual(
    info.sections.map(({ size }) => size),
    sizes,
  );
  assert.equal(info.stripped, !/ SYMTAB /.test(text));
  assert.equal(info.interpreter, text.match(/program interpreter: (.*)\]/)?.[1] ?? null);
  const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
  assert.deepEqual(info.libraries, needed);
}

/** Owner and size of each whole note; readelf prefers the sections' notes where a file has both, and rewrites gcc's. */
function compareNotes(path: string): void {
  const elf = readElf(bytesSource(readFileSync(path)), () => {});
  assert.ok(elf !== null);
  const notes = elf.sectionNotes.length > 0 ? elf.sectionNotes : elf.notes;
  const text = execFileSync("readelf", ["-nW", path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  assert.deepEqual(
    notes
      .filter(({ truncated, owner }) => !truncated && !owner.startsWith("GA"))
      .map(({ owner, descSize }) => [owner, descSize]),
    [...text.matchAll(/^ {2}((?!GA)\S+) +0x([0-9a-f]{8})\t/gm)].map(([, owner, size]) => [
      owner,
      Number.parseInt(size as string, 16),
    ]),
  );
}
