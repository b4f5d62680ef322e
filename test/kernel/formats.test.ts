/** Kernels other than Solo5's, files that are no kernels, and ELF files with something wrong in them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { inspectKernel, isSound, type KernelInfo } from "../../src/kernel/kernel.ts";
import { KERNEL_PROBLEM_CODES, type KernelProblemCode, problemList } from "../../src/kernel/problem.ts";
import { type ByteSource, bytesSource } from "../../src/util/bytes.ts";
import {
  buildElf,
  type ElfSpec,
  elfNote,
  multibootHeader,
  type SegmentSpec,
  solo5Kernel,
  words,
  xenNote,
} from "../support/elf.ts";

const inspect = (bytes: Uint8Array): KernelInfo => inspectKernel(bytesSource(bytes));
const codesOf = (info: KernelInfo) => info.problems.map(({ code }) => code);
const CODE: SegmentSpec = {
  type: "load",
  flags: "r-x",
  vaddr: 0x100000n,
  data: Buffer.alloc(64, 0x90),
  section: ".text",
};
const kernel = (spec: ElfSpec & { readonly notes?: Buffer; readonly code?: Partial<SegmentSpec> } = {}): Buffer => {
  const notes: SegmentSpec[] = spec.notes === undefined ? [] : [{ type: "note", data: spec.notes }];
  return buildElf({ ...spec, segments: [{ ...CODE, ...spec.code }, ...(spec.segments ?? []), ...notes] });
};
const PV = [xenNote(6, "Mini-OS"), xenNote(8, "generic"), xenNote(5, "xen-3.0")];
const GNU_TAG = elfNote({ owner: "GNU", type: 1, desc: words(0, 3, 2, 0) });
const section = (name: string) => ({ name, type: 1, data: Buffer.alloc(8) });
const interp = (path: string): SegmentSpec => ({ type: "interp", data: Buffer.from(`${path}\0`) });
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

const patched = (edit: (bytes: Buffer) => void, bytes = kernel({ notes: xenNote(18, 0x100000) })): Buffer => {
  edit(bytes);
  return bytes;
};
const HEADER = 64;
const dynamic = (...entries: readonly number[]): SegmentSpec => ({
  type: "dynamic",
  data: Buffer.concat(entries.map((entry) => words(entry, 0))),
});
const host = (...segments: readonly SegmentSpec[]) => kernel({ segments: [interp("/lib/ld.so"), ...segments] });

/** Every fault of the container, in a kernel that is fine otherwise. */
const FAULTS: Readonly<Record<string, readonly [KernelProblemCode, Buffer]>> = {
  "a header that is cut off": ["elf-truncated", kernel().subarray(0, 63)],
  "four bytes": ["elf-truncated", Buffer.from("\x7fELF", "latin1")],
  "class 3": ["elf-class-unknown", patched((bytes) => void (bytes[4] = 3))],
  "byte order 0": ["elf-endian-unknown", patched((bytes) => void (bytes[5] = 0))],
  "ELF version 2": ["elf-version", patched((bytes) => bytes.writeUInt32LE(2, 20), solo5Kernel())],
  "a header of 60 bytes": ["elf-header-size", patched((bytes) => bytes.writeUInt16LE(60, 52), solo5Kernel())],
  "no program headers": ["elf-phdr-missing", patched((bytes) => bytes.writeUInt16LE(0, 56))],
  "program headers of 55 bytes": ["elf-phdr-size", patched((bytes) => bytes.writeUInt16LE(55, 54))],
  "65,535 program headers": ["elf-phdr-too-many", patched((bytes) => bytes.writeUInt16LE(65535, 56))],
  "program headers beyond the end": [
    "elf-phdr-out-of-range",
    patched((bytes) => bytes.writeBigUInt64LE(1n << 40n, 32)),
  ],
  "program headers at the end of the address space": [
    "elf-phdr-out-of-range",
    patched((bytes) => bytes.writeBigUInt64LE((1n << 64n) - 1n, 32)),
  ],
  "section headers of 1 byte": ["elf-shdr-size", patched((bytes) => bytes.writeUInt16LE(1, 58))],
  "section headers beyond the end": [
    "elf-shdr-out-of-range",
    patched((bytes) => bytes.writeBigUInt64LE(1n << 40n, 40)),
  ],
  "2,000 sections": [
    "elf-shdr-too-many",
    kernel({ sections: Array.from({ length: 2000 }, (_, i) => section(`.s${i}`)) }),
  ],
  "sections that the header cannot count": ["elf-shdr-too-many", patched((bytes) => bytes.writeUInt16LE(0, 60))],
  "no section names": ["elf-section-names", patched((bytes) => bytes.writeUInt16LE(999, 62))],
  "a segment beyond the end": [
    "segment-out-of-range",
    patched((bytes) => bytes.writeBigUInt64LE(1n << 30n, HEADER + 8)),
  ],
  "notes beyond the end": [
    "note-segment-out-of-range",
    patched((bytes) => bytes.writeBigUInt64LE(1n << 62n, HEADER + 56 + 8)),
  ],
  "notes that are said to be longer than the file": [
    "note-segment-too-large",
    patched((bytes) => bytes.writeBigUInt64LE(1n << 62n, HEADER + 56 + 32)),
  ],
  "a note longer than its segment": [
    "note-truncated",
    kernel({ notes: elfNote({ owner: "A", type: 1, desc: words(0), descSize: 0xffffffff }) }),
  ],
  "a note with a name of 4 GiB": [
    "note-truncated",
    kernel({ notes: elfNote({ owner: "A", type: 1, desc: words(0), nameSize: 0xffffffff }) }),
  ],
  "600 notes": ["note-too-many", kernel({ notes: Buffer.alloc(600 * 12) })],
  "100 KiB of notes": [
    "note-segment-too-large",
    kernel({ notes: elfNote({ owner: "A", type: 1, desc: Buffer.alloc(100 * 1024) }) }),
  ],
  "a PVH entry of 2 bytes": [
    "xen-note-value",
    kernel({ notes: elfNote({ owner: "Xen", type: 18, desc: Buffer.alloc(2) }) }),
  ],
  "a PVH entry in no segment": ["pvh-entry-outside-segments", kernel({ notes: xenNote(18, 0x200000) })],
  "an interpreter without a path": [
    "interpreter-unreadable",
    kernel({ segments: [{ type: "interp", data: Buffer.alloc(0) }] }),
  ],
  "a library without a string table": ["dynamic-unreadable", host(dynamic(1, 1, 0, 0))],
  "a library with a name beyond the end": ["dynamic-unreadable", host(dynamic(1, 1 << 30, 5, 0x100000, 0, 0))],
};

describe("inspectKernel on malformed ELF files", () => {
  for (const [name, [code, bytes]] of Object.entries(FAULTS)) {
    it(`says ${code} for ${name}`, () =>
      assert.ok(codesOf(inspect(bytes)).includes(code), codesOf(inspect(bytes)).join()));
  }

  it("reads the libraries of a host executable", () => {
    const strings = { ...CODE, vaddr: 0x200000n, data: Buffer.from("\0libm.so.6\0libc.so.6\0"), section: ".dynstr" };
    const info = inspect(host(strings, dynamic(1, 1, 1, 11, 5, 0x200000, 0, 0)));
    assert.deepEqual(info.libraries, ["libm.so.6", "libc.so.6"]);
  });

  it("shows hostile names without passing control characters on", () => {
    const info = inspect(kernel({ sections: [section("\x1b[31m\\")] }));
    assert.ok(info.sections.some(({ name }) => name === "\\x1b[31m\\x5c"));
  });

  it("does not call a kernel stripped when it cannot see all sections", () => {
    const symbols = { name: ".symtab", type: 2, data: Buffer.alloc(24) };
    const stripped = (bytes: Buffer) => inspect(bytes).stripped;
    assert.equal(stripped(kernel()), true);
    assert.equal(stripped(kernel({ sections: [symbols] })), false);
    assert.equal(stripped(patched((bytes) => bytes.writeUInt16LE(0, 60))), null);
    const many = Array.from({ length: 1100 }, (_, i) => section(`.s${i}`));
    assert.equal(stripped(kernel({ sections: [...many, symbols] })), null);
    assert.equal(stripped(patched((bytes) => bytes.writeBigUInt64LE(0n, 40))), true);
  });

  it("lists at most 16 problems of one kind", () => {
    const segments = Array.from({ length: 100 }, (): SegmentSpec => ({ ...CODE, flags: "rwx" }));
    assert.equal(codesOf(inspect(kernel({ segments }))).length, 16);
  });

  it("survives a file that shrinks while it is read", () => {
    const bytes = solo5Kernel();
    for (const size of [100, 300, 600, 5000]) {
      inspectKernel({
        size: bytes.length,
        read: (offset, length) => bytes.subarray(offset, Math.min(offset + length, size)),
      });
    }
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
