/** Kernels other than Solo5's, files that are no kernels, and how much is read of each. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import { KERNEL_PROBLEM_CODES, problemList } from "../../src/kernel/problem.ts";
import type { ByteSource } from "../../src/util/bytes.ts";
import { elfNote, multibootHeader, type SegmentSpec, solo5Kernel, words, xenNote } from "../support/elf.ts";
import { CODE, codesOf, dynamic, inspect, interp, kernel, section } from "./fixtures.ts";

const PV = [xenNote(6, "Mini-OS"), xenNote(8, "generic"), xenNote(5, "xen-3.0")];
const GNU_TAG = elfNote({ owner: "GNU", type: 1, desc: words(0, 3, 2, 0) });
const tls: SegmentSpec = { type: "tls", data: Buffer.alloc(8) };
const relro: SegmentSpec = { type: "relro", data: Buffer.alloc(8) };

/** What the bytes are, and what must come out. */
const TARGETS: Readonly<Record<string, readonly [Buffer, KernelInfo["target"], Partial<KernelInfo>?]>> = {
  "a PVH kernel": [kernel({ notes: xenNote(18, 0x100000) }), "pvh", { pvh: true, pv: false }],
  "a PVH kernel with an 8-byte entry": [
    kernel({ notes: elfNote({ owner: "Xen", type: 18, desc: words(0x100000, 0) }) }),
    "pvh",
    { pvh: true },
  ],
  "a PVH kernel whose note is in a section only": [
    kernel({ sections: [{ name: ".note.Xen", type: 7, data: xenNote(18, 0x100000) }] }),
    "pvh",
  ],
  "a PV kernel": [kernel({ notes: Buffer.concat(PV) }), "pv", { pvh: false, pv: true }],
  "a kernel for both": [
    kernel({ notes: Buffer.concat([...PV, xenNote(18, 0x100000)]) }),
    "pvh",
    { pvh: true, pv: true },
  ],
  "a Xen kernel without a loader": [kernel({ notes: xenNote(5, "xen-3.0") }), null, { pv: false }],
  "a Xen kernel of another interface version": [
    kernel({ notes: Buffer.concat([xenNote(8, "generic"), xenNote(5, "xen-2.0")]) }),
    null,
  ],
  "Linux by its Xen notes": [
    kernel({ notes: Buffer.concat([xenNote(6, "linux"), xenNote(18, 0x100000)]) }),
    "linux",
    { pvh: true },
  ],
  "Linux by its own note": [kernel({ notes: elfNote({ owner: "Linux", type: 0x100, desc: words(0) }) }), "linux"],
  "Linux by its sections": [kernel({ sections: [section("__ksymtab"), section(".init.text")] }), "linux"],
  "Unikraft for QEMU": [
    kernel({ code: { data: multibootHeader() }, sections: [section(".uk_bootinfo")] }),
    "unikraft-qemu",
    { multiboot: 1 },
  ],
  "Unikraft for Firecracker": [kernel({ sections: [section(".uk_libinfo")] }), "unikraft-fc"],
  "Unikraft on aarch64": [kernel({ machine: 183, sections: [section(".uk_bootinfo")] }), "unikraft-qemu"],
  "Multiboot 1": [kernel({ code: { data: multibootHeader() } }), "multiboot", { multiboot: 1 }],
  "Multiboot 1, 32 bit": [
    kernel({ class: 32, machine: 3, code: { data: multibootHeader() } }),
    "multiboot",
    { arch: "i386" },
  ],
  "Multiboot 2": [
    kernel({ code: { data: words(0xe85250d6, 0, 24, -(0xe85250d6 + 24) >>> 0, 0, 8) } }),
    "multiboot",
    { multiboot: 2 },
  ],
  "Multiboot's magic number with a wrong checksum": [kernel({ code: { data: words(0x1badb002, 3, 1) } }), null],
  "Multiboot 1 too far into the file": [
    kernel({ code: { data: Buffer.concat([Buffer.alloc(8192), multibootHeader()]) } }),
    null,
  ],
  "a dynamic host executable": [kernel({ segments: [interp("/lib/ld-musl-x86_64.so.1")] }), "unix", { dynamic: true }],
  "a static host executable": [kernel({ notes: GNU_TAG }), "unix", { dynamic: false }],
  "a static musl executable": [kernel({ sections: [section(".init"), section(".fini")] }), "unix"],
  "a static executable with thread-local storage": [kernel({ segments: [tls, relro] }), "unix"],
  "a static Go executable": [kernel({ notes: elfNote({ owner: "Go", type: 4, desc: words(0) }) }), "unix"],
  "a static executable by its ABI": [kernel({ osAbi: 3 }), "unix"],
  "a FreeBSD-tagged executable": [kernel({ osAbi: 9 }), "unix"],
  "a Solo5 executable without notes": [kernel({ segments: [interp("/nonexistent/solo5/")] }), null],
  "an object file": [kernel({ type: 1, entry: 0n }), null],
  "a memory dump": [kernel({ type: 4, entry: 0n }), null],
  "a shared library": [kernel({ type: 3, entry: 0n }), null, { pie: true }],
  "a plain ELF executable": [kernel(), null],
  "big-endian ppc64": [kernel({ endian: "big", machine: 21 }), null, { arch: "ppc64", endian: "big" }],
  riscv64: [kernel({ machine: 243 }), null, { arch: "riscv64" }],
  riscv32: [kernel({ class: 32, machine: 243 }), null, { arch: "riscv32" }],
  "an unknown machine": [kernel({ machine: 9999 }), null, { arch: "unknown" }],
};

describe("inspectKernel on other kernels", () => {
  for (const [name, [bytes, target, expected = {}]] of Object.entries(TARGETS)) {
    it(`names ${target} for ${name}`, () => {
      const info = inspect(bytes);
      assert.equal(info.target, target);
      assert.notEqual(info.reason, "");
      assert.equal(info.format, "elf");
      assert.deepEqual(info.devices, []);
      assert.equal(info.manifest, "none");
      assert.deepEqual(codesOf(info), []);
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(info[key as keyof KernelInfo], value);
    });
  }

  it("counts the memory of a kernel that is linked high from where it starts", () => {
    const at = (paddr: bigint) =>
      inspect(kernel({ code: { vaddr: 0xffffffff81000000n, paddr, memSize: 5000 } })).memory;
    assert.equal(at(0x1000000n), 0x1000000 + 8192);
    assert.equal(at(0x40080000n), 8192);
  });

  it("keeps 64-bit addresses exact", () => {
    const [segment] = inspect(kernel({ code: { vaddr: 0xffffffff81000001n, paddr: 0x100000n } })).segments;
    assert.equal(segment?.vaddr, "0xffffffff81000001");
  });
});

describe("inspectKernel on what is not ELF", () => {
  const bzImage = (edit: (bytes: Buffer) => void = () => {}) => {
    const bytes = Buffer.alloc(4096);
    bytes[0x1f1] = 1;
    bytes.writeUInt32LE((4096 - 1024) / 16, 0x1f4);
    bytes.writeUInt16LE(0xaa55, 0x1fe);
    bytes.write("HdrS", 0x202);
    bytes.writeUInt16LE(0x20f, 0x206);
    bytes.writeUInt16LE(1, 0x236);
    bytes.writeUInt32LE(1 << 20, 0x260);
    edit(bytes);
    return bytes;
  };

  it("knows a bzImage, its machine and the memory it asks for", () => {
    const info = inspect(bzImage());
    assert.deepEqual([info.format, info.target, info.arch, info.memory], ["bzimage", "linux", "x86_64", 1 << 20]);
    assert.ok(isSound(info));
    assert.equal(inspect(bzImage((bytes) => bytes.writeUInt16LE(0, 0x236))).arch, "i386");
    assert.equal(inspect(bzImage((bytes) => bytes.writeUInt16LE(0x204, 0x206))).arch, "i386");
  });

  it("notices a bzImage that was cut short", () => {
    const info = inspect(bzImage().subarray(0, 2048));
    assert.equal(info.target, "linux");
    assert.deepEqual(codesOf(info), ["bzimage-truncated"]);
  });

  it("knows the flat images of arm64 and riscv", () => {
    for (const [magic, arch] of [
      ["ARM\x64", "aarch64"],
      ["RSC\x05", "riscv64"],
    ] as const) {
      const bytes = Buffer.alloc(4096);
      bytes.write(magic, 0x38, "latin1");
      const info = inspect(bytes);
      assert.deepEqual([info.format, info.target, info.arch], ["linux-image", "linux", arch]);
    }
  });

  for (const [name, start] of Object.entries({
    gzip: "1f8b",
    xz: "fd377a585a00",
    zstd: "28b52ffd",
    lz4: "04224d18",
    "lz4 (legacy)": "02214c18",
    bzip2: "425a68",
    zip: "504b0304",
  })) {
    it(`refuses ${name} with a hint`, () => {
      const info = inspect(Buffer.concat([Buffer.from(start, "hex"), Buffer.alloc(100, 1)]));
      assert.equal(info.format, "compressed");
      assert.equal(info.target, null);
      assert.equal(info.reason, `it is compressed (${name})`);
      assert.match(info.hint ?? "", /Decompress it with un|Decompress it with [a-z]+/);
      assert.deepEqual(codesOf(info), ["compressed"]);
    });
  }

  it("says what other files are", () => {
    const reason = (text: string) => inspect(Buffer.from(text, "latin1")).reason;
    assert.match(reason("#!/bin/sh\n"), /a script/);
    assert.match(reason("MZ\x90"), /PE/);
    assert.match(reason("version https://git-lfs.github.com/spec/v1\n"), /Git LFS/);
    assert.match(reason("hello"), /no format/);
    assert.match(reason("\x7fEL"), /no format/);
  });

  it("says that an empty file is empty", () => {
    const info = inspect(Buffer.alloc(0));
    assert.deepEqual([info.target, info.reason, info.size], [null, "the file is empty", 0]);
    assert.deepEqual(codesOf(info), ["file-empty"]);
  });
});

describe("what identification reads", () => {
  /** A source that counts, and lends out one buffer as a file does. */
  function counted(bytes: Uint8Array): { source: ByteSource; read: () => number } {
    const buffer = new Uint8Array(1 << 20);
    let total = 0;
    const read = (offset: number, length: number) => {
      total += length;
      buffer.set(bytes.subarray(offset, offset + length));
      return buffer.subarray(0, Math.min(length, bytes.length - offset));
    };
    return { source: { size: bytes.length, read }, read: () => total };
  }

  it("is under 1 MiB of the largest kernel that limits allow", () => {
    const notes = Array.from(
      { length: 10 },
      (): SegmentSpec => ({ type: "note", data: elfNote({ owner: "A", type: 1, desc: Buffer.alloc(60_000) }) }),
    );
    const sections = Array.from({ length: 1200 }, (_, i) => ({
      name: `.${"s".repeat(60)}${i}`,
      type: i < 9 ? 7 : 1,
      data: Buffer.alloc(9000),
    }));
    const strings = { ...CODE, vaddr: 0x200000n, data: Buffer.alloc(1 << 16, 65) };
    const needed = dynamic(5, 0x200000, ...Array.from({ length: 400 }, () => 1));
    const bytes = kernel({ segments: [interp("/".padEnd(8000, "x")), strings, needed, ...notes], sections });
    const { source, read } = counted(bytes);
    const info = inspectKernel(source);
    assert.equal(info.target, "unix");
    assert.ok(read() < 1 << 20, `${read()} bytes`);
    assert.ok(read() > 300_000, `${read()} bytes: the fixture no longer reaches the limits`);
  });

  it("is the same whatever the size of the code", () => {
    const amount = (size: number) => {
      const { source, read } = counted(solo5Kernel({ code: Buffer.alloc(size) }));
      inspectKernel(source);
      return read();
    };
    assert.equal(amount(64 * 1024), amount(16 * 1024 * 1024));
  });
});

describe("the problem codes", () => {
  it("are all in docs/kernels.md, and no others", () => {
    const text = readFileSync(new URL("../../docs/kernels.md", import.meta.url), "utf8");
    const documented = [...text.matchAll(/^\| `([a-z0-9-]+)` \| (?:error|warning|tender) \|/gm)].map(
      ([, code]) => code,
    );
    assert.deepEqual(documented, KERNEL_PROBLEM_CODES);
  });

  it("of tender rules are errors only where a tender loads the kernel", () => {
    const { report, list } = problemList();
    report("pie", "x");
    assert.equal(list({ tended: true })[0]?.severity, "error");
    assert.equal(list({ tended: false })[0]?.severity, "warning");
  });
});
