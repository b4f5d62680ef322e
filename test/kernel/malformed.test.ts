/** ELF files with something wrong in them, whatever they are kernels for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspectKernel } from "../../src/kernel/kernel.ts";
import type { KernelProblemCode } from "../../src/kernel/problem.ts";
import { elfNote, type SegmentSpec, solo5Kernel, words, xenNote } from "../support/elf.ts";
import { CODE, codesOf, dynamic, inspect, interp, kernel, section } from "./fixtures.ts";

const patched = (edit: (bytes: Buffer) => void, bytes = kernel({ notes: xenNote(18, 0x100000) })): Buffer => {
  edit(bytes);
  return bytes;
};
const HEADER = 64;
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
